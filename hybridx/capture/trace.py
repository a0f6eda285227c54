"""A model traced by torch.export, with an open batch wherever its own code allows that.

Three ways are tried. The whole batch at once is the plainest graph. A model that loops over its
batch, or calls a circuit many times, is traced at one row, its calls are joined, and the graph is
run on all rows (`rows.py`, `siblings.py`). What works at one batch size only is traced at that.
"""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from hybridx.capture.bind import bind_circuits
from hybridx.capture.complexes import InPairs, has_complex
from hybridx.capture.matrices import MATRIX_DECOMPOSITIONS
from hybridx.capture.qnode import Recording, recorded, rehearsed
from hybridx.capture.rows import NoRowRule, RowInterpreter, Rows
from hybridx.capture.siblings import UnlikeCalls, join_calls
from hybridx.capture.wide import DECOMPOSITIONS
from hybridx.circuit import Circuit
from hybridx.errors import CaptureError, ExampleRejectedError, LoweringError, TraceError


@dataclass(frozen=True)
class Trace:
    """A model as a graph.

    Attributes:
        module: the graph; `hybridx::circuit` nodes stand for circuits.
        circuits: what they stand for, by the index that a node carries.
        layers: where each circuit stands in the model, in the user's words.
        input_names: one for each example input.
        fixed: why the batch is fixed, or None if it is open.
    """

    module: fx.GraphModule
    circuits: tuple[Circuit, ...]
    layers: tuple[str, ...]
    input_names: tuple[str, ...]
    fixed: str | None


@dataclass(frozen=True)
class Rehearsal:
    """What the eager model did with the example.

    Attributes:
        dtypes: what each QNode call returned, in order.
        repeats: a QNode was called more than once.
        outputs: the tensors among what the model returned.
    """

    dtypes: tuple[torch.dtype, ...]
    repeats: bool
    outputs: tuple[Tensor, ...]


class _FixedBatch(Exception):  # noqa: N818
    """The model works at one batch size only, as far as this way of tracing can tell."""


def rehearse(model: nn.Module, args: Sequence[Tensor]) -> Rehearsal:
    """Run the eager model once.

    Raises:
        ExampleRejectedError: it raises.
    """
    try:
        with torch.no_grad(), rehearsed(model) as (dtypes, layers):
            returned = model(*args)
    except (CaptureError, LoweringError):
        raise
    except Exception as error:
        # The model is the user's own code and may raise anything.
        shapes = ", ".join(str(tuple(arg.shape)) for arg in args)
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise ExampleRejectedError(shapes, reason) from error
    outputs = [leaf for leaf in pytree.tree_leaves(returned) if isinstance(leaf, Tensor)]
    return Rehearsal(tuple(dtypes), len(set(layers)) < len(layers), tuple(outputs))


