"""The circuit as immutable data. `docs/circuit.md` numbers its laws.

The classes are `msgspec.Struct`s, so that one definition is both the IR and its JSON schema.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Final, TypeAlias, assert_never

import msgspec

BATCH: Final = "batch"
"""The name of the axis along which rows are independent, in circuits, graphs and files."""


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Angle `scale * parameters[:, column] + offset`, in radians.

    Attributes:
        column: which column of `parameters`, shape `(batch, P)`.
        scale: radians per unit of the parameter.
        offset: radians.
    """

    column: int
    scale: float = 1.0
    offset: float = 0.0


Angle: TypeAlias = float | Parameter


class Apply(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="apply"
):
    """One gate of the table on some wires, possibly adjoint, possibly controlled.

    Attributes:
        gate: a name in `GATES`.
        wires: the first is the most significant wire of the gate's matrix.
        angle: for a gate that takes one; None for a fixed gate.
        adjoint: the conjugate transpose of the gate.
        controls: further wires; the gate acts where they hold `control_values`.
        control_values: one truth value for each control.
    """

    gate: str
    wires: tuple[int, ...]
    angle: Angle | None = None
    adjoint: bool = False
    controls: tuple[int, ...] = ()
    control_values: tuple[bool, ...] = ()


class Unitary(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="unitary"
):
    """A matrix given by its entries, numbers or parameters, on some wires.

    Attributes:
        wires: the first is the most significant of the matrix.
        real: real parts of the entries, row by row.
        imaginary: imaginary parts, or empty where all are zero.
    """

    wires: tuple[int, ...]
    real: tuple[Angle, ...]
    imaginary: tuple[Angle, ...] = ()


class Prepare(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="prepare"
):
    """A state preparation: wires in |0> get a state that is given by its amplitudes.

    Attributes:
        wires: no earlier operation acts on them; the first is the most significant.
        real: real parts of the amplitudes.
        imaginary: imaginary parts, or empty where all are zero.
    """

    wires: tuple[int, ...]
    real: tuple[Angle, ...]
    imaginary: tuple[Angle, ...] = ()


PureOperation: TypeAlias = Apply | Unitary | Prepare
"""An operation that maps a state vector to a state vector."""


class Channel(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="channel"
):
    """Noise: rho becomes the sum of K rho K^dagger over some Kraus operators K.

    Attributes:
        wires: the first is the most significant of the matrices.
        real: real parts of the entries, matrix after matrix, each row by row.
        imaginary: imaginary parts, or empty where all are zero.
    """

    wires: tuple[int, ...]
    real: tuple[Angle, ...]
    imaginary: tuple[Angle, ...] = ()


Operation: TypeAlias = PureOperation | Channel


class PauliTerm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """`coefficient` times a Pauli word: `letters[i]` (X, Y or Z) on `wires[i]`.

    The empty word is the identity.
    """

    coefficient: float
    letters: str
    wires: tuple[int, ...]


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="expectation"):
    """The expectation value of a sum of Pauli words: one real number."""

    terms: tuple[PauliTerm, ...]


class Variance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="variance"):
    """<O^2> - <O>^2 of a sum of Pauli words: one real number."""

    terms: tuple[PauliTerm, ...]


class Probabilities(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="probabilities"):
    """The probability of each basis state of some wires, the first most significant."""

    wires: tuple[int, ...]


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="state"):
    """The amplitudes of all wires: complex. Only without channels."""


class DensityMatrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="density"):
    """The reduced density matrix of some wires, the first most significant: complex."""

    wires: tuple[int, ...]


class Purity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="purity"):
    """Tr(rho^2) of the reduced density matrix of some wires: one real number."""

    wires: tuple[int, ...]


class Entropy(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="entropy"
):
    """-Tr(rho log rho) of the reduced density matrix of some wires: one real number.

    Attributes:
        wires: in any order.
        base: of the logarithm, or None for the natural one.
    """

    wires: tuple[int, ...]
    base: float | None = None


class MutualInformation(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="mutual"
):
    """The entropy of some wires, plus that of others, less that of both: one real number.

    Attributes:
        first: some wires.
        second: others.
        base: of the logarithm, or None for the natural one.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    base: float | None = None


Measurement: TypeAlias = (
    Expectation
    | Variance
    | Probabilities
    | State
    | DensityMatrix
    | Purity
    | Entropy
    | MutualInformation
)


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which of the M columns of `results` hold the result of one measurement.

    Attributes:
        offset: its first column.
        shape: of the result in one row.
        is_complex: the columns are all real parts, then as many imaginary parts.
    """

    offset: int
    shape: tuple[int, ...]
    is_complex: bool = False

    @property
    def width(self) -> int:
        """How many columns it takes."""
        return prod(self.shape) * (2 if self.is_complex else 1)


