"""Traced calls become circuits: constants written in, columns found, glue removed.

Around a circuit PennyLane leaves a select for every angle and a reshape for every result. They
cost more at run time than the circuit, so the angles are traced back to the tensor whose columns
they are, and the results forward to the place where they stand side by side again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.symbolic_shapes import statically_known_true

from hybridx.capture.constants import Constants
from hybridx.capture.elements import Elements, Origins, Source, size_hint
from hybridx.capture.nodes import call_node
from hybridx.capture.opaque import CIRCUIT_OP, QNODE_OP
from hybridx.circuit import Angle, Circuit, Parameter, bind

_aten = torch.ops.aten


def bind_circuits(
    module: fx.GraphModule, circuits: Sequence[Circuit], dtype: torch.dtype
) -> tuple[tuple[int, Circuit], ...]:
    """Replace every traced QNode call in `module` by a circuit node of `dtype`, in place.

    Args:
        module: a traced graph with `hybridx::qnode` nodes.
        circuits: what they stand for; parameter i is the i-th angle of the call.
        dtype: of the circuits' parameters and results in the file.

    Returns:
        For each new node, which of `circuits` it is and the circuit itself, with parameters
        `(batch, P)` as the node hands them over.
    """
    bound: list[tuple[int, Circuit]] = []
    constants = Constants(module)
    for node in [n for n in module.graph.nodes if n.target is QNODE_OP]:
        angles, _, index, width, _, lengths = node.args
        columns = _Columns(module, node, angles, lengths, constants)
        circuit = bind(circuits[index], columns.count, columns.angle_of)
        with module.graph.inserting_before(node):
            parameters = columns.write(dtype)
            results = call_node(module, CIRCUIT_OP, parameters, len(bound), width)
        bound.append((index, circuit))
        _replace_results(module, node, results, constants)
    module.graph.eliminate_dead_code()
    module.graph.lint()
    module.recompile()
    return tuple(bound)


@dataclass(frozen=True)
class _Folding:
    """The rows of a call seen as `batch` rows of `count` calls each, joined side by side.

    Attributes:
        batch: a number or a symbol.
        count: how many calls there are in one row of the batch.
    """

    batch: Any
    count: int


def _foldings(module: fx.GraphModule, rows: Any) -> list[_Folding]:
    """Return in how many ways the rows of a call can be seen, the plainest first."""
    found = [_Folding(rows, 1)]
    if isinstance(rows, int):
        return [*found, _Folding(1, rows)]
    for node in module.graph.nodes:
        value = node.meta.get("val") if node.op == "placeholder" else None
        if isinstance(value, Tensor) and value.dim():
            batch = value.shape[0]
            count = size_hint(rows) // size_hint(batch)
            if count > 1 and statically_known_true(rows == batch * count):
                found.append(_Folding(batch, count))
    return found


@dataclass(frozen=True)
class _Column:
    """One number for each call out of a source that is read as a matrix `(batch, stride)`.

    Attributes:
        source: whose elements they are.
        stride: the length of one row of the matrix.
        indices: which element of a row each of the joined calls takes.
    """

    source: Source
    stride: int
    indices: tuple[int, ...]


class _Columns:
    """The angles of one call: numbers, or columns of the tensors that they come from."""

    def __init__(
        self,
        module: fx.GraphModule,
        call: fx.Node,
        angles: Sequence[fx.Node],
        lengths: Sequence[int],
        constants: Constants,
    ) -> None:
        self._module = module
        self._call = call
        self._origins = Origins(constants)
        self._rows = call.meta["val"].shape[0] if call.meta["val"].dim() == 2 else 1
        self._foldings = _foldings(module, self._rows)
        self._angles = [
            found
            for angle, length in zip(angles, lengths, strict=True)
            for found in self._resolve(angle, length, constants)
        ]
        columns = [angle[0] for angle in self._angles if not isinstance(angle, float)]
        self._blocks = _blocks(columns)
        self._position: dict[_Column, int] = {}
        for block in self._blocks:
            for column in block:
                self._position[column] = len(self._position)
        self.count = len(self._position)

    def angle_of(self, slot: Parameter) -> Angle:
        """Return the number or the column that stands for an angle of the call."""
        match self._angles[slot.column]:
            case float(number):
                return number
            case column, scale, offset:
                return Parameter(self._position[column], scale, offset)

    def write(self, dtype: torch.dtype) -> fx.Node:
        """Insert the nodes that lay the columns side by side, shape `(batch, P)`."""
        parts = [self._write_block(block, dtype) for block in self._blocks]
        if not parts:
            empty = call_node(self._module, _aten.zeros.default, [1, 0], dtype=dtype, device="cpu")
            # Like all values of the trace: a circuit has no implementation for real tensors.
            empty.meta["val"] = self._call.meta["val"].new_empty((1, 0), dtype=dtype)
            return empty
        return parts[0] if len(parts) == 1 else call_node(self._module, _aten.cat.default, parts, 1)

    def _write_block(self, block: list[_Column], dtype: torch.dtype) -> fx.Node:
        module, stride, part = self._module, block[0].stride, block[0].source.node
        shape = part.meta["val"].shape
        if len(shape) != 2 or size_hint(shape[1]) != stride:
            part = call_node(module, _aten.reshape.default, part, [-1, stride])
        calls = len(block[0].indices)
        wanted = [column.indices[call] for call in range(calls) for column in block]
        if wanted != list(range(stride)):
            part = _select(module, part, wanted)
        if calls > 1:
            part = call_node(module, _aten.reshape.default, part, [-1, len(block)])
        return _cast(module, part, dtype)

    def _resolve(
        self, angle: fx.Node, length: int, constants: Constants
    ) -> Iterator[float | tuple[_Column, float, float]]:
        """Yield what each parameter is whose values are in one tensor."""
        count = length or 1
        if constants.has(angle) and constants.value(angle).numel() == count:
            yield from map(float, constants.value(angle).reshape(-1))
            return
        elements = self._origins.of(angle)
        found = [self._column(one) for one in _apart(elements, count)]
        if None in found:
            elements = self._origins.make_source(self._spread(angle, length))
            found = [self._column(one) for one in _apart(elements, count)]
        for column in found:
            assert column is not None
            yield column

    def _spread(self, angle: fx.Node, length: int) -> fx.Node:
        """Return the angle itself as a source: one row of it for each row of the call."""
        value = angle.meta["val"]
        last = (length,) if length else ()
        rows = self._rows
        if value.dim() == 1 + len(last) or size_hint(rows) == 1:
            return angle
        with self._module.graph.inserting_after(angle):
            size = call_node(self._module, _aten.sym_size.int, self._call, 0)
            return call_node(self._module, _aten.expand.default, angle, [size, *last])

    def _column(self, elements: Elements) -> tuple[_Column, float, float] | None:
        """Return the column that the elements are, or None if they are no column."""
        label, scale, offset = elements.label, elements.scale, elements.offset
        if (label < 0).any() or not (_is_constant(scale) and _is_constant(offset)):
            return None
        source = self._origins.source_of(int(label[0]))
        if len(label) != size_hint(self._rows):
            return None
        for folding in self._foldings:
            batch = size_hint(folding.batch)
            stride = source.count // batch
            grid = label.reshape(batch, folding.count) - source.first
            inside = bool(((grid[0] >= 0) & (grid[0] < stride)).all())
            # A row of the source has to be a row at every batch size, not at the traced one only.
            numel = source.node.meta["val"].numel()
            follows = statically_known_true(numel == folding.batch * stride)
            if inside and follows and _repeats(grid, stride):
                column = _Column(source, stride, tuple(grid[0].tolist()))
                return column, float(scale[0]), float(offset[0])
        return None


def _apart(elements: Elements, count: int) -> list[Elements]:
    """Return the elements of each of `count` parameters, which are side by side."""
    parts = (elements.label, elements.scale, elements.offset)
    columns = zip(*(part.reshape(-1, count).unbind(1) for part in parts), strict=True)
    return [Elements(*column) for column in columns]


def _blocks(columns: list[_Column]) -> list[list[_Column]]:
    """Group columns by the matrix they belong to; take all of it where most of it is used."""
    groups: dict[tuple[fx.Node, int, int], dict[_Column, None]] = {}
    for column in columns:
        key = (column.source.node, column.stride, len(column.indices))
        groups.setdefault(key, {})[column] = None
    blocks = []
    for (_, stride, calls), group in groups.items():
        block = list(group)
        if calls == 1:
            block.sort(key=lambda column: column.indices)
            if 2 * len(block) >= stride:
                block = [_Column(block[0].source, stride, (index,)) for index in range(stride)]
        blocks.append(block)
    return blocks


def _replace_results(
    module: fx.GraphModule, call: fx.Node, results: fx.Node, constants: Constants
) -> None:
    """Let everything that only moved the results of `call` about read `results` instead."""
    batched = call.meta["val"].dim() == 2
    rows, width = results.meta["val"].shape
    foldings = _foldings(module, rows)
    moved = _moved(call, constants)
    for node, elements in moved.items():
        label = elements.label if batched else elements.label[None]
        picked = _picked(label, foldings, int(width))
        if picked is None:
            continue
        calls, columns, shape = picked
        whole = calls == 1 and columns == list(range(width)) and len(shape) == 1
        if not whole and all(user in moved for user in node.users):
            continue
        with module.graph.inserting_before(node.next):
            value = _chosen(module, results, calls, columns, shape)
            if not batched:
                value = call_node(module, _aten.squeeze.dim, value, 0)
            value = _cast(module, value, node.meta["val"].dtype)
        node.replace_all_uses_with(value)


def _chosen(
    module: fx.GraphModule,
    results: fx.Node,
    calls: int,
    columns: list[int],
    shape: tuple[int, ...],
) -> fx.Node:
    """Insert the choice of columns among the results of `calls` calls, in a shape for each row."""
    width = calls * int(results.meta["val"].shape[1])
    value = results
    if columns != list(range(width)):
        if calls > 1:
            value = call_node(module, _aten.reshape.default, value, [-1, width])
        value = _select(module, value, columns)
    if not shape:
        return call_node(module, _aten.squeeze.dim, value, 1)
    if tuple(map(size_hint, value.meta["val"].shape[1:])) != shape:
        value = call_node(module, _aten.reshape.default, value, [-1, *shape])
    return value


def _moved(call: fx.Node, constants: Constants) -> dict[fx.Node, Elements]:
    """Return `call` and the nodes below it whose every element is an element of it."""
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
            pending += node.users  # unbind and split: their pieces are looked at
            continue
        elements = origins.of(node)
        inside = (elements.label >= 0) & (elements.label < count)
        if (inside & (elements.scale == 1) & (elements.offset == 0)).all():
            moved[node] = elements
        if (elements.label < count).all():
            # Perhaps a buffer that is filled by and by: constants disappear in the end.
            pending += node.users
    return moved


def _picked(
    label: Tensor, foldings: Sequence[_Folding], width: int
) -> tuple[int, list[int], tuple[int, ...]] | None:
    """Return which columns stand in each row of `label`, or None if it is no choice of columns.

    Returns:
        how many joined calls there are in one row, the columns among all their results, and the
        shape that they have in one row.
    """
    for folding in foldings:
        batch, stride = size_hint(folding.batch), folding.count * width
        if not label.dim() or len(label) != batch:
            continue
        grid = label.reshape(batch, -1)
        if (grid[0] < stride).all() and _repeats(grid, stride):
            return folding.count, grid[0].tolist(), tuple(label.shape[1:])
    return None


def _repeats(grid: Tensor, stride: int) -> bool:
    """True if every row of labels is the first one, `stride` further on for each row."""
    return torch.equal(grid, grid[0] + stride * torch.arange(len(grid))[:, None])


def _select(module: fx.GraphModule, node: fx.Node, columns: list[int]) -> fx.Node:
    """Insert the choice of some columns of a matrix."""
    first, last = columns[0], columns[-1]
    if columns == list(range(first, last + 1)):
        return call_node(module, _aten.slice.Tensor, node, 1, first, last + 1)
    name = f"columns_{len(module.graph.nodes)}"
    module.register_buffer(name, torch.tensor(columns), persistent=False)
    index = module.graph.get_attr(name)
    index.meta["val"] = node.meta["val"].new_empty(len(columns), dtype=torch.int64)
    return call_node(module, _aten.index_select.default, node, 1, index)


def _cast(module: fx.GraphModule, node: fx.Node, dtype: torch.dtype) -> fx.Node:
    if node.meta["val"].dtype == dtype:
        return node
    return call_node(module, _aten._to_copy.default, node, dtype=dtype)


def _is_constant(values: Tensor) -> bool:
    return bool((values == values[0]).all())
