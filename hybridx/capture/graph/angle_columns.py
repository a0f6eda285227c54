"""The angles of a call as numbers, or as columns of the tensors that they come from.

Some angles are computed by the same operation, each from its own columns: the products of an
IQPEmbedding, for example. They are computed together, by one operation on matrices.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx
from torch.fx.experimental.symbolic_shapes import statically_known_true

from hybridx.capture.graph.constants import Constants
from hybridx.capture.graph.insert import call_node
from hybridx.capture.graph.provenance import Elements, Origins, SourceTensor, size_hint
from hybridx.capture.torch_internals import is_operator
from hybridx.circuit import Angle, Parameter

_aten = torch.ops.aten


@dataclass(frozen=True)
class Folding:
    """The rows of a call seen as `batch` rows of `count` calls each, joined side by side.

    Attributes:
        batch: a number or a symbol.
        count: how many calls there are in one row of the batch.
    """

    batch: Any
    count: int


def foldings(module: fx.GraphModule, rows: Any) -> list[Folding]:
    """Return the possible foldings of the rows of a call, the simplest first."""
    found = [Folding(rows, 1)]
    if isinstance(rows, int):
        return [*found, Folding(1, rows)]
    for node in module.graph.find_nodes(op="placeholder"):
        value = node.meta.get("val")
        if isinstance(value, Tensor) and value.dim() and size_hint(value.shape[0]):
            batch = value.shape[0]
            count = size_hint(rows) // size_hint(batch)
            if count > 1 and statically_known_true(rows == batch * count):
                found.append(Folding(batch, count))
    return found


@dataclass(frozen=True)
class _Column:
    """One number for each call, from a source that is read as a matrix `(batch, stride)`.

    Attributes:
        source: the tensor that the numbers are elements of.
        stride: the length of one row of the matrix.
        indices: which element of a row each of the joined calls takes.
        is_shared: the source is read as a vector, and every row takes the same element of it.
    """

    source: SourceTensor
    stride: int
    indices: tuple[int, ...]
    is_shared: bool = False


_Value: TypeAlias = float | tuple[_Column, float, float]
"""An angle: a number, or `(column, scale, offset)` for scale * column + offset."""


class AngleColumns:
    """The angles of one call: numbers, or columns of the tensors that they come from.

    With `shares`, an angle that is the same in every row is an element of a vector of its own, the
    shared columns. They are numbered after the others.
    """

    def __init__(
        self,
        module: fx.GraphModule,
        call: fx.Node,
        angles: Sequence[fx.Node],
        lengths: Sequence[int],
        constants: Constants,
        computed: dict[tuple[fx.Node, ...], fx.Node] | None = None,
        *,
        shares: bool = False,
    ) -> None:
        self._module = module
        self._shares = shares
        self._call = call
        self._constants = constants
        self._origins = Origins(constants)
        self._computed: dict[tuple[fx.Node, ...], fx.Node] = {} if computed is None else computed
        self._rows = call.meta["val"].shape[0] if call.meta["val"].dim() == 2 else 1
        self._foldings = foldings(module, self._rows)
        found = [
            one
            for angle, length in zip(angles, lengths, strict=True)
            for one in self._resolve(angle, length)
        ]
        with module.graph.inserting_before(call):
            self._angles = self._together(found)
        columns = [angle[0] for angle in self._angles if not isinstance(angle, float)]
        self._blocks = _blocks([column for column in columns if not column.is_shared])
        self._shared = _blocks([column for column in columns if column.is_shared])
        self._position: dict[_Column, int] = {}
        for block in (*self._blocks, *self._shared):
            for column in block:
                self._position[column] = len(self._position)
        self.count = len(self._position)
        self.data = sum(map(len, self._blocks))

    def angle_of(self, slot: Parameter) -> Angle:
        """Return the number or the column that stands for an angle of the call."""
        match self._angles[slot.column]:
            case float(number):
                return number
            case column, scale, offset:
                return Parameter(self._position[column], scale, offset)

    def write(self, dtype: torch.dtype) -> fx.Node:
        """Insert the nodes that put the columns side by side, shape `(batch, P)`."""
        parts = [self._write_block(block, dtype) for block in self._blocks]
        if not parts:
            empty = call_node(self._module, _aten.zeros.default, [1, 0], dtype=dtype, device="cpu")
            # Its traced value must be a fake tensor: a circuit has no implementation for real ones.
            empty.meta["val"] = self._call.meta["val"].new_empty((1, 0), dtype=dtype)
            return empty
        return parts[0] if len(parts) == 1 else call_node(self._module, _aten.cat.default, parts, 1)

    def write_shared(self, dtype: torch.dtype) -> fx.Node:
        """Insert the nodes that put the shared columns side by side, shape `(W,)`."""
        parts = []
        for block in self._shared:
            stride, part = block[0].stride, block[0].source.node
            if part.meta["val"].dim() != 1:
                part = call_node(self._module, _aten.reshape.default, part, [-1])
            wanted = [column.indices[0] for column in block]
            if wanted != list(range(stride)):
                part = select(self._module, part, wanted, axis=0)
            parts.append(cast(self._module, part, dtype))
        if not parts:
            empty = call_node(self._module, _aten.zeros.default, [0], dtype=dtype, device="cpu")
            empty.meta["val"] = self._call.meta["val"].new_empty((0,), dtype=dtype)
            return empty
        return parts[0] if len(parts) == 1 else call_node(self._module, _aten.cat.default, parts, 0)

    def _write_block(self, block: list[_Column], dtype: torch.dtype) -> fx.Node:
        module, stride, part = self._module, block[0].stride, block[0].source.node
        shape = part.meta["val"].shape
        if len(shape) != 2 or size_hint(shape[1]) != stride:
            part = call_node(module, _aten.reshape.default, part, [-1, stride])
        calls = len(block[0].indices)
        wanted = [column.indices[call] for call in range(calls) for column in block]
        if wanted != list(range(stride)):
            part = select(module, part, wanted)
        if calls > 1:
            part = call_node(module, _aten.reshape.default, part, [-1, len(block)])
        return cast(module, part, dtype)

    def _resolve(self, angle: fx.Node, length: int) -> Iterator[_Value]:
        """Yield the number or the column of each parameter whose values are in one tensor."""
        count = length or 1
        if not self._shares:
            angle = one_row(angle, length)
        if self._constants.has(angle) and self._constants.value(angle).numel() == count:
            yield from map(float, self._constants.value(angle).reshape(-1))
            return
        has_batch = self._call.meta["val"].dim() == 2
        if self._shares and has_batch and angle.meta["val"].dim() == bool(length):
            yield from self._same_in_every_row(angle, count)
            return
        elements = self._origins.of(angle)
        found = self._columns(elements, count)
        if None in found:
            elements = self._origins.make_source(self._spread(angle, length))
            found = self._columns(elements, count)
        for column in found:
            assert column is not None
            yield column

    def _same_in_every_row(self, angle: fx.Node, count: int) -> Iterator[_Value]:
        elements = self._origins.of(angle)
        if (elements.label < 0).any() or not all(
            isinstance(self._origins.source_of(label).node.meta["val"].numel(), int)
            for label in elements.label.reshape(-1).tolist()
        ):
            elements = self._origins.make_source(angle)
        for one in _apart(elements, count):
            source = self._origins.source_of(int(one.label[0]))
            index = int(one.label[0]) - source.first
            column = _Column(source, source.count, (index,), is_shared=True)
            yield column, float(one.scale[0]), float(one.offset[0])

    def _spread(self, angle: fx.Node, length: int) -> fx.Node:
        """Return the angle, as its own source, with one row for each row of the call."""
        value = angle.meta["val"]
        last = (length,) if length else ()
        rows = self._rows
        if value.dim() == 1 + len(last) or size_hint(rows) == 1:
            return angle
        angles: Any = self._call.args[0]
        lengths: Any = self._call.args[-1]
        follows = next(
            one
            for one, length in zip(angles, lengths, strict=True)
            if one.meta["val"].dim() == 1 + bool(length)
        )
        with self._module.graph.inserting_before(self._call):
            size = call_node(self._module, _aten.sym_size.int, follows, 0)
            return call_node(self._module, _aten.expand.default, angle, [size, *last])

    def _columns(
        self, elements: Elements, count: int
    ) -> Sequence[tuple[_Column, float, float] | None]:
        """Return for each of `count` parameters its `(column, scale, offset)`, or None."""
        found = self._side_by_side(elements, count) if count > 1 else None
        return found or [self._column(one) for one in _apart(elements, count)]

    def _side_by_side(
        self, elements: Elements, count: int
    ) -> list[tuple[_Column, float, float]] | None:
        """Return the columns of all parameters if each row holds one row of one source.

        The amplitudes of 16 wires are 65,536 parameters: one by one they take 20 seconds.
        """
        label, scale, offset = (
            part.reshape(-1, count) for part in (elements.label, elements.scale, elements.offset)
        )
        rows = size_hint(self._rows)
        if len(label) != rows or (label < 0).any():
            return None
        source = self._origins.source_of(int(label[0, 0]))
        stride = source.count // rows
        grid = label - source.first
        inside = bool(((grid[0] >= 0) & (grid[0] < stride)).all())
        follows = statically_known_true(source.node.meta["val"].numel() == self._rows * stride)
        is_constant = _is_constant(scale) and _is_constant(offset)
        if not (inside and follows and is_constant and repeats(grid, stride)):
            return None
        numbers = zip(grid[0].tolist(), scale[0].tolist(), offset[0].tolist(), strict=True)
        return [(_Column(source, stride, (index,)), a, b) for index, a, b in numbers]

    def _column(self, elements: Elements) -> tuple[_Column, float, float] | None:
        """Return the elements as `(column, scale, offset)`, or None if they are not a column."""
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
            # A row of the source must have `stride` elements at every batch size, not only here.
            numel = source.node.meta["val"].numel()
            follows = statically_known_true(numel == folding.batch * stride)
            if inside and follows and repeats(grid, stride):
                column = _Column(source, stride, tuple(grid[0].tolist()))
                return column, float(scale[0]), float(offset[0])
        return None

    def _together(self, values: list[_Value]) -> list[_Value]:
        """Return the values, with columns that one operation can compute taken from one matrix."""
        groups: dict[Hashable, dict[fx.Node, None]] = {}
        for value in values:
            if not isinstance(value, float) and (key := self._key_of(value[0])) is not None:
                groups.setdefault(key, {})[value[0].source.node] = None
        place: dict[fx.Node, _Column] = {}
        for group in groups.values():
            if len(group) > 1:
                place |= self._at_once(tuple(group))
        return [
            value
            if isinstance(value, float)
            else (place.get(value[0].source.node, value[0]), *value[1:])
            for value in values
        ]

    def _key_of(self, column: _Column) -> Hashable | None:
        """Return a key that is equal for columns that can be computed together, or None."""
        node = column.source.node
        if column.is_shared:
            return None
        is_pointwise = is_operator(node.target) and torch.Tag.pointwise in node.target.tags
        is_whole = len(column.indices) == column.stride
        if not (is_pointwise and is_whole and column.indices == tuple(range(column.stride))):
            return None
        key: list[Hashable] = [node.target]
        for name, one in [*enumerate(node.args), *node.kwargs.items()]:
            if isinstance(one, fx.Node) and isinstance(name, int):
                if self._constants.has(one) or not _are_rows(one, node):
                    return None
                key.append((name, one.meta["val"].dtype))
            elif isinstance(one, int | float | str | None):
                key.append((name, one))
            else:
                return None
        return tuple(key)

    def _at_once(self, nodes: tuple[fx.Node, ...]) -> dict[fx.Node, _Column]:
        """Insert one operation on matrices for many on columns; return the new column of each."""
        if nodes not in self._computed:
            first = nodes[0]
            args = [
                self._matrix([node.args[place] for node in nodes])
                if isinstance(arg, fx.Node)
                else arg
                for place, arg in enumerate(first.args)
            ]
            self._computed[nodes] = call_node(self._module, first.target, *args, **first.kwargs)
        elements = self._origins.make_source(self._computed[nodes])
        columns = map(self._column, _apart(elements, len(nodes)))
        return {node: column[0] for node, column in zip(nodes, columns, strict=True) if column}

    def _matrix(self, nodes: Sequence[Any]) -> fx.Node:
        """Insert the matrix whose columns are the given nodes."""
        lengths = [0] * len(nodes)
        inner = AngleColumns(
            self._module, self._call, nodes, lengths, self._constants, self._computed
        )
        return inner.write_apart(len(nodes), nodes[0].meta["val"].dtype)

    def write_apart(self, count: int, dtype: torch.dtype) -> fx.Node:
        """Insert the nodes that put the angles side by side, shape `(batch, count)`.

        Unlike in `write`, each of the `count` angles has a column of its own. Some angle is not the
        same in every row.
        """
        value = self.write(dtype)
        slots = [self.angle_of(Parameter(index)) for index in range(count)]
        parameters = [
            slot if isinstance(slot, Parameter) else Parameter(0, 0.0, slot) for slot in slots
        ]
        places = [slot.column for slot in parameters]
        if places != list(range(self.count)):
            value = select(self._module, value, places)
        scales, offsets = [slot.scale for slot in parameters], [slot.offset for slot in parameters]
        if set(scales) != {1.0}:
            value = call_node(self._module, _aten.mul.Tensor, value, self._numbers(value, scales))
        if any(offsets):
            value = call_node(self._module, _aten.add.Tensor, value, self._numbers(value, offsets))
        return value

    def _numbers(self, like: fx.Node, numbers: list[float]) -> fx.Node:
        dtype = like.meta["val"].dtype
        return _constant(self._module, like, torch.tensor(numbers, dtype=dtype))


def one_row(node: fx.Node, length: int) -> fx.Node:
    """Return the node of the one row that a tensor repeats, or the node itself.

    Autograd and `torch.func` see a weight as an angle of each row.

    Args:
        node: holds rows of `length` numbers, or of one number each if that is 0.
        length: of a row.
    """
    found = node
    while found.target in _REPEATING:
        found = found.all_input_nodes[0]
        shape = found.meta["val"].shape
        if length and not (shape and statically_known_true(shape[-1] == length)):
            return node
    is_one = statically_known_true(found.meta["val"].numel() == (length or 1))
    return found if is_one else node


_REPEATING = frozenset({
    _aten.expand.default, _aten.alias.default, _aten.clone.default, _aten.detach.default,
    _aten.view.default, _aten.reshape.default, _aten._unsafe_view.default, _aten.unsqueeze.default,
    _aten.squeeze.dim, _aten.squeeze.dims,
})  # fmt: skip


def _are_rows(*nodes: fx.Node) -> bool:
    """Return whether nodes are real vectors that have equal lengths at every batch size."""
    values: list[Any] = [node.meta.get("val") for node in nodes]
    return all(
        isinstance(value, Tensor)
        and value.dim() == 1
        and value.is_floating_point()
        and statically_known_true(value.shape[0] == values[0].shape[0])
        for value in values
    )


def _apart(elements: Elements, count: int) -> list[Elements]:
    """Split elements into those of `count` parameters, which stand side by side."""
    parts = (elements.label, elements.scale, elements.offset)
    columns = zip(*(part.reshape(-1, count).unbind(1) for part in parts), strict=True)
    return [Elements(*column) for column in columns]


def _blocks(columns: list[_Column]) -> list[list[_Column]]:
    """Group columns by their matrix; take the whole matrix where most of it is used."""
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
                source, is_shared = block[0].source, block[0].is_shared
                block = [_Column(source, stride, (i,), is_shared) for i in range(stride)]
        blocks.append(block)
    return blocks


def repeats(grid: Tensor, stride: int) -> bool:
    """Return whether each row of labels is the row before it plus `stride`."""
    return torch.equal(grid, grid[0] + stride * torch.arange(len(grid))[:, None])


def select(module: fx.GraphModule, node: fx.Node, columns: list[int], axis: int = 1) -> fx.Node:
    """Insert the node that selects some columns of a matrix, or elements of a vector."""
    first, last = columns[0], columns[-1]
    if columns == list(range(first, last + 1)):
        return call_node(module, _aten.slice.Tensor, node, axis, first, last + 1)
    index = _constant(module, node, torch.tensor(columns))
    return call_node(module, _aten.index_select.default, node, axis, index)


def _constant(module: fx.GraphModule, like: fx.Node, numbers: Tensor) -> fx.Node:
    """Insert constant numbers whose traced value is a fake tensor if that of `like` is one."""
    name = f"columns_{len(module.graph.nodes)}"
    module.register_buffer(name, numbers, persistent=False)
    node = module.graph.get_attr(name)
    node.meta["val"] = like.meta["val"].new_empty(numbers.shape, dtype=numbers.dtype)
    return node


def cast(module: fx.GraphModule, node: fx.Node, dtype: torch.dtype) -> fx.Node:
    """Insert a conversion to a dtype if the node has another one."""
    if node.meta["val"].dtype == dtype:
        return node
    return call_node(module, _aten._to_copy.default, node, dtype=dtype)


def _is_constant(values: Tensor) -> bool:
    """Return whether all rows are equal."""
    return bool((values == values[0]).all())
