"""Make nodes of circuits of the derivatives of traced calls.

A derivative is taken by each angle of a call apart, as autograd asks for them one by one. Angles
that are numbers become numbers of the circuit, unless their own derivative is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import torch
from torch import Tensor, fx

from hybridx.capture.graph.angle_columns import AngleColumns, cast, one_row
from hybridx.capture.graph.constants import Constants
from hybridx.capture.graph.insert import call_node
from hybridx.capture.graph.ops import CIRCUIT_OP, derivative_slots, slot_width
from hybridx.circuit import Angle, Circuit, Parameter, bind, result_count

_aten = torch.ops.aten


def bind_derivative(
    module: fx.GraphModule,
    call: fx.Node,
    circuit: Circuit,
    constants: Constants,
    dtype: torch.dtype,
    number: int,
) -> Circuit:
    """Replace a `hybridx::derivative` node by a node of a circuit, and return the circuit.

    Args:
        module: its graph is changed in place.
        call: the node.
        circuit: that was called; parameter i is the i-th angle of the call.
        constants: of the graph.
        dtype: of the columns and the results in the file.
        number: that the new node carries.
    """
    args: Any = call.args
    angles, cotangents, _, order, width, _, lengths = args
    taken, given = derivative_slots(lengths, width, order)
    tensors = [*angles, *cotangents]
    numbers = [
        _same_in_every_row(one, n, constants) for one, n in zip(angles, lengths, strict=True)
    ]
    used = _used(call, lengths, width, given)
    for slot, tensor in zip(taken[len(angles) :], cotangents, strict=True):
        if slot is not None and slot not in used:
            row = _same_in_every_row(tensor, lengths[slot], constants)
            if row is None or bool(row.any()):
                used.add(slot)
    kept = [slot for slot, row in enumerate(numbers) if row is None or slot in used]
    with module.graph.inserting_before(call):
        columns = [
            (tensor, width if slot is None else lengths[slot])
            for slot, tensor in zip(taken, tensors, strict=True)
            if slot is None or slot in kept
        ]
        parameters = _side_by_side(module, call, columns, constants, dtype)
        bound = msgspec.structs.replace(
            bind(circuit, *_binding(lengths, kept, numbers)), derivative=order
        )
        results = call_node(module, CIRCUIT_OP, parameters, number, result_count(bound))
        if call.meta["val"].dim() == 1:
            results = call_node(module, _aten.squeeze.dim, results, 0)
        results = cast(module, results, call.meta["val"].dtype)
    _move_users(call, results, _new_places(lengths, width, given, kept))
    return bound


def _binding(
    lengths: Sequence[int], kept: Sequence[int], numbers: Sequence[Tensor | None]
) -> tuple[int, Any]:
    """Return how many columns there are, and what becomes of each parameter."""
    angles: list[Angle] = []
    columns = 0
    for slot, length in enumerate(lengths):
        count = length or 1
        row = numbers[slot]
        if slot in kept or row is None:
            angles += map(Parameter, range(columns, columns + count))
            columns += count
        else:
            angles += map(float, row.reshape(-1))
    return columns, lambda parameter: angles[parameter.column]


def _same_in_every_row(node: fx.Node, length: int, constants: Constants) -> Tensor | None:
    """Return one row of an angle whose rows are all the same numbers, or None."""
    node = one_row(node, length)
    if node.target in (_aten.full.default, _aten.full_like.default):
        fill = node.args[1]
        return torch.full((length or 1,), fill) if isinstance(fill, int | float) else None
    if not constants.has(node):
        return None
    rows = constants.value(node).reshape(-1, length or 1)
    return rows[0] if bool((rows == rows[:1]).all()) else None


def _used(
    call: fx.Node, lengths: Sequence[int], width: int, given: Sequence[int | None]
) -> set[int]:
    """Return the angles whose derivatives are used: columns that something selects."""
    slots = [slot for slot in given for _ in range(slot_width(lengths, width, slot))]
    used: set[int] = set()
    for user in call.users:
        columns = _columns_of(user, call)
        chosen = slots if columns is None else [slots[column] for column in columns]
        used.update(slot for slot in chosen if slot is not None)
    return used


def _columns_of(user: fx.Node, call: fx.Node) -> range | None:
    """Return the columns that a node selects of a derivative, or None if it takes it whole."""
    last = call.meta["val"].dim() - 1
    count = int(call.meta["val"].shape[-1])
    if user.args[0] is not call or (len(user.args) > 1 and user.args[1] not in (-1, last)):
        return None
    if user.target is _aten.select.int:
        index: Any = user.args[2]
        return range(index % count, index % count + 1)
    if user.target is _aten.slice.Tensor and len(user.args) == 4:
        bounds: Any = user.args[2:]
        return range(*slice(*bounds).indices(count))
    return None


def _new_places(
    lengths: Sequence[int], width: int, given: Sequence[int | None], kept: Sequence[int]
) -> dict[int, int]:
    """Return the new column of each column that is still there."""
    slots = [slot for slot in given for _ in range(slot_width(lengths, width, slot))]
    there = [place for place, slot in enumerate(slots) if slot is None or slot in kept]
    return {old: new for new, old in enumerate(there)}


def _move_users(call: fx.Node, results: fx.Node, places: dict[int, int]) -> None:
    """Let the users of a derivative read its new columns."""
    if len(places) == int(call.meta["val"].shape[-1]):
        call.replace_all_uses_with(results)
        return
    for user in list(call.users):
        columns = _columns_of(user, call)
        assert columns  # of one taken whole, all columns are there
        first = places[columns[0]]
        user.args = (
            (results, user.args[1], first)
            if user.target is _aten.select.int
            else (results, user.args[1], first, first + len(columns))
        )


def _side_by_side(
    module: fx.GraphModule,
    call: fx.Node,
    columns: Sequence[tuple[fx.Node, int]],
    constants: Constants,
    dtype: torch.dtype,
) -> fx.Node:
    """Insert the nodes that put angles and cotangents side by side, shape `(batch, count)`."""
    nodes, lengths = zip(*columns, strict=True)
    found = AngleColumns(module, call, nodes, lengths, constants)
    if found.count:
        return found.write_apart(sum(length or 1 for length in lengths), dtype)
    parts = [
        cast(module, call_node(module, _aten.reshape.default, node, [-1, length or 1]), dtype)
        for node, length in columns
    ]
    return parts[0] if len(parts) == 1 else call_node(module, _aten.cat.default, parts, 1)
