"""Circuits as OpenQASM 3, for people and other tools.

Gates that `stdgates.inc` has are called by their names there. Every other gate is declared: by its
rule in `RULES`, or else by statements that are computed from its matrix. Both are exact and include
the global phase, because it matters once a gate is controlled. Wire 0 is `q[0]`. OpenQASM has no
observables, so measurements are comments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec
import numpy as np

from hybridx.circuit.check import check
from hybridx.circuit.circuit import (
    Angle,
    Apply,
    Circuit,
    Operation,
    Parameter,
    name_derivative,
)
from hybridx.circuit.gate import Gate, Matrix
from hybridx.circuit.gates import GATES
from hybridx.circuit.text import show
from hybridx.errors import NoQasmError

# Gates that stdgates.inc has, with the same matrix.
STANDARD: Mapping[str, str] = MappingProxyType(
    {
        "Identity": "id",
        "PauliX": "x",
        "PauliY": "y",
        "PauliZ": "z",
        "Hadamard": "h",
        "S": "s",
        "T": "t",
        "SX": "sx",
        "CNOT": "cx",
        "CY": "cy",
        "CZ": "cz",
        "CH": "ch",
        "SWAP": "swap",
        "Toffoli": "ccx",
        "CSWAP": "cswap",
        "RX": "rx",
        "RY": "ry",
        "RZ": "rz",
        "PhaseShift": "p",
        "CRX": "crx",
        "CRY": "cry",
        "CRZ": "crz",
        "ControlledPhaseShift": "cp",
    }
)

# Declarations of others, on the operands a, b, c with the angle `theta`.
RULES: Mapping[str, str] = MappingProxyType(
    {
        "ISWAP": "s a; s b; h a; cx a, b; cx b, a; h b;",
        "CCZ": "ctrl @ cz a, b, c;",
        "IsingXX": "h a; h b; cx a, b; rz(theta) b; cx a, b; h a; h b;",
        "IsingYY": (
            "rx(pi/2) a; rx(pi/2) b; cx a, b; rz(theta) b; cx a, b; rx(-pi/2) a; rx(-pi/2) b;"
        ),
        "IsingZZ": "cx a, b; rz(theta) b; cx a, b;",
        "IsingXY": "cx b, a; crx(-theta) a, b; cx b, a;",
        "PSWAP": "swap a, b; cx a, b; p(theta) b; cx a, b;",
        "CPhaseShift00": "x a; x b; cp(theta) a, b; x a; x b;",
        "CPhaseShift01": "x a; cp(theta) a, b; x a;",
        "CPhaseShift10": "x b; cp(theta) a, b; x b;",
        "SingleExcitation": "cx b, a; cry(-theta) a, b; cx b, a;",
    }
)

_OPERANDS = "abcdefgh"
_EXACT = 1e-12  # far above rounding errors of 16 x 16 matrices, far below any angle that is used


def to_qasm(circuit: Circuit, parameters: Sequence[float] | None = None) -> str:
    """Return a circuit as an OpenQASM 3 program.

    Args:
        circuit: a well-formed circuit.
        parameters: a number for each column, which is written instead of it. Without numbers, the
            columns are declared as the inputs `p0`, `p1`, ….

    Raises:
        IllFormedCircuitError: the circuit breaks a law.
        NoQasmError: OpenQASM 3 has no form for one of its operations, or for a derivative.
        ValueError: the circuit has more or fewer columns than there are numbers.

    Example:
        >>> from hybridx.circuit import parse
        >>> print(to_qasm(parse("RX 0 p[0]; ctrl[!0] adj S 1; expval Z1")))
        OPENQASM 3.0;
        include "stdgates.inc";
        input float[64] p0;
        qubit[2] q;
        rx(p0) q[0];
        negctrl @ inv @ s q[0], q[1];
        // expval Z1
        <BLANKLINE>
    """
    check(circuit)
    if circuit.derivative:
        raise NoQasmError(f"the {name_derivative(circuit)} of a circuit")
    if parameters is not None and len(parameters) != circuit.parameters:
        raise ValueError(f"{len(parameters)} numbers for {circuit.parameters} parameters")
    calls = [_call(operation, parameters) for operation in circuit.operations]
    inputs = range(circuit.parameters if parameters is None else 0)
    lines = [
        "OPENQASM 3.0;",
        'include "stdgates.inc";',
        *_declarations(circuit.operations),
        *(f"input float[64] p{column};" for column in inputs),
        f"qubit[{circuit.wires}] q;",
        *calls,
        *_measurements(circuit),
    ]
    return "\n".join(lines) + "\n"


def _call(operation: Operation, parameters: Sequence[float] | None) -> str:
    match operation:
        case Apply(gate, wires, angle, adjoint, controls, values):
            modifiers = ["ctrl @ " if value else "negctrl @ " for value in values]
            modifiers += ["inv @ "] if adjoint else []
            argument = "" if angle is None else f"({_angle(angle, parameters)})"
            operands = ", ".join(f"q[{wire}]" for wire in controls + wires)
            return f"{''.join(modifiers)}{_name(gate)}{argument} {operands};"
        case other:
            raise NoQasmError(type(other).__name__)


def _angle(angle: Angle, parameters: Sequence[float] | None) -> str:
    match angle:
        case Parameter(column, scale, offset) if parameters is not None:
            return repr(float(scale * parameters[column] + offset))
        case Parameter(column, scale, offset):
            scaled = f"p{column}" if scale == 1.0 else f"{scale!r} * p{column}"
            return scaled if offset == 0.0 else f"{scaled} + {offset!r}"
        case number:
            return repr(float(number))


def _measurements(circuit: Circuit) -> Iterator[str]:
    bare = msgspec.structs.replace(circuit, parameters=0, operations=())
    for statement in show(bare).split("; "):
        if not statement.startswith("wires "):
            yield f"// {statement}"


def _name(gate: str) -> str:
    # `hx_` keeps our declarations clear of the names of every include file and tool.
    return STANDARD.get(gate) or f"hx_{gate.lower()}"


def _declarations(operations: Iterable[Operation]) -> Iterator[str]:
    """Yield one declaration for each gate that stdgates.inc lacks, in the order of their use."""
    used = dict.fromkeys(op.gate for op in operations if isinstance(op, Apply))
    for gate in (GATES[name] for name in used if name not in STANDARD):
        angle = "(theta)" if gate.takes_angle else ""
        operands = ", ".join(_OPERANDS[: gate.wires])
        body = RULES.get(gate.name) or " ".join(_synthesize(gate))
        yield f"gate {_name(gate.name)}{angle} {operands} {{ {body} }}"


# --- a gate from its matrix ----------------------------------------------------------------------


def _synthesize(gate: Gate) -> Iterator[str]:
    """Yield statements for U(theta) = V diag(exp(-i theta e_j)) V^dagger U(0).

    Every gate whose U(theta) U(0)^dagger is a group in theta has this form: its generator
    G = i U'(0) U(0)^dagger is Hermitian, with eigenvalues e and eigenvectors V.
    """
    if gate.cosine is None or gate.sine is None:
        yield from _unitary(gate.constant)
        return
    start = gate.matrix(0.0)
    generator = 1j * gate.rate * gate.sine @ start.conj().T
    values, vectors = _eigen(generator)
    for theta in (0.7, -2.0, 5.0):
        turned = (vectors * np.exp(-1j * theta * values)) @ vectors.conj().T @ start
        if np.abs(turned - gate.matrix(theta)).max() > _EXACT:
            raise NoQasmError(gate.name)
    yield from _unitary(start)
    yield from _unitary(vectors.conj().T)
    yield from _diagonal([_multiple(-value) for value in values])
    yield from _unitary(vectors)


def _eigen(hermitian: Matrix) -> tuple[np.ndarray, Matrix]:
    """Return eigenvalues and eigenvectors; a basis state that is an eigenvector is kept as one."""
    values = np.diag(hermitian).real.copy()
    vectors = np.eye(len(hermitian), dtype=np.complex128)
    mixed = np.flatnonzero(np.abs(hermitian - np.diag(np.diag(hermitian))).max(axis=0) > _EXACT)
    block = np.ix_(mixed, mixed)
    values[mixed], vectors[block] = np.linalg.eigh(hermitian[block])
    return values, vectors


def _multiple(factor: float) -> str:
    """Return `factor * theta` as text, or nothing if it is zero."""
    return f"{float(round(factor, 12))!r} * theta" if abs(factor) > _EXACT else ""


def _unitary(matrix: Matrix) -> Iterator[str]:
    """Yield statements for a constant unitary: phases, then rotations of two basis states each.

    Givens rotations make the matrix diagonal; their inverses in reverse order give it back.
    """
    rest = matrix.astype(np.complex128)
    undo: list[tuple[int, int, Matrix]] = []
    for column in range(len(rest)):
        for row in range(column + 1, len(rest)):
            above, below = rest[column, column], rest[row, column]
            if abs(below) < _EXACT:
                continue
            length = np.hypot(abs(above), abs(below))
            rotation = np.array([[above.conj(), below.conj()], [-below, above]]) / length
            rest[[column, row]] = rotation @ rest[[column, row]]
            undo.append((column, row, rotation.conj().T))
    phases = np.angle(np.diag(rest))
    yield from _diagonal([repr(float(p)) if abs(p) > _EXACT else "" for p in phases])
    for first, second, rotation in reversed(undo):
        yield from _rotation(first, second, rotation, len(rest).bit_length() - 1)


def _rotation(first: int, second: int, rotation: Matrix, wires: int) -> Iterator[str]:
    """Yield statements that apply `rotation`, of determinant one, to two basis states.

    CNOTs from one wire on which the two states differ make them equal on all others. The rotation
    then acts on that wire, as Rz Ry Rz controlled by all others.
    """
    bits = [_bits(state, wires) for state in (first, second)]
    differing = [wire for wire in range(wires) if bits[0][wire] != bits[1][wire]]
    pivot, *others = differing
    if bits[0][pivot]:
        bits.reverse()
        rotation = rotation[::-1, ::-1]
    moves = [f"cx {_OPERANDS[pivot]}, {_OPERANDS[other]};" for other in others]
    p, q = rotation[:, 0]
    total, difference = -2 * np.angle(p), 2 * np.angle(q)
    if abs(p) < _EXACT:
        total = difference
    elif abs(q) < _EXACT:
        difference = total
    controls = [(wire, bits[0][wire]) for wire in range(wires) if wire != pivot]
    angles = (
        ("rz", (total - difference) / 2),
        ("ry", 2 * np.arctan2(abs(q), abs(p))),
        ("rz", (total + difference) / 2),
    )
    yield from moves
    for name, angle in angles:
        if abs(angle) > _EXACT:
            yield _controlled(f"{name}({float(angle)!r})", controls, (pivot,))
    yield from reversed(moves)


def _diagonal(phases: Sequence[str]) -> Iterator[str]:
    """Yield statements for diag(exp(i phase)); phases are text, and empty if they are zero."""
    if len(set(phases)) == 1:
        yield from (f"gphase({phase});" for phase in phases[:1] if phase)
        return
    wires = len(phases).bit_length() - 1
    for state, phase in enumerate(phases):
        if not phase:
            continue
        *controls, (last, value) = enumerate(_bits(state, wires))
        flip = [] if value else [f"x {_OPERANDS[last]};"]
        yield from flip
        yield _controlled(f"p({phase})", controls, (last,))
        yield from flip


def _controlled(gate: str, controls: Sequence[tuple[int, bool]], wires: tuple[int, ...]) -> str:
    modifiers = "".join("ctrl @ " if value else "negctrl @ " for _, value in controls)
    operands = ", ".join(_OPERANDS[wire] for wire in (*(wire for wire, _ in controls), *wires))
    return f"{modifiers}{gate} {operands};"


def _bits(state: int, wires: int) -> tuple[bool, ...]:
    return tuple(bool(state >> place & 1) for place in reversed(range(wires)))
