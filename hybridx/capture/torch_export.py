"""torch.export called on a model, and the graph that comes of it in real numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from hybridx.capture.graph.complex_to_real import InPairs, has_complex
from hybridx.capture.graph.float64 import DECOMPOSITIONS
from hybridx.capture.graph.matrix_functions import MATRIX_DECOMPOSITIONS
from hybridx.capture.python.patches import intercepting
from hybridx.program import BATCH

Shapes: TypeAlias = tuple[dict[int, Any], ...]


class FixedBatch(Exception):  # noqa: N818
    """The model works at one batch size only, as far as this way of tracing can tell."""


def export_program(module: nn.Module, args: Sequence[Tensor], shapes: Shapes) -> Any:
    """Return what torch.export makes of a module that takes any number of tensors."""
    # The forward of all that is exported takes any number of inputs: one argument, for torch.
    with intercepting(is_mute=True):
        return torch.export.export(module, tuple(args), dynamic_shapes=(shapes,), strict=False)


def refined(dims: Mapping[str, Any], message: str) -> dict[str, Any]:
    """Return the axes that torch leaves open after all, with the bounds that it found.

    Raises:
        FixedBatch: it leaves none open, or not the batch, or does not say what it wants.
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
        raise FixedBatch  # torch does not say where
    return refined


def graph_of(program: Any, decompositions: Any) -> fx.GraphModule:
    """Return the graph of a program: tensors in, a flat tuple of tensors out."""
    module = program.run_decompositions(decompositions).module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    for node in [n for n in module.graph.nodes if n.target in _ASSERTIONS]:
        module.graph.erase_node(node)
    module.graph.set_codegen(fx.graph.CodeGen())
    # A fresh module, without the checks that torch.export hangs on its inputs.
    return fx.GraphModule(module, module.graph)


# Writing into a buffer moves numbers; as a comparison of positions nobody could follow them.
_KEPT = (torch.ops.aten.select_scatter.default, torch.ops.aten.slice_scatter.default)

TABLE = {**DECOMPOSITIONS, **MATRIX_DECOMPOSITIONS}


def core_table() -> Any:
    """Return the decompositions to torch's core operators."""
    table = torch.export.default_decompositions()
    for kept in _KEPT:
        table.pop(kept, None)
    table.update(TABLE)
    return table


def graph_in_real_numbers(
    program: Any, decompositions: Any, args: Sequence[Tensor], shapes: Shapes
) -> fx.GraphModule:
    """Return the graph of a program, complex tensors as pairs of real ones."""
    module = graph_of(program, decompositions)
    if not has_complex(module):
        return module
    core = InPairs(graph_of(program, core_table()))
    return graph_of(export_program(core, args, shapes), decompositions)


# Checks that tracing leaves behind: ONNX has none, and for eager inputs they hold.
_ASSERTIONS = frozenset({
    torch.ops.aten._assert_tensor_metadata.default,
    torch.ops.aten._assert_scalar.default,
    torch.ops.aten._assert_async.msg,
})  # fmt: skip


def dynamic_shapes(axes: Sequence[Mapping[int, str]], dims: Mapping[str, Any]) -> Shapes:
    """Return what torch.export calls dynamic shapes: the axes whose names are among `dims`."""
    return tuple(
        {axis: dims[name] for axis, name in named.items() if name in dims} for named in axes
    )