@dataclass(frozen=True)
class Tracer:
    """Traces one model.

    Attributes:
        model: in the mode in which it is to be traced.
        args: example inputs; the batch is their first axis and at least 2 long.
        dtype: of the circuits in the file.
        rehearsal: of the same inputs, or None if the model cannot be run.
    """

    model: nn.Module
    args: Sequence[Tensor]
    dtype: torch.dtype
    rehearsal: Rehearsal | None

    def trace(self, *, dynamic: bool) -> Trace:
        """Return the model as a graph, with an open batch if that is asked for and possible.

        Raises:
            TraceError: the model cannot be traced at all.
        """
        reason = ""
        for way in self._ways() if dynamic else ():
            try:
                return way()
            except _FixedBatch as error:
                reason = reason or str(error)
        dtypes = () if self.rehearsal is None else self.rehearsal.dtypes
        return self._at_one_size(self.args, dtypes, reason or "its code does not follow it")

    def _ways(self) -> tuple[Callable[[], Trace], ...]:
        if self.rehearsal is None:
            return (self._whole,)
        if self.rehearsal.repeats:
            return self._by_rows, self._whole
        return self._whole, self._by_rows

    def _whole(self) -> Trace:
        """Trace the whole batch at once."""
        dtypes = () if self.rehearsal is None else self.rehearsal.dtypes
        with recorded(self.model, dtypes, joins=False) as recording:
            try:
                program = _export(self.model, self.args, dynamic=True)
                module = _in_real_numbers(program, _TABLE, self.args, dynamic=True)
            except torch._dynamo.exc.UserError as error:
                raise _FixedBatch from error  # torch does not say where
            except (CaptureError, LoweringError):
                raise
            except Exception as error:
                raise TraceError(first_line(error), _place(error)) from error
        return self._bound(module, recording, None)

    def _at_one_size(
        self, args: Sequence[Tensor], dtypes: Sequence[torch.dtype], reason: str
    ) -> Trace:
        """Trace at the batch size of `args`; calls that are alike become one."""
        table = _core_table()
        for joins in (True, False):
            with recorded(self.model, dtypes, joins=joins) as recording:
                try:
                    program = _export(self.model, args, dynamic=False)
                except (CaptureError, LoweringError):
                    raise
                except Exception as error:
                    # torch.export raises whatever the model's code raises on tracing tensors.
                    raise TraceError(first_line(error), _place(error)) from error
                module = _in_real_numbers(program, table, args, dynamic=False)
            try:
                join_calls(module)
                break
            except UnlikeCalls:
                continue
        return self._bound(module, recording, reason)

    def _by_rows(self) -> Trace:
        """Trace at one row and run the graph on all rows.

        Raises:
            _FixedBatch: the rows of an output are not functions of the rows of the inputs.
        """
        assert self.rehearsal is not None
        first = [arg[:1] if arg.dim() else arg for arg in self.args]
        try:
            axes, dtypes = _row_axes(self.model, self.args, self.rehearsal)
            row = self._at_one_size(first, dtypes, "")
            program = _export(_OnRows(row.module, axes), self.args, dynamic=True)
        except NoRowRule as error:
            raise _FixedBatch(f"{first_line(error)} has no rule for a batch") from error
        except (TraceError, ExampleRejectedError, torch._dynamo.exc.UserError) as error:
            raise _FixedBatch(first_line(error)) from error
        return replace(row, module=_module(program, _TABLE), fixed=None)

    def _bound(self, module: fx.GraphModule, recording: Recording, fixed: str | None) -> Trace:
        bound = bind_circuits(module, recording.circuits, self.dtype)
        return Trace(
            module=module,
            circuits=tuple(circuit for _, circuit in bound),
            layers=tuple(recording.layers[index] for index, _ in bound),
            input_names=tuple(
                str(node.target) for node in module.graph.nodes if node.op == "placeholder"
            ),
            fixed=fixed,
        )


# Writing into a buffer moves numbers; as a comparison of positions nobody could follow them.
_KEPT = (torch.ops.aten.select_scatter.default, torch.ops.aten.slice_scatter.default)


class _OnRows(nn.Module):
    """A graph that was traced at one row, as a module for any number of rows.

    Args:
        graph: takes tensors and returns a flat tuple of tensors.
        axes: where each output has its batch.
    """

    def __init__(self, graph: fx.GraphModule, axes: Sequence[int | None]) -> None:
        super().__init__()
        self.traced = graph
        self._axes = axes

    def forward(self, *args: Tensor) -> Any:
        rows = next(arg.shape[0] for arg in args if arg.dim())
        # Each row keeps the batch axis of length 1 that it was traced with.
        given = [Rows(arg.unsqueeze(1)) if arg.dim() else arg for arg in args]
        returned = RowInterpreter(self.traced, rows).run(*given)
        return tuple(
            _as_batch(leaf, axis, rows) for leaf, axis in zip(returned, self._axes, strict=True)
        )


def _as_batch(leaf: Any, axis: int | None, rows: Any) -> Any:
    """Return one output of all rows, with the batch on the axis where the model has it."""
    if axis is None:
        if isinstance(leaf, Rows):
            raise NoRowRule("an output that mixes the rows")
        return leaf
    value = leaf.value if isinstance(leaf, Rows) else leaf.unsqueeze(0).expand(rows, *leaf.shape)
    if axis < 0:
        return value  # the model itself dropped the axis of length 1
    shape = value.shape[1:]
    return value.movedim(0, axis).reshape(*shape[:axis], rows, *shape[axis + 1 :])


