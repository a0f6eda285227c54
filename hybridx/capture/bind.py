"""Traced calls become circuits: constants written in, columns found, glue removed.

Around a circuit PennyLane leaves a select for every angle and a reshape for every result. They
cost more at run time than the circuit, so the angles are traced back to the tensor whose columns
they are, and the results forward to the place where they stand side by side again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.symbolic_shapes import statically_known_true

from hybridx.capture.constants import Constants
from hybridx.capture.elements import Elements, Origins, Source, size_hint
from hybridx.capture.opaque import CIRCUIT_OP, QNODE_OP
from hybridx.circuit import Angle, Circuit, Parameter, bind

_aten = torch.ops.aten


def bind_circuits(
    module: fx.GraphModule, circuits: Sequence[Circuit], dtype: torch.dtype
) -> tuple[Circuit, ...]:
    """Replace every traced QNode call in `module` by a circuit node of `dtype`, in place.

    Args:
        module: a traced graph with `hybridx::qnode` nodes.
        circuits: what they stand for; parameter i is the i-th angle of the call.
        dtype: of the circuits' parameters and results in the file.

    Returns:
        The circuits, with parameters `(batch, P)` as the new nodes hand them over.
    """
    bound: list[Circuit] = []
    constants = Constants(module)
    for node in [n for n in module.graph.nodes if n.target is QNODE_OP]:
        angles, index, width, _ = node.args
        columns = _Columns(module, node, angles, constants)
        circuit = bind(circuits[index], columns.count, columns.angle_of)
        with module.graph.inserting_before(node):
            parameters = columns.write(dtype)
            results = _call(module, CIRCUIT_OP, parameters, len(bound), width)
        bound.append(circuit)
        _replace_results(module, node, results, constants)
    module.graph.eliminate_dead_code()
    module.graph.lint()
    module.recompile()
    return tuple(bound)


@dataclass(frozen=True)
class _Column:
    """One column of a source that is read as a matrix `(rows, stride)`."""

    source: Source
    stride: int
    index: int


class _Columns:
    """The angles of one call: numbers, or columns of the tensors that they come from."""

    def __init__(
        self,
        module: fx.GraphModule,
        call: fx.Node,
        angles: Sequence[fx.Node],
        constants: Constants,
    ) -> None:
        self._module = module
        self._call = call
        self._origins = Origins(constants)
        self._rows = call.meta["val"].shape[0] if call.meta["val"].dim() == 2 else 1
        self._angles = [self._resolve(angle, constants) for angle in angles]
        columns = [angle[0] for angle in self._angles if not isinstance(angle, float)]
        self._blocks = _blocks(columns)
        self._position: dict[tuple[fx.Node, int, int], int] = {}
        for source, stride, used in self._blocks:
            for index in used:
                key = (source.node, stride, index)
                self._position[key] = len(self._position)
        self.count = len(self._position)

    def angle_of(self, slot: Parameter) -> Angle:
        """Return the number or the column that stands for an angle of the call."""
        match self._angles[slot.column]:
            case float(number):
                return number
            case column, scale, offset:
                position = self._position[column.source.node, column.stride, column.index]
                return Parameter(position, scale, offset)

    def write(self, dtype: torch.dtype) -> fx.Node:
        """Insert the nodes that lay the columns side by side, shape `(batch, P)`."""
        module = self._module
        parts = []
        for source, stride, used in self._blocks:
            part = source.node
            shape = part.meta["val"].shape
            if len(shape) != 2 or size_hint(shape[1]) != stride:
                part = _call(module, _aten.reshape.default, part, [-1, stride])
            if len(used) < stride:
                part = _select(module, part, used)
            parts.append(_cast(module, part, dtype))
        if not parts:
            return _call(module, _aten.zeros.default, [1, 0], dtype=dtype, device="cpu")
        return parts[0] if len(parts) == 1 else _call(module, _aten.cat.default, parts, 1)

    def _resolve(
        self, angle: fx.Node, constants: Constants
    ) -> float | tuple[_Column, float, float]:
        if constants.has(angle) and constants.value(angle).numel() == 1:
            return float(constants.value(angle))
        elements = self._origins.of(angle)
        found = self._column(elements)
        if found is None:
            elements = self._origins.make_source(self._spread(angle))
            found = self._column(elements)
        assert found is not None
        return found

    def _spread(self, angle: fx.Node) -> fx.Node:
        """Return the angle itself as a source: one number a row."""
        value = angle.meta["val"]
        rows = self._rows
        if value.dim() == 1 or size_hint(rows) == 1:
            return angle
        with self._module.graph.inserting_after(angle):
            size = _call(self._module, _aten.sym_size.int, self._call, 0)
            return _call(self._module, _aten.expand.default, angle, [size])

    def _column(self, elements: Elements) -> tuple[_Column, float, float] | None:
        """Return the column that the elements are, or None if they are no column."""
        label, scale, offset = (
            part.reshape(-1) for part in (elements.label, elements.scale, elements.offset)
        )
        if label[0] < 0 or not (_is_constant(scale) and _is_constant(offset)):
            return None
        source = self._origins.source_of(int(label[0]))
        rows = len(label)
        if rows != size_hint(self._rows) or source.count % rows:
            return None
        stride = source.count // rows
        index = int(label[0]) - source.first
        expected = source.first + index + stride * torch.arange(rows)
        if index >= stride or not torch.equal(label, expected):
            return None
        # A row of the source has to be a row at every batch size, not only at the traced one.
        if not statically_known_true(source.node.meta["val"].numel() == self._rows * stride):
            return None
        return _Column(source, stride, index), float(scale[0]), float(offset[0])


def _blocks(columns: list[_Column]) -> list[tuple[Source, int, list[int]]]:
    """Group columns by the matrix they belong to; take all of it where most of it is used."""
    used: dict[tuple[fx.Node, int], tuple[Source, set[int]]] = {}
    for column in columns:
        _, indices = used.setdefault((column.source.node, column.stride), (column.source, set()))
        indices.add(column.index)
    blocks = []
    for (_, stride), (source, indices) in used.items():
        whole = 2 * len(indices) >= stride
        blocks.append((source, stride, list(range(stride)) if whole else sorted(indices)))
    return blocks


def _replace_results(
    module: fx.GraphModule, call: fx.Node, results: fx.Node, constants: Constants
) -> None:
    """Let everything that only moved the results of `call` about read `results` instead."""
    batched = call.meta["val"].dim() == 2
    rows, width = map(size_hint, results.meta["val"].shape)
    moved = _moved(call, constants)
    for node, elements in moved.items():
        picked = _picked_columns(elements.label if batched else elements.label[None], rows, width)
        if picked is None:
            continue
        columns, is_flat = picked
        whole = columns == list(range(width)) and not is_flat
        if not whole and all(user in moved for user in node.users):
            continue
        with module.graph.inserting_before(node.next):
            value = results if whole else _select(module, results, columns)
            if is_flat:
                value = _call(module, _aten.squeeze.dim, value, 1)
            if not batched:
                value = _call(module, _aten.squeeze.dim, value, 0)
            value = _cast(module, value, node.meta["val"].dtype)
        node.replace_all_uses_with(value)


def _moved(call: fx.Node, constants: Constants) -> dict[fx.Node, Elements]:
    """Return `call` and the nodes below it whose every element is an element of it."""
    origins = Origins(constants)
    moved = {call: origins.make_source(call)}
    count = moved[call].label.numel()
    pending = list(call.users)
    while pending:
        node = pending.pop()
        if node in moved or node.op != "call_function":
            continue
        if not isinstance(node.meta.get("val"), Tensor):
            pending += node.users  # unbind and split: their pieces are looked at
            continue
        elements = origins.of(node)
        inside = (elements.label >= 0) & (elements.label < count)
        if (inside & (elements.scale == 1) & (elements.offset == 0)).all():
            moved[node] = elements
            pending += node.users
    return moved


def _picked_columns(label: Tensor, rows: int, width: int) -> tuple[list[int], bool] | None:
    """Return which columns of a `(rows, width)` source stand in each row of `label`.

    The flag says that there is one column and no axis for it. None: it is no choice of columns.
    """
    if label.dim() not in (1, 2) or len(label) != rows:
        return None
    grid = label.reshape(rows, -1)
    if (grid[0] >= width).any():
        return None
    if not torch.equal(grid, grid[0] + width * torch.arange(rows)[:, None]):
        return None
    return grid[0].tolist(), label.dim() == 1


def _select(module: fx.GraphModule, node: fx.Node, columns: list[int]) -> fx.Node:
    """Insert the choice of some columns of a matrix."""
    first, last = columns[0], columns[-1]
    if columns == list(range(first, last + 1)):
        return _call(module, _aten.slice.Tensor, node, 1, first, last + 1)
    name = f"columns_{len(module.graph.nodes)}"
    module.register_buffer(name, torch.tensor(columns), persistent=False)
    index = module.graph.get_attr(name)
    index.meta["val"] = node.meta["val"].new_empty(len(columns), dtype=torch.int64)
    return _call(module, _aten.index_select.default, node, 1, index)


def _call(module: fx.GraphModule, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
    """Insert a call and note the shape and dtype of its result, for those who look later."""
    node = module.graph.call_function(target, args, kwargs)
    seen_args, seen_kwargs = fx.node.map_arg((args, kwargs), lambda n: n.meta["val"])
    node.meta["val"] = target(*seen_args, **seen_kwargs)
    return node


def _cast(module: fx.GraphModule, node: fx.Node, dtype: torch.dtype) -> fx.Node:
    if node.meta["val"].dtype == dtype:
        return node
    return _call(module, _aten._to_copy.default, node, dtype=dtype)


def _is_constant(values: Tensor) -> bool:
    return bool((values == values[0]).all())