class Circuit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A quantum layer: from `parameters` `(batch, P)` to `results` `(batch, M)`.

    A circuit may stand for its vector-Jacobian product, or for that of this one, and so on. Then it
    takes more columns, and gives others: see `derivative_blocks`.

    Attributes:
        wires: how many; every one starts in |0>. Wire 0 is the most significant.
        parameters: P, the columns that its angles are made of.
        operations: in the order of time.
        measurements: their results are columns side by side, in this order.
        shots: how often a device should sample, or None for exact values. The compiled body is
            exact either way.
        derivative: how often it was differentiated; 0 for the circuit itself.
    """

    wires: int
    parameters: int
    operations: tuple[Operation, ...]
    measurements: tuple[Measurement, ...]
    shots: int | None = None
    derivative: int = 0


def result_layout(circuit: Circuit) -> tuple[Result, ...]:
    """Return which columns of `results` hold what.

    Returns:
        for each measurement one entry; for each block of a derivative one.
    """
    forms = (
        [((width,), False) for width in derivative_blocks(circuit)[1]]
        if circuit.derivative
        else [_result_form(measurement, circuit.wires) for measurement in circuit.measurements]
    )
    results: list[Result] = []
    for shape, is_complex in forms:
        offset = results[-1].offset + results[-1].width if results else 0
        results.append(Result(offset, shape, is_complex))
    return tuple(results)


def result_count(circuit: Circuit) -> int:
    """Return how many columns `results` has: M, unless it is a derivative."""
    return sum(result.width for result in result_layout(circuit))


def column_count(circuit: Circuit) -> int:
    """Return how many columns a circuit takes: P, unless it is a derivative."""
    return sum(derivative_blocks(circuit)[0]) if circuit.derivative else circuit.parameters


def underived(circuit: Circuit) -> Circuit:
    """Return the circuit whose derivative a circuit is, or the circuit itself if it is none."""
    return msgspec.structs.replace(circuit, derivative=0) if circuit.derivative else circuit


def name_derivative(circuit: Circuit) -> str:
    """Return what a derivative is called; empty for a circuit.

    Example:
        >>> from hybridx.circuit import parse
        >>> name_derivative(parse("derivative 2; RX 0 p[0]; expval Z0"))
        'second vector-Jacobian product'
    """
    if not circuit.derivative:
        return ""
    ordinals = ("", "second ", "third ", "fourth ", "fifth ", "sixth ")
    return f"{ordinals[circuit.derivative - 1]}vector-Jacobian product"


def derivative_blocks(circuit: Circuit) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the widths of the blocks of columns that a derivative takes, and that it gives.

    A function f from some blocks to others has the vector-Jacobian product f': it takes what f
    takes and then a cotangent for each block that f gives, and gives the derivative by each block
    that f takes, of the sum of the products of the results of f and their cotangents. A circuit
    itself takes one block of P columns and gives one of M.

    Example:
        >>> from hybridx.circuit import parse
        >>> text = "RX 0 p[0]; RY 1 p[1]; expval Z0; expval Z1; expval X0"
        >>> derivative_blocks(parse(f"derivative 2; {text}"))
        ((2, 3, 2), (2, 3))
    """
    taken: tuple[int, ...] = (circuit.parameters,)
    given: tuple[int, ...] = (result_count(underived(circuit)),)
    for _ in range(circuit.derivative):
        taken, given = taken + given, taken
    return taken, given


def angles_of(operation: Operation) -> tuple[Angle, ...]:
    """Return every number or parameter that an operation takes."""
    match operation:
        case Apply(angle=angle):
            return () if angle is None else (angle,)
        case Unitary() | Prepare() | Channel():
            return operation.real + operation.imaginary
        case _:
            assert_never(operation)


def wires_of(operation: Operation) -> tuple[int, ...]:
    """Return every wire that an operation acts on, controls first."""
    return operation.controls + operation.wires if isinstance(operation, Apply) else operation.wires


def has_channel(circuit: Circuit) -> bool:
    """Return whether a circuit has noise, so that its state is a density matrix."""
    return any(isinstance(operation, Channel) for operation in circuit.operations)


def entropies_of(measurement: Measurement) -> tuple[tuple[int, ...], ...]:
    """Return the sets of wires whose entropies a measurement is made of."""
    match measurement:
        case Entropy(wires):
            return (wires,)
        case MutualInformation(first, second):
            return (first, second, first + second)
        case _:
            return ()


def bind(circuit: Circuit, parameters: int, angle_of: Callable[[Parameter], Angle]) -> Circuit:
    """Return the circuit with every parameter replaced by `angle_of(parameter)`.

    Args:
        circuit: the circuit to rewrite.
        parameters: P of the result.
        angle_of: gives a number or a parameter of the new circuit.
    """

    def bound(angle: Angle) -> Angle:
        return angle_of(angle) if isinstance(angle, Parameter) else angle

    def rebound(operation: Operation) -> Operation:
        match operation:
            case Apply(angle=angle):
                return msgspec.structs.replace(
                    operation, angle=None if angle is None else bound(angle)
                )
            case Unitary() | Prepare() | Channel():
                return msgspec.structs.replace(
                    operation,
                    real=tuple(map(bound, operation.real)),
                    imaginary=tuple(map(bound, operation.imaginary)),
                )
            case _:
                assert_never(operation)

    return msgspec.structs.replace(
        circuit, parameters=parameters, operations=tuple(map(rebound, circuit.operations))
    )


def _result_form(measurement: Measurement, wires: int) -> tuple[tuple[int, ...], bool]:
    """Return the shape of a result and whether it is complex."""
    match measurement:
        case Expectation() | Variance() | Purity() | Entropy() | MutualInformation():
            return (), False
        case Probabilities(chosen):
            return (2 ** len(chosen),), False
        case State():
            return (2**wires,), True
        case DensityMatrix(chosen):
            return (2 ** len(chosen), 2 ** len(chosen)), True
        case _:
            assert_never(measurement)