def _row_axes(
    model: nn.Module, args: Sequence[Tensor], rehearsal: Rehearsal
) -> tuple[list[int | None], tuple[torch.dtype, ...]]:
    """Return where each output has its batch, and what QNode calls return, from single rows.

    The axis is None for an output that does not depend on the batch and -1 for one that has no
    axis for a single row.

    Raises:
        _FixedBatch: the model does not treat rows one by one.
    """
    count = next((len(arg) for arg in args if arg.dim()), 0)
    alone = [
        rehearse(model, [arg[row : row + 1] if arg.dim() else arg for arg in args])
        for row in range(count)
    ]
    axes: list[int | None] = []
    for together, *singles in zip(rehearsal.outputs, *(one.outputs for one in alone), strict=True):
        axis = _batch_axis(together, singles[0], count)
        for row, single in enumerate(singles):
            piece = together
            if axis is not None:
                piece = together.select(max(axis, 0), row)
                single = single if axis < 0 else single.select(axis, 0)
            # Row by row PennyLane sums in another order; a mixed batch differs by far more.
            if not torch.allclose(piece, single, rtol=1e-3, atol=1e-4, equal_nan=True):
                raise _FixedBatch("the rows of the batch depend on each other")
        axes.append(axis)
    return axes, alone[0].dtypes if alone else ()


def _batch_axis(together: Tensor, single: Tensor, count: int) -> int | None:
    long, short = tuple(together.shape), tuple(single.shape)
    if long == short:
        return None
    if long == (count, *short):
        return -1
    for axis, length in enumerate(long):
        if length == count and short == (*long[:axis], 1, *long[axis + 1 :]):
            return axis
    raise _FixedBatch("an output has no axis that follows the batch")


def _export(model: nn.Module, args: Sequence[Tensor], *, dynamic: bool) -> Any:
    shapes = dynamic_shapes(args, dynamic=dynamic)
    if isinstance(model, _OnRows | InPairs):
        shapes = (shapes,)  # its forward takes any number of inputs
    return torch.export.export(model, tuple(args), dynamic_shapes=shapes, strict=False)


def _module(program: Any, decompositions: Any) -> fx.GraphModule:
    """Return the graph of a program: tensors in, a flat tuple of tensors out."""
    module = program.run_decompositions(decompositions).module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    for node in [n for n in module.graph.nodes if n.target in _ASSERTIONS]:
        module.graph.erase_node(node)
    module.graph.set_codegen(fx.graph.CodeGen())
    # A fresh module, without the checks that torch.export hangs on its inputs.
    return fx.GraphModule(module, module.graph)


_TABLE = {**DECOMPOSITIONS, **MATRIX_DECOMPOSITIONS}


def _core_table() -> Any:
    """Return the decompositions to torch's core operators."""
    table = torch.export.default_decompositions()
    for kept in _KEPT:
        table.pop(kept, None)
    table.update(_TABLE)
    return table


def _in_real_numbers(
    program: Any, decompositions: Any, args: Sequence[Tensor], *, dynamic: bool
) -> fx.GraphModule:
    """Return the graph of a program, complex tensors as pairs of real ones."""
    module = _module(program, decompositions)
    if not has_complex(module):
        return module
    core = _module(program, _core_table())
    result = _module(_export(InPairs(core), args, dynamic=dynamic), decompositions)
    # Inputs are named after the arguments of the model's forward.
    inputs = [
        [node for node in graph.nodes if node.op == "placeholder"]
        for graph in (module.graph, result.graph)
    ]
    for named, node in zip(*inputs, strict=True):
        node.target = named.target
    result.recompile()
    return result


# Checks that tracing leaves behind: ONNX has none, and for eager inputs they hold.
_ASSERTIONS = frozenset({
    torch.ops.aten._assert_tensor_metadata.default,
    torch.ops.aten._assert_scalar.default,
    torch.ops.aten._assert_async.msg,
})  # fmt: skip


def dynamic_shapes(args: Sequence[Tensor], *, dynamic: bool) -> Any:
    """Return what torch.export calls dynamic shapes: the first axis of every input."""
    batch = torch.export.Dim("batch")
    return tuple({0: batch} if dynamic and arg.dim() else {} for arg in args)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' own warnings and log lines off the user's terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch.onnx", "torch.fx")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its class."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _place(error: BaseException) -> str:
    """Return the innermost frame of the traceback that is not torch's or PennyLane's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and "hybridx" not in f.filename]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else "a place torch does not name"
