"""Whether sampled results are consistent with exact ones, at a stated significance.

A result with shots never equals the exact value, and a tolerance that allows for chance hides small
errors. So each result is tested against its distribution on a correct device. The smallest p-value
is multiplied by the number of tests (Bonferroni), so that a correct device is refused with
probability `significance` at most, for any number of results.

The tests hold at any number of shots:

* a probability p is counted k times in N shots, k ~ Binomial(N, p);
* so is the outcome +1 of one Pauli word, with p = (1 + mean) / 2, and the variance of one is a
  function of the same count;
* a sum of words is a mean of N bounded numbers, however a device groups the words; by Bernstein's
  inequality P(|d| >= t) <= 2 exp(-N t^2 / (2 s^2 + 2 r t / 3)), where s is the largest standard
  deviation that the words can have together, and r their largest possible distance from the mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from hybridx.circuit import (
    Circuit,
    Expectation,
    Measurement,
    PauliTerm,
    Probabilities,
    Variance,
    result_layout,
)
from hybridx.errors import InconsistentResultError
from hybridx.lowering import choose
from hybridx.passes import run_passes
from hybridx.program import run

Float64s: TypeAlias = NDArray[np.float64]

SIGNIFICANCE = 0.01
"""The largest probability with which a correct device is refused."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The results of a device for one circuit.

    Attributes:
        name: of the circuit, for messages.
        circuit: the circuit.
        parameters: shape `(batch, P)`.
        results: shape `(batch, M)`.
        shots: of each result.
    """

    name: str
    circuit: Circuit
    parameters: NDArray[np.floating[Any]]
    results: Float64s
    shots: int


@dataclass(frozen=True)
class Consistency:
    """Sampled results that are consistent with the exact ones.

    Attributes:
        tests: number of results that were tested.
        untested: number of results without a test: variances of sums of Pauli words.
        p_value: the smallest of all, multiplied by the number of tests, at most 1.
        significance: the bound that the p-value had to exceed.
    """

    tests: int
    untested: int
    p_value: float
    significance: float


def check_consistent(samples: Sequence[Sample], *, significance: float, device: str) -> Consistency:
    """Test every sampled result against its exact distribution.

    Args:
        samples: of one run of a model; each circuit is tested at the parameters that the device was
            sent.
        significance: probability with which a correct device may be refused.
        device: for the message.

    Raises:
        InconsistentResultError: a result is too far from its exact value for chance.
    """
    judged = [(sample, *p_values(sample)) for sample in samples]
    tests = sum(int(np.isfinite(p).sum()) for _, p, _ in judged)
    untested = sum(int(np.isnan(p).sum()) for _, p, _ in judged)
    smallest = 1.0
    for sample, p, exact in judged:
        if not np.isfinite(p).any():
            continue
        row, column = np.unravel_index(np.nanargmin(p), p.shape)
        corrected = min(1.0, float(p[row, column]) * tests)
        if corrected <= significance:
            raise InconsistentResultError(
                device,
                sample.name,
                int(column),
                int(row),
                float(sample.results[row, column]),
                float(exact[row, column]),
                sample.shots,
                corrected,
                tests,
                significance,
            )
        smallest = min(smallest, corrected)
    return Consistency(tests, untested, smallest, significance)


def p_values(sample: Sample) -> tuple[Float64s, Float64s]:
    """Return the two-sided p-value of each result, and its exact value.

    Returns:
        Two arrays of shape `(batch, M)`; a p-value is NaN where there is no test.
    """
    circuit = sample.circuit
    assert not circuit.derivative  # a device runs the circuit itself, at shifted parameters
    measured = np.asarray(sample.results, dtype=np.float64)
    means = _means(circuit, np.asarray(sample.parameters, dtype=np.float64))
    p, exact = np.full(measured.shape, np.nan), np.full(measured.shape, np.nan)
    for measurement, place in zip(circuit.measurements, result_layout(circuit), strict=True):
        columns = slice(place.offset, place.offset + place.width)
        found = measured[:, columns]
        match measurement:
            case Probabilities():
                exact[:, columns] = next(means)
                p[:, columns] = _binomial(found, exact[:, columns], sample.shots)
            case Expectation(terms):
                words = next(means)
                exact[:, columns] = words @ _coefficients(terms)[:, None]
                p[:, columns] = _expectation(found, words, _coefficients(terms), sample.shots)
            case Variance((PauliTerm(coefficient),)):
                word = next(means)
                exact[:, columns] = coefficient**2 * (1 - word**2)
                p[:, columns] = _variance(found / coefficient**2, word, sample.shots)
            case _:
                pass
    return p, exact


def _means(circuit: Circuit, parameters: Float64s) -> Iterator[Float64s]:
    """Yield, for each measurement with a test, its probabilities or the means of its words."""
    parts: list[tuple[Measurement, ...]] = []
    for measurement in circuit.measurements:
        match measurement:
            case Probabilities():
                parts.append((measurement,))
            case Expectation(terms) | Variance((_,) as terms):
                parts.append(
                    tuple(Expectation((PauliTerm(1.0, t.letters, t.wires),)) for t in terms)
                )
            case _:
                pass
    wanted = replace(circuit, measurements=tuple(one for part in parts for one in part))
    if not wanted.measurements:
        return
    values = run(choose(run_passes(wanted)).plan.build(), parameters)
    layout = iter(result_layout(wanted))
    for part in parts:
        places = [next(layout) for _ in part]
        chosen = values[:, places[0].offset : places[-1].offset + places[-1].width]
        yield np.asarray(chosen, dtype=np.float64)


def _coefficients(terms: Sequence[PauliTerm]) -> Float64s:
    return np.array([term.coefficient for term in terms])


def _expectation(found: Float64s, words: Float64s, coefficients: Float64s, shots: int) -> Float64s:
    """Return p-values of sums of words; `found` `(batch, 1)`, `words` `(batch, terms)`."""
    if coefficients.size == 1 and coefficients[0] != 0.0:
        return _binomial((1 + found / coefficients[0]) / 2, (1 + words) / 2, shots)
    sizes = np.abs(coefficients)
    distance = np.abs(found - words @ coefficients[:, None])
    spread = np.sqrt(np.clip(1 - words**2, 0, 1)) @ sizes[:, None]
    farthest = (1 + np.abs(words)) @ sizes[:, None]
    # Rounding of sums of a hundred words, about 1e-14, is no evidence.
    distance = np.where(distance < _ROUNDING * (1 + farthest), 0.0, distance)
    bound = 2 * spread**2 + 2 * farthest * distance / 3
    exponent = np.divide(shots * distance**2, bound, out=np.zeros_like(bound), where=bound > 0)
    return np.asarray(np.minimum(1.0, 2 * np.exp(-exponent)))


_ROUNDING = 1e-10
"""Accuracy of the exact values in float64; a smaller probability may be zero."""


def _binomial(found: Float64s, p: Float64s, shots: int) -> Float64s:
    """Return two-sided p-values of relative frequencies: twice the smaller tail."""
    from scipy.stats import binom

    count = np.rint(found * shots)
    # If p is within this accuracy of 0 or 1, take the value that refuses less.
    below = binom.cdf(count, shots, np.clip(p - _ROUNDING, 0, 1))
    above = binom.sf(count - 1, shots, np.clip(p + _ROUNDING, 0, 1))
    return np.asarray(np.minimum(1.0, 2 * np.minimum(below, above)))


def _variance(found: Float64s, words: Float64s, shots: int) -> Float64s:
    """Return two-sided p-values of 1 - m^2, with m the mean of a word's outcomes."""
    from scipy.stats import binom

    size = np.sqrt(np.clip(1 - found, 0, 1))
    count = np.rint(shots * (1 + size) / 2)
    p = (1 + words) / 2
    farther = binom.sf(count - 1, shots, p) + binom.cdf(shots - count, shots, p)
    nearer = binom.cdf(count, shots, p) - binom.cdf(shots - count - 1, shots, p)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(farther, nearer)))
