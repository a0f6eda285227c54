"""OpenQASM 3 against its own definition: read back by two readers that share nothing with us."""

from __future__ import annotations

import ast
import math
import operator
import re

import msgspec
import numpy as np
import pytest
from hypothesis import given

from hybridx.circuit import GATES, Apply, Circuit, Expectation, Parameter, PauliTerm, parse
from hybridx.circuit.gate import Gate
from hybridx.circuit.gates import gate_of
from hybridx.circuit.qasm import to_qasm
from hybridx.errors import NoQasmError
from tests import circuits

MEASURED = (Expectation((PauliTerm(1.0, "Z", (0,)),)),)
ROUNDING = 1e-12  # float64, some hundred gates of at most 16 rows: measured 1e-14

# stdgates.inc in terms of U, gphase and modifiers, as the OpenQASM 3 specification has it (its
# roots `pow(1/2) @ z` and `pow(1/2) @ x` written out).
STDGATES = """
gate p(l) a { ctrl @ gphase(l) a; }
gate x a { U(pi, 0, pi) a; gphase(-pi/2); }
gate y a { U(pi, pi/2, pi/2) a; gphase(-pi/2); }
gate z a { p(pi) a; }
gate h a { U(pi/2, 0, pi) a; gphase(-pi/4); }
gate s a { p(pi/2) a; }
gate t a { p(pi/4) a; }
gate sx a { gphase(pi/4); rx(pi/2) a; }
gate rx(t) a { U(t, -pi/2, pi/2) a; gphase(-t/2); }
gate ry(t) a { U(t, 0, 0) a; gphase(-t/2); }
gate rz(l) a { gphase(-l/2); U(0, 0, l) a; }
gate id a { U(0, 0, 0) a; }
gate cx a, b { ctrl @ x a, b; }
gate cy a, b { ctrl @ y a, b; }
gate cz a, b { ctrl @ z a, b; }
gate cp(l) a, b { ctrl @ p(l) a, b; }
gate crx(t) a, b { ctrl @ rx(t) a, b; }
gate cry(t) a, b { ctrl @ ry(t) a, b; }
gate crz(t) a, b { ctrl @ rz(t) a, b; }
gate ch a, b { ctrl @ h a, b; }
gate swap a, b { cx a, b; cx b, a; cx a, b; }
gate ccx a, b, c { ctrl @ ctrl @ x a, b, c; }
gate cswap a, b, c { ctrl @ swap a, b, c; }
"""
DECLARED = re.compile(r"gate (\w+)(?:\(([^)]*)\))? ([^{]*)\{([^}]*)\}")
CALLED = re.compile(r"((?:(?:ctrl|negctrl|inv) @ )*)(\w+)(?:\((.*)\))?(?: ([\w\[\], ]+))?")
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def number(text, names):
    """The value of an expression of our subset."""

    def value(node):
        match node:
            case ast.Constant(v):
                return v
            case ast.Name(name):
                return names[name]
            case ast.UnaryOp(ast.USub(), operand):
                return -value(operand)
            case ast.BinOp(left, op, right):
                return OPERATORS[type(op)](value(left), value(right))
        raise AssertionError(ast.dump(node))

    return value(ast.parse(text, mode="eval").body)


def U(theta, phi, lam):  # noqa: N802  its name in OpenQASM
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    matrix = [
        [c, -np.exp(1j * lam) * s],
        [np.exp(1j * phi) * s, np.exp(1j * (phi + lam)) * c],
    ]
    return np.exp(0.5j * theta) * np.array(matrix)


def spread(matrix, places, wires):
    """The matrix on some of several wires; the first place is the most significant."""
    count = len(places)
    tensor = np.eye(2**wires, dtype=complex).reshape((2,) * wires + (-1,))
    small = matrix.reshape((2,) * (2 * count))
    moved = np.tensordot(small, tensor, axes=(range(count, 2 * count), places))
    return np.moveaxis(moved, range(count), places).reshape(2**wires, 2**wires)


class Reader:
    """An interpreter of the subset of OpenQASM 3 that `to_qasm` writes, from U and gphase up."""

    def __init__(self):
        self.gates = {}
        self.declare(STDGATES)

    def declare(self, text):
        for name, arguments, operands, body in DECLARED.findall(text):
            assert name not in self.gates, name
            self.gates[name] = (split(arguments), split(operands), body)

    def run(self, text, values=()):
        """The unitary of a program."""
        lines = re.sub(r"//.*", "", text).strip().splitlines()
        assert lines[:2] == ["OPENQASM 3.0;", 'include "stdgates.inc";']
        self.declare(text)
        rest = "\n".join(line for line in lines[2:] if not line.startswith("gate "))
        inputs = re.findall(r"input float\[64\] (\w+);", rest)
        (wires,) = map(int, re.findall(r"qubit\[(\d+)\] q;", rest))
        calls = re.sub(r"(input|qubit)[^;]*;", "", rest)
        names = dict(zip(inputs, values, strict=True))
        return self.body(calls, names, [f"q[{wire}]" for wire in range(wires)])

    def body(self, text, names, operands):
        total = np.eye(2 ** len(operands), dtype=complex)
        for statement in split(text, ";"):
            modifiers, name, arguments, on = CALLED.fullmatch(statement).groups()
            values = [number(a, {"pi": math.pi, **names}) for a in split(arguments)]
            places = [operands.index(operand) for operand in split(on)]
            assert len(set(places)) == len(places)
            words = split(modifiers.replace(" ", ""), "@")
            controls = sum(word != "inv" for word in words)
            matrix = self.gate(name, values, len(places) - controls)
            for word in reversed(words):
                matrix = modified(word, matrix)
            total = spread(matrix, places, len(operands)) @ total
        return total

    def gate(self, name, values, count):
        if name == "U":
            return U(*values)
        if name == "gphase":
            return np.exp(1j * values[0]) * np.eye(2**count)
        arguments, operands, body = self.gates[name]
        assert len(operands) == count
        return self.body(body, dict(zip(arguments, values, strict=True)), operands)


