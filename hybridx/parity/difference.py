"""The comparison of two sets of outputs with a tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from hybridx.errors import MismatchError
from hybridx.storage import Array

TOLERANCE: Mapping[str, float] = MappingProxyType({
    # float32 has a precision of 6e-8. The longest sums of a 10-wire circuit between two linear
    # layers lost 5e-7, and 1e-5 still shows a wrong sign of the smallest weight.
    "float32": 1e-5,
    # float64 has 1e-16; a thousand operations in sequence stay below 1e-13.
    "float64": 1e-10,
})  # fmt: skip


@dataclass(frozen=True)
class OutputDifference:
    """The distance of two executions on one output.

    Attributes:
        output: its name.
        worst: the largest error of an element.
        mean: the mean error of the elements that were compared.
        elements: how many these are; NaN and infinite elements do not count.
        batch: the batch size of the comparison with the largest error.
        index: of the element with the largest error; its first number is the row of an output with
            a batch. Empty for an output without axes.
    """

    output: str
    worst: float
    mean: float
    elements: int
    batch: int
    index: tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """The distance of two sets of outputs.

    Attributes:
        outputs: of each output.
    """

    outputs: tuple[OutputDifference, ...] = ()

    @property
    def worst(self) -> float:
        """The largest error of an element."""
        return max((one.worst for one in self.outputs), default=0.0)

    @property
    def elements(self) -> int:
        """How many elements were compared; NaN and infinite elements do not count."""
        return sum(one.elements for one in self.outputs)

    def joined(self, other: Difference) -> Difference:
        """Return the distance over the elements of both comparisons."""
        found = {one.output: one for one in self.outputs}
        for one in other.outputs:
            before = found.get(one.output)
            found[one.output] = one if before is None else _join(before, one)
        return Difference(tuple(found.values()))


def _join(first: OutputDifference, second: OutputDifference) -> OutputDifference:
    worse = second if second.worst > first.worst else first
    elements = first.elements + second.elements
    total = first.mean * first.elements + second.mean * second.elements
    return replace(worse, elements=elements, mean=total / elements if elements else 0.0)


def compare(
    actual: Mapping[str, Array],
    expected: Mapping[str, Array],
    *,
    tolerance: float,
    left: str,
    right: str,
    batch: int,
) -> Difference:
    """Return the distance of two sets of named outputs, or refuse them.

    The error of an element is `|actual - expected| / max(1, |expected|)`; a NaN or an infinity
    on one side only is an infinite error, and so is another shape.

    Args:
        actual: outputs of the execution under test.
        expected: outputs that it should have.
        tolerance: the largest error that passes.
        left: name of the execution that gave `actual`, for the message.
        right: likewise of `expected`.
        batch: the batch size, for the message.

    Raises:
        MismatchError: the error of an output is above the tolerance, or an output is missing.
    """
    outputs = []
    for name in sorted(set(actual) | set(expected)):

        def refused(worst: float, where: str, name: str = name) -> MismatchError:
            return MismatchError(left, right, name, batch, worst, where, tolerance)

        if name not in actual or name not in expected:
            raise refused(np.inf, f"only {left if name in actual else right} has it")
        one, other = np.asarray(actual[name]), np.asarray(expected[name])
        if one.shape != other.shape:
            raise refused(np.inf, f"the shapes are {one.shape} and {other.shape}")
        errors, counted = _errors(one, other)
        index = _place_of_worst(errors)
        worst = float(errors[index]) if errors.size else 0.0
        if not worst <= tolerance:
            place = f"{float(one[index]):.6g} and {float(other[index]):.6g} at {[*index]}"
            raise refused(worst, place)
        elements = int(counted.sum())
        mean = float(errors[counted].mean()) if elements else 0.0
        outputs.append(OutputDifference(name, worst, mean, elements, batch, index))
    return Difference(tuple(outputs))


def _place_of_worst(errors: Array) -> tuple[int, ...]:
    if not errors.size:
        return (0,) * errors.ndim
    return tuple(map(int, np.unravel_index(int(errors.argmax()), errors.shape)))


def _errors(actual: Array, expected: Array) -> tuple[Array, Array]:
    """Return the error of each element of two arrays of one shape, and which elements count."""
    if actual.dtype.kind != "f" or expected.dtype.kind != "f":
        counted = np.ones(expected.shape, bool)
        return np.where(actual == expected, 0.0, np.inf), counted
    wide, target = actual.astype(np.float64), expected.astype(np.float64)
    same = (wide == target) | (np.isnan(wide) & np.isnan(target))
    counted = np.isfinite(target)
    # Infinity less infinity, in elements that do not count.
    with np.errstate(invalid="ignore"):
        errors = np.abs(wide - target) / np.maximum(1.0, np.abs(target))
    finite = counted & np.isfinite(wide)
    return np.where(finite, errors, np.where(same, 0.0, np.inf)), counted
