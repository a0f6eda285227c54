"""What a QNode returns, as measurements of a circuit and arithmetic on their results.

In the circuit language coefficients are numbers. A trained or computed coefficient stays in the
classical graph: each Pauli word is measured alone, and torch adds them up. A mid-circuit outcome is
kept on a wire of its own, so its statistics are those of Pauli Z on that wire. A postselected mean
value is the mean of the observable times a projector, divided by the mean of the projector.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pennylane as qml
from torch import Tensor

from hybridx.capture.qnode.observables import (
    PauliSum,
    is_computed,
    outcomes,
    pauli_sum,
    projector,
    symmetrized_product,
    weighted,
)
from hybridx.circuit import (
    MAX_ENTROPY_WIRES,
    DensityMatrix,
    Entropy,
    Expectation,
    Measurement,
    MutualInformation,
    PauliTerm,
    Probabilities,
    Purity,
    State,
    Variance,
    entropies_of,
)
from hybridx.errors import UnsupportedMeasurementError


@dataclass(frozen=True)
class Reading:
    """How a value that the quantum function returns comes from measurements of the circuit.

    Attributes:
        measurements: of the circuit.
        value: gives the value from their results, in order; None if the value is the only result.
        is_own: `value` uses tensors of the call that it was made for.
    """

    measurements: tuple[Measurement, ...]
    value: Callable[..., Tensor] | None = None
    is_own: bool = False

    def read(self, results: Sequence[Tensor]) -> Tensor:
        """Return the value."""
        return results[0] if self.value is None else self.value(*results)


@dataclass(frozen=True)
class Reader:
    """Turns the measurements of a PennyLane tape into readings.

    Attributes:
        wires: PennyLane's wire labels, numbered.
        layer: where the tape comes from, for messages.
        is_mixed: a state of the device is a density matrix.
        kept: wires that are postselected, with the value that each must have.
    """

    wires: dict[Any, int]
    layer: str
    is_mixed: bool = False
    kept: tuple[tuple[Any, int], ...] = ()

    def reading(self, measured: Any) -> Reading:
        """Return the reading of a measurement.

        Raises:
            UnsupportedMeasurementError: its kind or its observable has no rule.
        """
        match measured:
            case qml.measurements.ExpectationMP():
                return self._mean(self._observable(measured))
            case qml.measurements.VarianceMP():
                return self._variance(self._observable(measured))
            case qml.measurements.ProbabilityMP():
                return self._probabilities(measured)
        if self.kept:
            raise self._refusal(measured, "only mean values and probabilities are postselected")
        return Reading((self._whole(measured),))

    def _whole(self, measured: Any) -> Measurement:
        """Return a measurement of a state."""
        wires = self._numbers(measured.wires) or tuple(self.wires.values())
        match measured:
            case qml.measurements.DensityMatrixMP():
                return DensityMatrix(wires)
            case qml.measurements.StateMP():
                return DensityMatrix(wires) if self.is_mixed else State()
            case qml.measurements.PurityMP():
                return Purity(wires)
            case qml.measurements.VnEntropyMP():
                return self._small(Entropy(wires, _base(measured)))
            case qml.measurements.MutualInfoMP():
                first, second = map(self._numbers, measured.raw_wires)
                return self._small(MutualInformation(first, second, _base(measured)))
            case _:
                kind = type(measured).__name__.removesuffix("MP")
                raise UnsupportedMeasurementError(
                    self.layer, kind, "it is no fixed number of real or complex values"
                )

    def _small(self, measurement: Measurement) -> Measurement:
        """Return a measurement of an entropy, or refuse it if it has too many wires."""
        for wires in entropies_of(measurement):
            # In a pure state the remaining wires have the same entropy.
            others = len(self.wires) if self.is_mixed else len(self.wires) - len(wires)
            if min(len(wires), others) > MAX_ENTROPY_WIRES:
                reason = (
                    f"{len(wires)} wires are over the limit of {MAX_ENTROPY_WIRES} for an entropy"
                )
                raise UnsupportedMeasurementError(self.layer, type(measurement).__name__, reason)
        return measurement

    def _observable(self, measured: Any) -> PauliSum:
        if measured.mv is not None:
            return outcomes(measured.mv)
        if measured.obs is None:
            raise self._refusal(measured, "it measures no observable")
        try:
            return pauli_sum(measured.obs)
        except ValueError as error:
            raise self._refusal(measured, str(error)) from error

    def _mean(self, observable: PauliSum) -> Reading:
        if not self.kept:
            return self._sum(observable)
        kept = projector(self.kept)
        return _joined(
            operator.truediv, self._sum(symmetrized_product(observable, kept)), self._sum(kept)
        )

    def _variance(self, observable: PauliSum) -> Reading:
        if not self.kept and not is_computed(observable):
            return Reading((Variance(self._terms(observable)),))
        square = self._mean(symmetrized_product(observable, observable))
        return _joined(lambda square, mean: square - mean * mean, square, self._mean(observable))

    def _sum(self, observable: PauliSum) -> Reading:
        """Return the mean value in the state that the circuit prepares."""
        if not is_computed(observable):
            return Reading((Expectation(self._terms(observable)),))
        words = tuple(Expectation(self._terms({word: 1.0})) for word in observable)
        coefficients = tuple(observable.values())
        return Reading(words, lambda *means: weighted(coefficients, means), is_own=True)

    def _probabilities(self, measured: Any) -> Reading:
        labels = measured.wires or [w for w in self.wires if w not in dict(self.kept)]
        if getattr(measured.mv, "has_processing", False):
            raise self._refusal(measured, "it counts what is computed from several outcomes")
        wires = self._numbers(labels)
        if not self.kept:
            return Reading((Probabilities(wires),))
        chosen = self._numbers([label for label, _ in self.kept])
        column = int("".join(str(value) for _, value in self.kept), 2)

        def value(joint: Tensor) -> Tensor:
            kept = joint.reshape(*joint.shape[:-1], 2 ** len(wires), 2 ** len(chosen))[..., column]
            return kept / kept.sum(-1, keepdim=True)

        return Reading((Probabilities(wires + chosen),), value)

    def _terms(self, observable: PauliSum) -> tuple[PauliTerm, ...]:
        return tuple(
            PauliTerm(float(coefficient), "".join(word.values()), self._numbers(word))
            for word, coefficient in observable.items()
        )

    def _numbers(self, labels: Any) -> tuple[int, ...]:
        return tuple(self.wires[label] for label in labels)

    def _refusal(self, measured: Any, reason: str) -> UnsupportedMeasurementError:
        return UnsupportedMeasurementError(self.layer, str(measured), reason)


def _joined(value: Callable[..., Tensor], *readings: Reading) -> Reading:
    """Return a reading whose value is computed from the values of several readings."""

    def read(*results: Tensor) -> Tensor:
        rest = list(results)
        values = []
        for reading in readings:
            values.append(reading.read(rest[: len(reading.measurements)]))
            del rest[: len(reading.measurements)]
        return value(*values)

    measurements = sum((reading.measurements for reading in readings), ())
    return Reading(measurements, read, any(reading.is_own for reading in readings))


def _base(measured: Any) -> float | None:
    """Return the base of a logarithm, None for the natural one."""
    return float(measured.log_base) if measured.log_base else None
