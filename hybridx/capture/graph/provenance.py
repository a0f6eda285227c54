"""Find where the elements of a tensor come from, by running its data movement on labels.

PennyLane and torch move single columns with select, permute, reshape, hstack and casts. Each such
operator is run here on small tensors of labels instead of numbers. Each element of the result is
then the label of an element of a *source*, with a scale and an offset. A source is a node that
computes anything other than movement, scaling by a constant or adding a constant, or an input.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.symbolic_shapes import optimization_hint

from hybridx.capture.graph.constants import Constants
from hybridx.capture.torch_internals import depends_on_data

_aten = torch.ops.aten

_MOVEMENT = frozenset({
    _aten.select, _aten.permute, _aten.numpy_T, _aten.t, _aten.transpose, _aten.view,
    _aten.reshape, _aten._unsafe_view, _aten.unsqueeze, _aten.squeeze, _aten.slice,
    _aten.expand, _aten.cat, _aten.stack, _aten.hstack, _aten.vstack, _aten.unbind, _aten.flatten,
    _aten.split, _aten.split_with_sizes, _aten.chunk, _aten.flip, _aten.mT, _aten.movedim,
    _aten.index_select, _aten.repeat, _aten.unflatten, _aten.concat, _aten.concatenate,
    _aten.column_stack, _aten.select_scatter, _aten.slice_scatter,
})  # fmt: skip

_SAME = frozenset({
    _aten.clone, _aten.alias, _aten.detach, _aten.contiguous, _aten.to, _aten._to_copy,
    _aten.lift_fresh_copy, _aten.type_as, _aten.detach_,
})  # fmt: skip

_FLOATS = (torch.float32, torch.float64)


@dataclass(frozen=True, eq=False)
class Elements:
    """Each element is `scale * source[label] + offset`; all three share the node's shape.

    Attributes:
        label: int64, the number of an element of a source; -1 for a constant.
        scale: float64.
        offset: float64.
    """

    label: Tensor
    scale: Tensor
    offset: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> Elements:
        """Return the elements with one movement applied to all three."""
        return Elements(change(self.label), change(self.scale), change(self.offset))


@dataclass(frozen=True, eq=False)
class SourceTensor:
    """A node whose elements carry the labels from `first` to `first + count - 1`."""

    node: fx.Node
    first: int
    count: int


class Origins:
    """The elements of every node of a graph, computed on demand."""

    def __init__(self, constants: Constants) -> None:
        self._constants = constants
        self._known: dict[fx.Node, Any] = {}
        self._sources: list[SourceTensor] = []
        self._next = 0

    def of(self, node: fx.Node) -> Elements:
        """Return the elements of a tensor node, at the sizes of the traced example."""
        pending = [node]
        while pending:
            current = pending[-1]
            if current in self._known:
                pending.pop()
                continue
            missing = [
                n for n in _tensor_inputs(current) if _is_followed(current) and n not in self._known
            ]
            if missing and not self._constants.has(current):
                pending += missing
                continue
            self._known[current] = self._derive(current)
            pending.pop()
        elements = self._known[node]
        assert isinstance(elements, Elements)
        return elements

    def source_of(self, label: int) -> SourceTensor:
        """Return the source that a label (not -1) belongs to."""
        return next(s for s in self._sources if s.first <= label < s.first + s.count)

    def make_source(self, node: fx.Node) -> Elements:
        """Return fresh labels for a node and stop following it further up."""
        shape = tuple(map(size_hint, node.meta["val"].shape))
        count = torch.Size(shape).numel()
        self._sources.append(SourceTensor(node, self._next, count))
        label = torch.arange(self._next, self._next + count).reshape(shape)
        self._next += count
        ones = torch.ones(shape, dtype=torch.float64)
        elements = Elements(label, ones, torch.zeros_like(ones))
        self._known[node] = elements
        return elements

    def _derive(self, node: fx.Node) -> Any:
        if self._constants.has(node):
            value = self._constants.value(node)
            return _constant(value) if isinstance(value, Tensor) else value
        if _is_followed(node):
            if node.target is operator.getitem:
                pieces = self._known[_first_input(node)]
                # An operation that computes its several results gives no pieces of its input.
                return self.make_source(node) if pieces is None else pieces[node.args[1]]
            followed = self._follow(node)
            if followed is not None:
                return followed
        return self.make_source(node) if isinstance(node.meta.get("val"), Tensor) else None

    def _follow(self, node: fx.Node) -> Any:
        packet = getattr(node.target, "overloadpacket", None)
        if packet in _SAME:
            inner = self._known[_first_input(node)]
            return inner if _is_float(node) and _is_float(_first_input(node)) else None
        if packet is _aten.copy:
            source = self._known[node.args[1]]  # type: ignore[index]
            shape = tuple(map(size_hint, node.meta["val"].shape))
            is_float = _is_float(node) and _is_float(node.args[1])  # type: ignore[arg-type]
            return source.map(lambda part: part.expand(shape)) if is_float else None
        if packet in _MOVEMENT:
            return self._move(node, packet)
        return self._scale(node, packet)

    def _move(self, node: fx.Node, packet: Any) -> Any:
        if any(map(self._is_number_of_data, node.all_input_nodes)):
            return None  # an index: where it moves elements depends on the data
        # The label tensor has other strides than the traced one, so a view of it may be impossible.
        run: Any = _aten.reshape if packet in (_aten.view, _aten._unsafe_view) else node.target

        def moved(part: Callable[[Elements], Tensor]) -> Any:
            def argument(n: fx.Node) -> Any:
                if isinstance(n.meta.get("val"), Tensor):
                    known = self._known[n]
                    if isinstance(known, Elements):
                        is_index = n.meta["val"].dtype not in _FLOATS
                        return known.offset.long() if is_index else part(known)
                    return None
                return size_hint(n.meta["val"])

            args, kwargs = fx.node.map_arg((node.args, node.kwargs), argument)
            return run(*args, **kwargs)

        parts = [moved(operator.attrgetter(name)) for name in ("label", "scale", "offset")]
        if isinstance(parts[0], Tensor):
            return Elements(*parts)
        return [Elements(*triple) for triple in zip(*parts, strict=True)]

    def _is_number_of_data(self, node: fx.Node) -> bool:
        """Return whether a tensor holds whole numbers or booleans that depend on the inputs."""
        known = self._known.get(node)
        if not isinstance(known, Elements) or _is_float(node):
            return False
        return bool((known.label >= 0).any())

    def _scale(self, node: fx.Node, packet: Any) -> Elements | None:
        """Follow multiplication by, and addition of, a constant."""
        left, right = (*node.args, None)[:2]
        if packet is _aten.neg:
            return _affine(self._elements(left), torch.tensor(-1.0), torch.tensor(0.0))
        factor: Any = node.kwargs.get("alpha", 1)
        number = self._number(right)
        if number is None and packet in (_aten.mul, _aten.add):
            left, right, number = right, left, self._number(left)
            if factor != 1:
                return None
        elements = self._elements(left)
        if number is None or elements is None:
            return None
        one, zero = torch.tensor(1.0).double(), torch.tensor(0.0).double()
        match packet:
            case _aten.mul:
                return _affine(elements, number, zero)
            case _aten.div if "rounding_mode" not in node.kwargs:
                return _affine(elements, one / number, zero)
            case _aten.add:
                return _affine(elements, one, factor * number)
            case _aten.sub:
                return _affine(elements, one, -factor * number)
            case _:
                return None

    def _elements(self, argument: Any) -> Elements | None:
        known = self._known.get(argument) if isinstance(argument, fx.Node) else None
        is_float = isinstance(argument, fx.Node) and _is_float(argument)
        return known if isinstance(known, Elements) and is_float else None

    def _number(self, argument: Any) -> Tensor | None:
        """Return a constant argument as float64, or None."""
        if isinstance(argument, bool | int | float):
            return torch.tensor(float(argument), dtype=torch.float64)
        if isinstance(argument, fx.Node) and self._constants.has(argument):
            value = self._constants.value(argument)
            if isinstance(value, Tensor) and not value.is_complex():
                return value.double()
        return None


ROWS_FROM_DATA = 5
"""What stands for a length that depends on the data, such as that of `x[mask]`."""


def size_hint(size: Any) -> int:
    """Return a size as a number: of a symbolic one, its value at the traced example."""
    return max(0, optimization_hint(size, fallback=ROWS_FROM_DATA))


def _affine(elements: Elements | None, scale: Tensor, offset: Tensor) -> Elements | None:
    if elements is None:
        return None
    shape: torch.Size = torch.broadcast_shapes(elements.label.shape, scale.shape, offset.shape)
    wide = elements.map(lambda part: part.expand(shape))
    return Elements(wide.label, wide.scale * scale, wide.offset * scale + offset)


def _constant(value: Tensor) -> Elements:
    shape = value.shape
    real = value.double() if not value.is_complex() else torch.full(shape, torch.nan).double()
    return Elements(torch.full(shape, -1), torch.zeros(shape, dtype=torch.float64), real)


def _is_followed(node: fx.Node) -> bool:
    packet = getattr(node.target, "overloadpacket", None)
    if any(map(_is_data_number, node.all_input_nodes)):
        return False  # where it moves elements depends on the data
    return (
        node.target is operator.getitem
        or packet in _MOVEMENT
        or packet in _SAME
        or packet in (_aten.mul, _aten.div, _aten.add, _aten.sub, _aten.neg, _aten.copy)
    )


def _tensor_inputs(node: fx.Node) -> list[fx.Node]:
    return [
        n for n in node.all_input_nodes if not isinstance(n.meta.get("val"), torch.SymInt | int)
    ]


def is_whole_of_data(value: Any) -> bool:
    """Return whether a value is a whole number that the numbers in a traced tensor give."""
    return isinstance(value, torch.SymInt) and depends_on_data(value)


def _is_data_number(node: fx.Node) -> bool:
    return is_whole_of_data(node.meta.get("val"))


def _is_float(node: fx.Node) -> bool:
    return node.meta["val"].dtype in _FLOATS


def _first_input(node: fx.Node) -> fx.Node:
    first = node.args[0]
    assert isinstance(first, fx.Node)
    return first