def modified(word, matrix):
    if word == "inv":
        return matrix.conj().T
    zero, one = np.zeros_like(matrix), np.eye(len(matrix))
    return np.block(
        [[one, zero], [zero, matrix]] if word == "ctrl" else [[matrix, zero], [zero, one]]
    )


def split(text, mark=","):
    return [part.strip() for part in (text or "").split(mark) if part.strip()]


def unitary(circuit, row=()):
    """What the rows of the gate table say of a circuit."""
    total = np.eye(2**circuit.wires, dtype=complex)
    for op in circuit.operations:
        angle = op.angle
        if isinstance(angle, Parameter):
            angle = angle.scale * row[angle.column] + angle.offset
        total = spread(gate_of(op).matrix(angle), op.controls + op.wires, circuit.wires) @ total
    return total


def forms(gate):
    """A gate plain, adjoint, and controlled in a mixed order: the circuits that probe it."""
    wires = tuple(range(gate.wires))[::-1]
    angle = Parameter(0, 2.0, -0.3) if gate.takes_angle else None
    controls = (gate.wires + 1, gate.wires)
    operations = (
        Apply(gate.name, wires, angle),
        Apply(gate.name, wires, angle, adjoint=True),
        Apply(gate.name, wires, angle, controls=controls, control_values=(True, False)),
        Apply(gate.name, wires, angle, True, controls[:1], (False,)),
    )
    return [Circuit(gate.wires + 2, 1, (operation,), MEASURED) for operation in operations]


def crowd(circuit):
    """How many wires the widest operation acts on."""
    return max(len(op.controls + op.wires) for op in circuit.operations)


every_gate = pytest.mark.parametrize("gate", GATES.values(), ids=lambda gate: gate.name)


@every_gate
@pytest.mark.parametrize("value", [0.0, 1.3, -4.0])
def test_every_gate_means_the_same_to_a_reader_of_the_specification(gate, value):
    for circuit in forms(gate):
        expected = unitary(circuit, (value,))
        for text, values in ((to_qasm(circuit), (value,)), (to_qasm(circuit, (value,)), ())):
            assert abs(Reader().run(text, values) - expected).max() < ROUNDING, text


@every_gate
def test_every_gate_means_the_same_to_qiskit(gate):
    pytest.importorskip("qiskit_qasm3_import")
    qasm3 = pytest.importorskip("qiskit.qasm3")
    from qiskit.quantum_info import Operator

    # Qiskit takes ten seconds for two controls on four wires; those the other reader reads.
    readable = [circuit for circuit in forms(gate) if crowd(circuit) < 6]
    assert len(readable) >= 3
    for circuit in readable:
        loaded = qasm3.loads(to_qasm(circuit))
        if loaded.parameters:
            loaded = loaded.assign_parameters([1.3])
        # Qiskit's first qubit is the least significant.
        found = Operator(loaded.reverse_bits()).data
        assert abs(found - unitary(circuit, (1.3,))).max() < 1e-8


@given(circuits.circuits(max_wires=3, max_gates=6))
def test_whole_circuits_mean_the_same(drawn):
    gates = tuple(op for op in drawn.operations if isinstance(op, Apply))
    circuit = msgspec.structs.replace(drawn, operations=gates)
    row = circuits.inputs(circuit, 1)[0]
    expected = unitary(circuit, row)
    assert abs(Reader().run(to_qasm(circuit), row) - expected).max() < ROUNDING
    assert abs(Reader().run(to_qasm(circuit, row)) - expected).max() < ROUNDING


def worked_out(gate, monkeypatch):
    """A row that has neither a name in stdgates.inc nor a rule."""
    monkeypatch.setattr("hybridx.circuit.qasm.GATES", {gate.name: gate})
    from hybridx.circuit.qasm import _declarations

    wires = tuple(range(gate.wires))
    (text,) = _declarations([Apply(gate.name, wires, 0.0 if gate.takes_angle else None)])
    reader = Reader()
    reader.declare(text)
    return lambda theta: reader.gate(f"hx_{gate.name.lower()}", theta, gate.wires)


