"""Operators on values that are known in Python: what becomes of the lengths of axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hybridx.rebuild.values import Known, Node, integer, integers, known


def slices(values: Sequence[Any], rank: int) -> tuple[slice, ...]:
    """Return the slices of a Slice node, one for each axis of its input."""
    starts, ends = integers(values[1]), integers(values[2])
    given = len(values) > 3 and values[3] is not None
    axes = integers(values[3]) if given else range(len(starts))
    steps = integers(values[4]) if len(values) > 4 and values[4] is not None else [1] * len(starts)
    found = [slice(None)] * rank
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        found[axis] = slice(start, end, step)
    return tuple(found)


def axes_of(node: Node, values: Sequence[Any]) -> list[int] | None:
    """Return the axes of a node, which newer opsets give as an input; None for none."""
    if len(values) > 1 and values[1] is not None:
        return integers(values[1])
    found = node.attribute("axes")
    return None if found is None else list(found)


def _elementwise(function: Callable[..., Any]) -> Callable[[Node, Sequence[Any]], Known]:
    return lambda node, values: np.asarray(np.frompyfunc(function, len(values), 1)(*values), object)


def _divide(left: Any, right: Any) -> Any:
    # ONNX rounds towards zero; lengths are not negative, for which this is the same.
    return left // right if left * right >= 0 else -(-left // right)


def _reshape(node: Node, values: Sequence[Any]) -> Known:
    return known(values[0].reshape(integers(values[1])))


def _unsqueeze(node: Node, values: Sequence[Any]) -> Known:
    return np.expand_dims(values[0], tuple(axes_of(node, values) or ()))


def _squeeze(node: Node, values: Sequence[Any]) -> Known:
    axes = axes_of(node, values)
    return known(np.squeeze(values[0], None if axes is None else tuple(axes)))


def _slice(node: Node, values: Sequence[Any]) -> Known:
    return known(values[0][slices(values, values[0].ndim)])


def _gather(node: Node, values: Sequence[Any]) -> Known:
    index = values[1].astype(np.int64)
    return known(np.take(values[0], index, axis=node.attribute("axis", 0)))


def _concat(node: Node, values: Sequence[Any]) -> Known:
    return np.concatenate(list(values), axis=node.attribute("axis"))


def _product(node: Node, values: Sequence[Any]) -> Known:
    product = 1
    for entry in integers(values[0]):
        product = product * entry
    return known([product] if node.attribute("keepdims", 1) else product)


def _sum(node: Node, values: Sequence[Any]) -> Known:
    total = sum(integers(values[0]))
    return known([total] if node.attribute("keepdims", 1) else total)


KNOWN: Mapping[str, Callable[[Node, Sequence[Any]], Known]] = {
    "Add": _elementwise(lambda a, b: a + b),
    "Sub": _elementwise(lambda a, b: a - b),
    "Mul": _elementwise(lambda a, b: a * b),
    "Div": _elementwise(_divide),
    "Mod": _elementwise(lambda a, b: a % b),
    "Neg": _elementwise(lambda a: -a),
    "Abs": _elementwise(abs),
    "Max": _elementwise(max),
    "Min": _elementwise(min),
    "Equal": _elementwise(lambda a, b: bool(a == b)),
    "Less": _elementwise(lambda a, b: bool(a < b)),
    "LessOrEqual": _elementwise(lambda a, b: bool(a <= b)),
    "Greater": _elementwise(lambda a, b: bool(a > b)),
    "GreaterOrEqual": _elementwise(lambda a, b: bool(a >= b)),
    "Not": _elementwise(lambda a: not a),
    "And": _elementwise(lambda a, b: a and b),
    "Or": _elementwise(lambda a, b: a or b),
    "Where": _elementwise(lambda asked, a, b: a if asked else b),
    "Concat": _concat,
    "Gather": _gather,
    "Identity": lambda node, values: values[0],
    "ReduceProd": _product,
    "ReduceSum": _sum,
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}
"""Operators of ONNX on known values; every other operator takes tensors."""


def shape(node: Node, values: Sequence[Any]) -> Known:
    """Return the lengths of the axes of a value."""
    return known(list(values[0].shape)[node.attribute("start", 0) : node.attribute("end")])


def size(node: Node, values: Sequence[Any]) -> Known:
    """Return how many numbers a value has."""
    return known(integer(_product(node, [known(list(values[0].shape))])))
