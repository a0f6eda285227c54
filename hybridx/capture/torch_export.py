"""Call torch.export on a model, and convert the graph that it returns to real numbers."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from hybridx.capture.graph.complex_to_real import InPairs, NoRealForm, has_complex
from hybridx.capture.graph.constants import fold_constants
from hybridx.capture.graph.float64 import DECOMPOSITIONS
from hybridx.capture.graph.formulas.linear_operators import forget_unused_vectors
from hybridx.capture.graph.local_decompositions import NotLocal, decomposed
from hybridx.capture.graph.matrix_functions import MATRIX_DECOMPOSITIONS
from hybridx.capture.graph.missing_operators import MISSING_OPERATORS
from hybridx.capture.graph.number_selects import gather_selected
from hybridx.capture.python.patches import intercepting
from hybridx.capture.python.source_location import name_of_node, place_of_node
from hybridx.capture.torch_internals import is_autocast
from hybridx.circuit import BATCH
from hybridx.errors import ComplexOperatorError

Shapes: TypeAlias = tuple[dict[int, Any], ...]
Merge: TypeAlias = Callable[[fx.GraphModule], None]


def unmerged(module: fx.GraphModule) -> None:
    """Leave a graph as it is: it was traced along one way."""


class FixedBatch(Exception):  # noqa: N818
    """This way of tracing works at one batch size only."""


def export_program(module: nn.Module, args: Sequence[Tensor], shapes: Shapes) -> Any:
    """Return the program that torch.export makes of a module that takes any number of tensors."""
    # Every module exported here has `forward(*tensors)`, which torch counts as one argument.
    with intercepting(is_mute=True):
        return torch.export.export(
            module, tuple(args), dynamic_shapes=(from_two(shapes),), strict=False
        )


def from_two(shapes: Sequence[Mapping[int, Any]]) -> Shapes:
    """Return dynamic shapes that say what torch assumes of open axes: they are 2 long or longer.

    Without it torch refuses to trace a length such as `2 * batch` where it is compared with 2.
    """
    dims: dict[str, Any] = {}

    def bounded(dim: Any) -> Any:
        bounds = {"min": max(2, int(dim.min))}
        if dim.max < sys.maxsize:
            bounds["max"] = int(dim.max)
        return dims.setdefault(dim.__name__, torch.export.Dim(dim.__name__, **bounds))

    return tuple({axis: bounded(dim) for axis, dim in one.items()} for one in shapes)


def refined(dims: Mapping[str, Any], message: str) -> dict[str, Any]:
    """Return the axes that may stay open according to a message of torch, with torch's bounds.

    Raises:
        FixedBatch: no axis may stay open, or the batch may not, or the message names no axis.
    """
    refined = dict(dims)
    for name in dims:
        if re.search(rf"^  {name} = \d+$", message, re.MULTILINE):
            del refined[name]
        bounded = re.search(rf"^  {name} = Dim\('{name}'(.*)\)$", message, re.MULTILINE)
        bounds = dict(re.findall(r"(min|max)=(\d+)", bounded.group(1))) if bounded else {}
        if bounds:
            numbers = {bound: int(number) for bound, number in bounds.items()}
            refined[name] = torch.export.Dim(name, **numbers)
    if not refined or refined == dims or refined.get(BATCH) is not dims.get(BATCH):
        raise FixedBatch  # the message may name no axis
    return refined


def graph_of(program: Any, decompositions: Any, merge: Merge = unmerged) -> fx.GraphModule:
    """Return the graph of a program: tensors in, a flat tuple of tensors out.

    Args:
        program: of `export_program`.
        decompositions: of operators into others.
        merge: makes one graph of the ways that a branch on data leads, in place.
    """
    forget_unused_vectors(program.graph)
    _leave_autocast(program.graph)
    module = program.module(check_guards=False)
    try:
        module.graph = decomposed(module, decompositions)
    except NotLocal:
        module = program.run_decompositions(decompositions).module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    for node in [n for n in module.graph.nodes if n.target in _ASSERTIONS]:
        module.graph.erase_node(node)
    # What forward writes into its arguments, torch copies back at the end. A file leaves them.
    for node in module.graph.find_nodes(op="call_function", target=torch.ops.aten.copy_.default):
        if node.args[0].op == "placeholder":
            node.replace_all_uses_with(node.args[1])
            module.graph.erase_node(node)
    gather_selected(module)
    fold_constants(module)
    module.graph.set_codegen(fx.graph.CodeGen())
    # A new module, without the input checks that torch.export attaches to its own.
    module = fx.GraphModule(module, module.graph)
    merge(module)
    return module


def _leave_autocast(graph: fx.Graph) -> None:
    """Switch autocast off in the regions of a graph, in place: it was traced in float32."""
    for node in [node for node in graph.nodes if is_autocast(node.target)]:
        device, dtype, _, *rest = node.args
        node.args = (device, dtype, False, *rest)


# These write a slice into a tensor. Decomposed, they compare positions, and then
# `graph/provenance.py` could not follow the elements.
_KEPT = (torch.ops.aten.select_scatter.default, torch.ops.aten.slice_scatter.default)

TABLE = {**DECOMPOSITIONS, **MATRIX_DECOMPOSITIONS, **MISSING_OPERATORS}


def core_table() -> Any:
    """Return the decompositions to torch's core operators."""
    table = torch.export.default_decompositions()
    for kept in _KEPT:
        table.pop(kept, None)
    table.update(TABLE)
    return table


def graph_in_real_numbers(
    program: Any,
    decompositions: Any,
    args: Sequence[Tensor],
    shapes: Shapes,
    merge: Merge = unmerged,
) -> fx.GraphModule:
    """Return the graph of a program, with each complex tensor as a pair of real tensors.

    Raises:
        ComplexOperatorError: an operator has no form in real numbers.
    """
    module = graph_of(program, decompositions, merge)
    if not has_complex(module):
        return module
    core = InPairs(graph_of(program, core_table(), merge))
    try:
        return graph_of(export_program(core, args, shapes), decompositions)
    except NoRealForm as error:
        place = place_of_node(error.node)
        raise ComplexOperatorError(name_of_node(error.node), place) from error


# Assertions that tracing leaves in the graph. ONNX has no such operator, and they hold for the
# example inputs.
_ASSERTIONS = frozenset({
    torch.ops.aten._assert_tensor_metadata.default,
    torch.ops.aten._assert_scalar.default,
    torch.ops.aten._assert_async.msg,
    torch.ops.aten._linalg_check_errors.default,
})  # fmt: skip


def dynamic_shapes(axes: Sequence[Mapping[int, str]], dims: Mapping[str, Any]) -> Shapes:
    """Return the `dynamic_shapes` of torch.export: by axis, the entry of `dims` for its name."""
    return tuple(
        {axis: dims[name] for axis, name in named.items() if name in dims} for named in axes
    )