def random_unitary(size, seed):
    rng = np.random.default_rng(seed)
    entries = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    return np.linalg.qr(entries)[0]


@pytest.mark.parametrize("wires", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_any_fixed_gate_is_synthesized(wires, seed, monkeypatch):
    matrix = random_unitary(2**wires, seed)
    run = worked_out(Gate("New", wires, matrix), monkeypatch)
    assert abs(run([]) - matrix).max() < ROUNDING


@pytest.mark.parametrize("wires", [1, 2, 3])
@pytest.mark.parametrize("start", [False, True])
def test_any_gate_with_an_angle_is_synthesized(wires, start, monkeypatch):
    """C + cos A + sin B of a random reflection on a part of the states, with and without U(0)."""
    size = 2**wires
    basis = random_unitary(size, 5)
    moved = basis * np.array([1.0, -1.0] + [0.0] * (size - 2)) @ basis.conj().T
    support = moved @ moved
    first = random_unitary(size, 6) if start else np.eye(size)
    terms = [term @ first for term in (np.eye(size) - support, support, -1j * moved)]
    gate = Gate("New", wires, *terms, rate=0.5)
    run = worked_out(gate, monkeypatch)
    for theta in (0.0, 1.1, -5.0):
        assert abs(run([theta]) - gate.matrix(theta)).max() < ROUNDING


@pytest.mark.parametrize(
    "name",
    [
        "SingleExcitation",
        "SingleExcitationPlus",
        "SingleExcitationMinus",
        "FermionicSWAP",
        "DoubleExcitation",
        "DoubleExcitationPlus",
        "DoubleExcitationMinus",
        "IsingXY",
        "PSWAP",
        "CPhaseShift00",
        "CPhaseShift01",
        "CPhaseShift10",
    ],
)
def test_rows_of_pennylane_beyond_the_table(name, monkeypatch):
    qml = pytest.importorskip("pennylane")
    matrix = getattr(qml, name).compute_matrix
    rate = 1.0 if name in ("FermionicSWAP", "PSWAP") or "Phase" in name else 0.5
    # Three angles decide the three matrices of C + cos A + sin B.
    thetas = np.array([0.0, 1.0, 2.0])
    form = np.stack([np.ones(3), np.cos(rate * thetas), np.sin(rate * thetas)], axis=1)
    samples = np.stack([np.asarray(matrix(theta), dtype=complex) for theta in thetas])
    terms = np.einsum("ij,jab->iab", np.linalg.inv(form), samples)
    gate = Gate(name, len(terms[0]).bit_length() - 1, *terms, rate=rate)
    run = worked_out(gate, monkeypatch)
    for theta in (0.4, -3.0):
        assert abs(run([theta]) - matrix(theta)).max() < ROUNDING


def test_a_row_of_another_form_is_refused(monkeypatch):
    nothing = np.zeros((2, 2), dtype=complex)
    with pytest.raises(NoQasmError) as caught:
        worked_out(Gate("New", 1, nothing, np.eye(2), np.eye(2)), monkeypatch)
    assert caught.value.operation == "New"


def test_an_operation_that_is_no_gate_is_refused():
    from hybridx.circuit import Prepare

    circuit = Circuit(1, 0, (Prepare((0,), (1.0, 0.0)),), MEASURED)
    with pytest.raises(NoQasmError) as caught:
        to_qasm(circuit)
    assert caught.value.operation == "Prepare"


def test_the_text_of_a_program():
    text = to_qasm(
        parse(
            "RX 2 (2.0*p[1] + -0.5); ctrl[1, !0] adj T 2; IsingZZ 0 1 1e-08; "
            "expval Z0; expval 0.5*X0@Y1"
        )
    )
    assert (
        text
        == """\
OPENQASM 3.0;
include "stdgates.inc";
gate hx_isingzz(theta) a, b { cx a, b; rz(theta) b; cx a, b; }
input float[64] p0;
input float[64] p1;
qubit[3] q;
rx(2.0 * p1 + -0.5) q[2];
ctrl @ negctrl @ inv @ t q[1], q[0], q[2];
hx_isingzz(1e-08) q[0], q[1];
// expval Z0
// expval 0.5*X0@Y1
"""
    )


def test_numbers_are_counted():
    with pytest.raises(ValueError, match="1 numbers for 2"):
        to_qasm(parse("RX 0 p[1]; expval Z0"), (0.1,))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ctrl @ negctrl", "negctrl @ ctrl"),
        ("inv @ ", ""),
        ("q[0], q[2]", "q[2], q[0]"),
        ("rx(p0)", "rx(-p0)"),
    ],
)
def test_the_reader_sees_what_is_wrong(old, new):
    circuit = parse("RX 2 p[0]; ctrl[1, !0] adj T 2; expval Z0")
    text = to_qasm(circuit)
    assert old in text
    assert abs(Reader().run(text.replace(old, new), (0.7,)) - unitary(circuit, (0.7,))).max() > 0.1
