"""One QNode call as a graph of its arguments, in which weights stay apart from data."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pennylane as qml
import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from hybridx.capture.graph.bind_circuits import bind_live_circuits
from hybridx.capture.graph.ops import LIVE_OP
from hybridx.capture.python.patches import quiet, uncollected
from hybridx.capture.python.refusals import untraceable
from hybridx.capture.python.torch_mode import NumbersMode
from hybridx.capture.qnode.arguments import Arguments
from hybridx.capture.qnode.recording import recorded
from hybridx.capture.torch_export import TABLE, FixedBatch, export_program, graph_of
from hybridx.capture.torch_internals import (
    base_of,
    flatten,
    is_shape_error,
    leaves_of,
    needs_a_number,
    unflatten,
)
from hybridx.circuit import BATCH, Circuit
from hybridx.errors import CaptureError, LoweringError


@dataclass(frozen=True)
class LiveCall:
    """A traced QNode call.

    Attributes:
        module: from the tensors among the arguments to the tensors among the results;
            `hybridx::live` nodes stand for circuits.
        circuits: by the index that a node carries, each with the number of its data columns.
        structure: how the results are nested.
    """

    module: fx.GraphModule
    circuits: tuple[tuple[Circuit, int], ...]
    structure: Any

    @property
    def nested(self) -> Any:
        """The numbers of the results, nested as they are."""
        return unflatten(list(range(self.structure.num_leaves)), self.structure)

    def with_circuits(self, circuits: Sequence[nn.Module]) -> fx.GraphModule:
        """Return the graph with modules in the places of the circuits.

        Args:
            circuits: one for each circuit, from data `(batch, P)` and shared columns `(W,)` to
                results `(batch, M)`.
        """
        module = self.module
        for node in module.graph.find_nodes(op="call_function", target=LIVE_OP):
            data, shared, index, _ = node.args
            name = f"circuit_{index}"
            module.add_module(name, circuits[index])
            with module.graph.inserting_before(node):
                call = module.graph.call_module(name, (data, shared))
            node.replace_all_uses_with(call)
            module.graph.erase_node(node)
        module.recompile()
        return module


def side_by_side(module: fx.GraphModule) -> fx.GraphModule | None:
    """Return the graph with all results as one tensor `(batch, M)` or `(M,)`.

    Returns:
        None unless its results are the numbers of one circuit in their order.
    """
    results: Any = module.graph.output_node().args[0]
    first = results[0]
    apart = first.args[0] if isinstance(first, fx.Node) and first.args else None
    if not isinstance(apart, fx.Node) or apart.target is not torch.ops.aten.unbind.int:
        return None
    if len(apart.meta["val"]) != len(results) or any(
        result.target is not operator.getitem or result.args != (apart, place)
        for place, result in enumerate(results)
    ):
        return None
    source: Any = apart.args[0]
    if source.target is torch.ops.aten._to_copy.default:  # the layer casts them again
        source = source.args[0]
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    graph.graph_copy(module.graph, copies)
    graph.output(copies[source])
    joined = fx.GraphModule(module, graph)
    graph.eliminate_dead_code()
    joined.recompile()
    return joined


class Uses(TorchFunctionMode):
    """Notes which tensors the functions of torch are given.

    Args:
        tensors: that are noted, besides all that require gradients.

    Attributes:
        met: those that were noted, by their identities.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        self._watched = {id(tensor) for tensor in tensors}
        self.met: dict[int, Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Iterable[Any], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch."""
        for leaf in leaves_of((args, kwargs)):
            if not isinstance(leaf, Tensor):
                continue
            tensor = base_of(leaf)  # without gradients, a view of a weight still asks for them
            for one in (leaf, tensor):
                if id(one) in self._watched or (one is tensor and one.requires_grad):
                    self.met[id(one)] = one
        return func(*args, **(kwargs or {}))


def tape_batch(qnode: Any, given: Arguments, tensors: Sequence[Tensor]) -> int | None:
    """Return the batch size of a QNode call's circuit, or None if it has no batch axis.

    Args:
        qnode: that is called.
        given: its arguments.
        tensors: in the places of those among the arguments.
    """
    with torch.no_grad():
        tape = given.given_to(qml.workflow.construct_tape(qnode, level=0), tensors)
    size: int | None = tape.batch_size
    return size


def trace_call(
    qnode: Any,
    given: Arguments,
    axes: Sequence[int | None],
    dtype: torch.dtype,
    dtypes: Sequence[torch.dtype],
) -> LiveCall:
    """Trace a QNode call; nothing is simulated.

    Args:
        qnode: that is called.
        given: its arguments, and the other tensors that are to be inputs.
        axes: for each tensor among them, the axis that stays open, at least 2 long, or None.
        dtype: in which circuits are computed.
        dtypes: of the tensors among the results of the call.

    Raises:
        FixedBatch: the call is traced at one batch size only.
        CaptureError: it cannot be traced; an operator or a measurement has no rule, for example.
        LoweringError: its circuit is too large.
    """
    tensors = [tensor.detach() for tensor in given.tensors]
    nested: list[Any] = []

    def run(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        with NumbersMode(recording.values, recording.branches):
            results, form = flatten(given.given_to(qnode, tensors))
        nested.append(form)
        return tuple(results)

    caller = _Caller(run)
    batch = torch.export.Dim(BATCH)
    shapes = tuple({} if axis is None else {axis: batch} for axis in axes)
    with quiet(), uncollected(), recorded(caller, [dtypes[0].to_real()], joins=False) as recording:
        try:
            program = export_program(caller, tensors, shapes)
            module = graph_of(program, TABLE)
            _keep_detached(module)
            bound = bind_live_circuits(module, recording.circuits, dtype)
            _make_differentiable(module)
            _cast_results(module, dtypes)
        except (CaptureError, LoweringError):
            raise
        except Exception as error:
            # torch.export raises whatever the user's code raises on tracing tensors.
            if is_shape_error(error) or needs_a_number(error):
                raise FixedBatch from error
            raise untraceable(caller, error, recording.branches.longest) from error
    return LiveCall(module, bound, nested[-1])


def _keep_detached(module: fx.GraphModule) -> None:
    """Keep what is detached apart from what it is detached from, in place.

    An angle is traced back through operators that only move data, as `aten.detach` does.
    """
    for node in module.graph.find_nodes(op="call_function", target=torch.ops.aten.detach.default):
        node.target = torch.detach


def _make_differentiable(module: fx.GraphModule) -> None:
    """Write some operators of a graph by others that torch differentiates, in place.

    `aten.copy`, which torch.export makes of a write into a tensor, has no derivative. That of
    `aten.view_as_real` fails where the gradient starts at an odd place of its memory.
    """
    graph = module.graph
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten.copy.default):
        goal, source = node.args[:2]
        with graph.inserting_before(node):
            if source.meta["val"].dtype != node.meta["val"].dtype:
                dtype = {"dtype": node.meta["val"].dtype}
                source = graph.call_function(torch.ops.aten._to_copy.default, (source,), dtype)
            copied = graph.call_function(torch.ops.aten.expand_as.default, (source, goal))
        node.replace_all_uses_with(copied)
        graph.erase_node(node)
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten.view_as_real.default):
        with graph.inserting_before(node):
            parts = [graph.call_function(part, node.args) for part in (torch.real, torch.imag)]
            stacked = graph.call_function(torch.ops.aten.stack.default, (parts, -1))
        stacked.meta.update(node.meta)
        node.replace_all_uses_with(stacked)
        graph.erase_node(node)
    module.recompile()


def _cast_results(module: fx.GraphModule, dtypes: Sequence[torch.dtype]) -> None:
    """Give the results of a graph their dtypes, in place.

    PennyLane returns complex numbers for the mean of some sums of observables, and numbers of
    another dtype for what depends on constants alone.
    """
    output = module.graph.output_node()
    results: Any = output.args[0]
    cast = []
    for result, dtype in zip(results, dtypes, strict=True):
        if result.meta["val"].dtype != dtype:
            with module.graph.inserting_before(output):
                result = module.graph.call_function(
                    torch.ops.aten._to_copy.default, (result,), {"dtype": dtype}
                )
        cast.append(result)
    output.args = (tuple(cast),)
    module.recompile()


class _Caller(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, run: Callable[[Sequence[Tensor]], tuple[Tensor, ...]]) -> None:
        super().__init__()
        # torch.export puts back what a module's attributes hold, but not what a function encloses.
        self._run = run

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return self._run(tensors)
