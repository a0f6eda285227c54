"""Circuits as the source of PennyLane functions, for people who go on with them."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import assert_never

from hybridx.circuit.check import check
from hybridx.circuit.circuit import (
    Angle,
    Apply,
    Channel,
    Circuit,
    DensityMatrix,
    Entropy,
    Expectation,
    Measurement,
    MutualInformation,
    Operation,
    Parameter,
    PauliTerm,
    Prepare,
    Probabilities,
    Purity,
    State,
    Unitary,
    Variance,
    has_channel,
    name_derivative,
)

# What a device checks to 1e-8 has the precision of float32 in a circuit.
_NORMALISED = '''

def normalised(amplitudes):
    """Amplitudes of norm 1."""
    return amplitudes / np.linalg.norm(amplitudes)
'''
_COMPLETED = '''

def completed(kraus):
    """Kraus operators K for which the sum of K^dagger K is 1."""
    total = np.einsum("kij,kil->jl", kraus.conj(), kraus)
    values, vectors = np.linalg.eigh(total)
    return list(kraus @ ((vectors / np.sqrt(values)) @ vectors.conj().T))
'''
_TAKEN = ("completed", "list", "normalised", "np", "parameters", "qml")


def to_python(circuits: Mapping[str, Circuit]) -> str:
    """Return a module with a QNode for each circuit, which takes the parameters of one row.

    A QNode returns the results of its measurements in order. A complex result is complex there; in
    the columns of a file it is all real parts, then all imaginary parts.

    Args:
        circuits: by a name, of which the name of the function is made.

    Raises:
        IllFormedCircuitError: a circuit breaks a law. Every other one has such a function.

    Example:
        >>> from hybridx.circuit import parse
        >>> print(to_python({"/net/circuit": parse("RX 0 p[0]; expval Z0")}).split("# ---")[1])
         /net/circuit
        @qml.qnode(qml.device("default.qubit", wires=1))
        def net_circuit(parameters):  # of shape (1,), in radians
            qml.RX(parameters[0], wires=[0])
            return qml.expval(qml.PauliZ(0))
        <BLANKLINE>
    """
    names = _function_names(circuits)
    operations = [one for circuit in circuits.values() for one in circuit.operations]
    parts = ["import numpy as np\nimport pennylane as qml\n"]
    if any(isinstance(one, Prepare) for one in operations):
        parts.append(_NORMALISED)
    if any(isinstance(one, Channel) for one in operations):
        parts.append(_COMPLETED)
    for name, circuit in circuits.items():
        check(circuit)
        parts += ["\n\n", *(f"{line}\n" for line in _function(names[name], name, circuit))]
    return "".join(parts)


def _function_names(names: Mapping[str, object]) -> dict[str, str]:
    """Return an identifier for each name."""
    found: dict[str, str] = {}
    for name in names:
        words = re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_") or "circuit"
        words = f"circuit_{words}" if words[0].isdigit() or keyword.iskeyword(words) else words
        tries = (f"{words}_{number}" if number else words for number in count())
        taken = {*found.values(), *_TAKEN}
        found[name] = next(one for one in tries if one not in taken)
    return found


def _function(function: str, name: str, circuit: Circuit) -> Iterator[str]:
    device = "default.mixed" if has_channel(circuit) else "default.qubit"
    # A name may hold anything, and must not end the comment.
    plain = name if name.isascii() and name.isprintable() else ascii(name)
    yield f"# --- {plain}"
    if circuit.derivative:
        yield f"# The file has the {name_derivative(circuit)} of this circuit."
    yield f'@qml.qnode(qml.device("{device}", wires={circuit.wires}))'
    yield f"def {function}(parameters):  # of shape ({circuit.parameters},), in radians"
    yield from (f"    {_operator(operation)}" for operation in circuit.operations)
    yield f"    return {', '.join(map(_measurement, circuit.measurements))}"


def _operator(operation: Operation) -> str:
    match operation:
        case Apply(gate, wires, angle, adjoint, controls, values):
            angles = [] if angle is None else [_angle(angle)]
            made = f"qml.{gate}({', '.join([*angles, f'wires={list(wires)}'])})"
            made = f"qml.adjoint({made})" if adjoint else made
            return f"qml.ctrl({made}, {list(controls)}, {list(values)})" if controls else made
        case Unitary(wires):
            size = 2 ** len(wires)
            matrix = f"np.array({_entries(operation)}).reshape({size}, {size})"
            return f"qml.QubitUnitary({matrix}, wires={list(wires)}, unitary_check=False)"
        case Prepare(wires):
            amplitudes = f"normalised(np.array({_entries(operation)}))"
            return f"qml.StatePrep({amplitudes}, wires={list(wires)})"
        case Channel(wires):
            size = 2 ** len(wires)
            kraus = f"np.array({_entries(operation)}).reshape(-1, {size}, {size})"
            return f"qml.QubitChannel(completed({kraus}), wires={list(wires)})"
        case _:
            assert_never(operation)


def _entries(operation: Unitary | Prepare | Channel) -> str:
    imaginary: Sequence[Angle] = operation.imaginary or (0.0,) * len(operation.real)
    return f"[{', '.join(map(_entry, operation.real, imaginary))}]"


def _entry(real: Angle, imaginary: Angle) -> str:
    return _angle(real) if imaginary == 0.0 else f"{_angle(real)} + 1j * ({_angle(imaginary)})"


def _angle(angle: Angle) -> str:
    match angle:
        case Parameter(column, scale, offset):
            scaled = f"parameters[{column}]"
            scaled = scaled if scale == 1.0 else f"{float(scale)!r} * {scaled}"
            return scaled if offset == 0.0 else f"{scaled} + {float(offset)!r}"
        case number:
            return repr(float(number))


def _measurement(measurement: Measurement) -> str:
    match measurement:
        case Expectation(terms):
            return f"qml.expval({_observable(terms)})"
        case Variance(terms):
            return f"qml.var({_observable(terms)})"
        case Probabilities(wires):
            return f"qml.probs(wires={list(wires)})"
        case State():
            return "qml.state()"
        case DensityMatrix(wires):
            return f"qml.density_matrix(wires={list(wires)})"
        case Purity(wires):
            return f"qml.purity(wires={list(wires)})"
        case Entropy(wires, base):
            return f"qml.vn_entropy(wires={list(wires)}, log_base={base})"
        case MutualInformation(first, second, base):
            return f"qml.mutual_info({list(first)}, {list(second)}, log_base={base})"
        case _:
            assert_never(measurement)


def _observable(terms: tuple[PauliTerm, ...]) -> str:
    if len(terms) == 1 and terms[0].coefficient == 1.0:
        return _word(terms[0])
    coefficients = ", ".join(repr(float(term.coefficient)) for term in terms)
    return f"qml.Hamiltonian([{coefficients}], [{', '.join(map(_word, terms))}])"


def _word(term: PauliTerm) -> str:
    letters = zip(term.letters, term.wires, strict=True)
    return " @ ".join(f"qml.Pauli{letter}({wire})" for letter, wire in letters) or "qml.Identity(0)"
