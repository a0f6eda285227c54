"""Replace traced calls by circuits: insert constants, find columns, remove data movement.

PennyLane leaves a select for every angle of a circuit and a reshape for every result. These cost
more at run time than the circuit. So angles are traced back to the tensor whose columns they are,
and results are traced forward to the node where they stand side by side again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, fx

from hybridx.capture.graph.angle_columns import (
    AngleColumns,
    Folding,
    cast,
    foldings,
    repeats,
    select,
)
from hybridx.capture.graph.constants import Constants
from hybridx.capture.graph.derivative_columns import bind_derivative
from hybridx.capture.graph.insert import call_node
from hybridx.capture.graph.ops import CIRCUIT_OP, DERIVATIVE_OP, LIVE_OP, QNODE_OP
from hybridx.capture.graph.provenance import Elements, Origins, size_hint
from hybridx.circuit import Circuit, bind

_aten = torch.ops.aten


def bind_circuits(
    module: fx.GraphModule, circuits: Sequence[Circuit], dtype: torch.dtype
) -> tuple[tuple[int, Circuit], ...]:
    """Replace every traced QNode call in `module` by a circuit node of `dtype`, in place.

    Args:
        module: a traced graph with `hybridx::qnode` nodes, and `hybridx::derivative` nodes.
        circuits: the circuits of these calls; parameter i is the i-th angle of the call.
        dtype: of the circuits' parameters and results in the file.

    Returns:
        For each new node, the index of its circuit among `circuits`, and the circuit itself with
        parameters `(batch, P)` in the order in which the node passes them.
    """
    bound: list[tuple[int, Circuit]] = []
    for node, index, width, columns, constants in _calls(module, shares=False):
        with module.graph.inserting_before(node):
            parameters = columns.write(dtype)
            results = call_node(module, CIRCUIT_OP, parameters, len(bound), width)
        bound.append((index, bind(circuits[index], columns.count, columns.angle_of)))
        _replace_results(module, node, results, constants)
    constants = Constants(module)
    for node in module.graph.find_nodes(op="call_function", target=DERIVATIVE_OP):
        index = node.args[2]
        bound.append(
            (index, bind_derivative(module, node, circuits[index], constants, dtype, len(bound)))
        )
    _finish(module)
    return tuple(bound)


def bind_live_circuits(
    module: fx.GraphModule, circuits: Sequence[Circuit], dtype: torch.dtype
) -> tuple[tuple[Circuit, int], ...]:
    """Replace every traced QNode call in `module` by a live circuit node of `dtype`, in place.

    Args:
        module: a traced graph with `hybridx::qnode` nodes.
        circuits: the circuits of these calls; parameter i is the i-th angle of the call.
        dtype: of the circuits' parameters and results.

    Returns:
        For each new node its circuit, and how many of its columns differ by row: the first ones.
    """
    bound: list[tuple[Circuit, int]] = []
    for node, index, width, columns, _ in _calls(module, shares=True):
        with module.graph.inserting_before(node):
            data, shared = columns.write(dtype), columns.write_shared(dtype)
            results = call_node(module, LIVE_OP, data, shared, len(bound), width)
            if node.meta["val"].dim() == 1:
                results = call_node(module, _aten.squeeze.dim, results, 0)
            results = cast(module, results, node.meta["val"].dtype)
        bound.append((bind(circuits[index], columns.count, columns.angle_of), columns.data))
        node.replace_all_uses_with(results)
    _finish(module)
    return tuple(bound)


def _calls(
    module: fx.GraphModule, *, shares: bool
) -> Iterator[tuple[fx.Node, int, int, AngleColumns, Constants]]:
    _drop_unused(module)
    constants = Constants(module)
    for node in [n for n in module.graph.nodes if n.target is QNODE_OP]:
        angles, _, index, width, _, lengths = node.args
        columns = AngleColumns(module, node, angles, lengths, constants, shares=shares)
        yield node, index, width, columns, constants


def _finish(module: fx.GraphModule) -> None:
    _drop_unused(module)
    module.graph.lint()
    module.recompile()


def _drop_unused(module: fx.GraphModule) -> None:
    """Remove nodes whose results are not used, also calls, which torch keeps for their tag."""
    module.graph.eliminate_dead_code(
        lambda node: node.target not in (QNODE_OP, DERIVATIVE_OP) and bool(node.is_impure())
    )


def _replace_results(
    module: fx.GraphModule, call: fx.Node, results: fx.Node, constants: Constants
) -> None:
    """Replace nodes that only move the results of `call` by nodes that read `results`."""
    batched = call.meta["val"].dim() == 2
    rows, width = results.meta["val"].shape
    ways = foldings(module, rows)
    moved = _moved(call, constants)
    for node, elements in moved.items():
        label = elements.label if batched else elements.label[None]
        picked = _picked(label, ways, int(width))
        if picked is None or not picked[1]:  # the columns may be none
            continue
        calls, columns, shape = picked
        whole = calls == 1 and columns == list(range(width)) and len(shape) == 1
        if not whole and all(user in moved for user in node.users):
            continue
        with module.graph.inserting_before(node.next):
            value = _chosen(module, results, calls, columns, shape)
            if not batched:
                value = call_node(module, _aten.squeeze.dim, value, 0)
            value = cast(module, value, node.meta["val"].dtype)
        node.replace_all_uses_with(value)


def _chosen(
    module: fx.GraphModule,
    results: fx.Node,
    calls: int,
    columns: list[int],
    shape: tuple[int, ...],
) -> fx.Node:
    """Insert the nodes that select columns of the results of `calls` calls, in a shape per row."""
    width = calls * int(results.meta["val"].shape[1])
    value = results
    if columns != list(range(width)):
        if calls > 1:
            value = call_node(module, _aten.reshape.default, value, [-1, width])
        value = select(module, value, columns)
    if not shape:
        return call_node(module, _aten.squeeze.dim, value, 1)
    if tuple(map(size_hint, value.meta["val"].shape[1:])) != shape:
        value = call_node(module, _aten.reshape.default, value, [-1, *shape])
    return value


def _moved(call: fx.Node, constants: Constants) -> dict[fx.Node, Elements]:
    """Return `call` and the nodes after it that hold nothing but elements of its result."""
    origins = Origins(constants)
    moved = {call: origins.make_source(call)}
    count = moved[call].label.numel()
    pending = list(call.users)
    seen: set[fx.Node] = set()
    while pending:
        node = pending.pop()
        if node in seen or node.op != "call_function":
            continue
        seen.add(node)
        if not isinstance(node.meta.get("val"), Tensor):
            pending += node.users  # unbind and split: look at their pieces
            continue
        elements = origins.of(node)
        inside = (elements.label >= 0) & (elements.label < count)
        if (inside & (elements.scale == 1) & (elements.offset == 0)).all():
            moved[node] = elements
        if (elements.label < count).all():
            # It may be a buffer that is filled step by step: a later node may hold results only.
            pending += node.users
    return moved


def _picked(
    label: Tensor, ways: Sequence[Folding], width: int
) -> tuple[int, list[int], tuple[int, ...]] | None:
    """Return the columns that each row of `label` selects, or None if it does not select columns.

    Returns:
        the number of joined calls in one row, the columns among all their results, and their
        shape in one row.
    """
    for folding in ways:
        batch, stride = size_hint(folding.batch), folding.count * width
        if not label.dim() or len(label) != batch:
            continue
        grid = label.reshape(batch, -1)
        if (grid[0] < stride).all() and repeats(grid, stride):
            return folding.count, grid[0].tolist(), tuple(label.shape[1:])
    return None
