"""Complex numbers as pairs of real ones: every rule equals torch, in the graph and in the file."""

from __future__ import annotations

import math

import numpy as np
import onnxruntime
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture import quiet
from hybridx.capture.graph.complex_to_real import InPairs, has_complex
from hybridx.capture.graph.matrix_functions import MATRIX_DECOMPOSITIONS, cdist, real_matrix_exp
from hybridx.errors import ComplexOperatorError
from tests.sampling import some

# The same arithmetic in another order, on numbers of order one to ten.
ROUNDED = {torch.float32: 2e-5, torch.float64: 1e-13}

BATCHES = (1, 2, 5)
SIDE = 3
ASSERTION = torch.ops.aten._assert_tensor_metadata.default


def constant(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.complex64, generator=generator)


MATRIX = constant(SIDE, SIDE)
VECTOR = constant(SIDE, seed=2)
PAULI = torch.tensor([[0, 1], [1, 0]], dtype=torch.complex64)


def filled_buffer(z):
    out = torch.zeros(z.shape[0], SIDE, 2, dtype=z.dtype)
    out[:, :, 0] = z[:, 0]
    out[:, 1, 1] = 2.0
    return out


# `z` is complex, shape (batch, 3, 3); `x` is its real part.
CASES = {
    "sum, difference and product": lambda z, x: (z + 2j) * z - z * x - (1 - z) * 3,
    "a scaled difference": lambda z, x: torch.add(z, x, alpha=2) - torch.sub(x, z, alpha=0.5),
    "quotient": lambda z, x: z / (2 + z * z) + x / (z + 4j) + 1 / (z + 5) + z / 2j + z / (2 + x**2),
    "modulus and its square": lambda z, x: z.abs() + z.abs() ** 2 - (z * z.conj()).real,
    "argument": lambda z, x: torch.angle(z) + torch.angle(z.conj() * 1j),
    "argument of real numbers": lambda z, x: torch.angle(x.to(z.dtype)),
    "argument of zero": lambda z, x: torch.angle(z - z) + z.real,
    "sign": lambda z, x: torch.sgn(z) + torch.sgn(z * 0),
    "exponential": lambda z, x: torch.exp(1j * x) + torch.exp(z) + torch.exp(-0.5j * x),
    "exponential of a real number": lambda z, x: torch.exp(x.to(z.dtype)),
    "logarithm": lambda z, x: torch.log(z),
    "powers": lambda z, x: z**2 + z**3 + (z + 3) ** -1 + z**0.5 + z**0 + z**1.5 + z**1j,
    "powers of a number": lambda z, x: 2**z + (x * x + 1) ** (1j + z * 0),
    "square root": lambda z, x: torch.sqrt(z) + torch.rsqrt(z) + torch.sqrt(z * z),
    "square root of negative numbers": lambda z, x: torch.sqrt((-x * x).to(z.dtype)),
    "circular functions": lambda z, x: torch.sin(z) + torch.cos(z) + torch.tan(z + 3j),
    "hyperbolic functions": lambda z, x: torch.sinh(z) + torch.cosh(z) + torch.tanh(z + 3),
    "sigmoid": lambda z, x: torch.sigmoid(z + 3),
    "reciprocal and square": lambda z, x: torch.reciprocal(z + 4) + torch.square(z),
    "parts": lambda z, x: z.real + 2 * z.imag + torch.view_as_real(z).sum(-1),
    "a view as complex numbers": lambda z, x: torch.view_as_complex(x[..., :2].contiguous()) * 1j,
    "from parts": lambda z, x: torch.complex(x, x.mT) * z,
    "from length and angle": lambda z, x: torch.polar(x.abs(), x),
    "casts": lambda z, x: z.to(torch.complex128).to(z.dtype) + x.to(z.dtype) + x.cfloat(),
    "products of matrices": lambda z, x: z @ z.mH @ MATRIX.to(z.dtype) @ x.to(z.dtype),
    "matrix and vector": lambda z, x: (z @ VECTOR.to(z.dtype)) * torch.mv(z[0], z[0, 0]),
    "a sum with a product": lambda z, x: torch.addmm(z[0], z[0], x[0].to(z), beta=2, alpha=3),
    "batched sum with a product": lambda z, x: torch.baddbmm(z, z, z, alpha=0.5),
    "inner products": lambda z, x: torch.vdot(z[0, 0], z[0, 1]) + torch.dot(z[0, 0], z[0, 1]),
    "einsum": lambda z, x: torch.einsum("bij,bkj->bik", z, z.conj()),
    "trace": lambda z, x: torch.einsum("bii->b", z) + z.diagonal(dim1=1, dim2=2).sum(-1),
    "kronecker product": lambda z, x: torch.kron(PAULI.to(z.dtype), z[0]),
    "a real constant": lambda z, x: z[:, :2, :2] @ PAULI.to(z.dtype),
    "reductions": lambda z, x: z.sum() + z.mean(1) + z.sum((1, 2), keepdim=True)[:, 0] + z.prod(2),
    "product of all": lambda z, x: z[0].prod() + z[:, 0].cumsum(-1).prod(-1, keepdim=True),
    "variance": lambda z, x: z.var(-1) + z.std(1),
    "norms": lambda z, x: z / torch.linalg.vector_norm(z, dim=2, keepdim=True),
    "other norms": lambda z, x: z.norm(3, dim=1) + torch.linalg.matrix_norm(z)[:, None],
    "movement": lambda z, x: z.mT.flip(1).roll(1, 2).reshape(-1, 9)[:, ::2].unsqueeze(1).squeeze(1),
    "movement of many": lambda z, x: torch.cat([torch.stack(z.unbind(1)[::-1], 1), x.to(z)], 1),
    "repetition": lambda z, x: z[:, :1].expand(-1, 4, -1).repeat(1, 1, 2).permute(2, 0, 1),
    "triangles and padding": lambda z, x: nn.functional.pad(z.tril() + 2 * z.triu(), (1, 2)),
    "selection": lambda z, x: torch.where(x > 0, z, 1j) + torch.where(x > 1, x, z),
    "masks": lambda z, x: z.masked_fill(x > 0, 2.0),
    "indices": lambda z, x: z[:, [2, 0]] + z.index_select(1, torch.tensor([1, 1])),
    "gathering": lambda z, x: z.gather(1, (x > 0).long()),
    "a buffer that is filled": lambda z, x: filled_buffer(z),
    "new tensors": lambda z, x: z + torch.ones_like(z) + torch.full_like(z, 2j) + z.new_zeros(3),
    "identity": lambda z, x: z + torch.eye(3, dtype=z.dtype) * 2j + torch.full((3,), 1 + 1j),
    "comparison": lambda z, x: (z == z.conj()).to(x.dtype) + (z != x).to(x.dtype),
    "tests": lambda z, x: z.isnan().any().to(x.dtype) + z.isfinite().to(x.dtype),
    "matrix exponential": lambda z, x: torch.linalg.matrix_exp(-1j * (z + z.mH)),
    "real matrix exponential": lambda z, x: torch.linalg.matrix_exp(x - x.mT) + z,
    "adjoint and conjugate": lambda z, x: z.adjoint().resolve_conj() + torch.conj_physical(z),
    "products of elements": lambda z, x: z.addcmul(z, z, value=2) + z.addcdiv(z, z + 4),
    "a real number only": lambda z, x: x.to(z.dtype),
}  # fmt: skip


class Of(nn.Module):
    """A function of a complex tensor that is made of the input."""

    def __init__(self, *functions):
        super().__init__()
        self.functions = functions
        self.turn = nn.Parameter(torch.tensor(0.7))

    def forward(self, x):
        z = torch.complex(x[:, 0], x[:, 1])
        return tuple(function(z, z.real) for function in self.functions)


def inputs(count, dtype):
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, 2, SIDE, SIDE, dtype=dtype, generator=generator)


def in_pairs(model, example):
    """Return a model as a graph without complex tensors, for any batch."""
    shapes = ({0: torch.export.Dim("batch")},)
    with quiet():
        program = torch.export.export(model, (example,), dynamic_shapes=shapes, strict=False)
        table = torch.export.default_decompositions()
        table.update(MATRIX_DECOMPOSITIONS)
        graph = program.run_decompositions(table).module(check_guards=False)
        for node in graph.graph.find_nodes(op="call_function", target=ASSERTION):
            graph.graph.erase_node(node)
        pairs = InPairs(graph)
        program = torch.export.export(pairs, (example,), dynamic_shapes=(shapes,), strict=False)
    return program.module(check_guards=False)


def as_real(tensor):
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def assert_same(actual, expected, dtype):
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    scale = max(1.0, float(expected.abs().max()))
    assert float((actual - expected).abs().max()) < ROUNDED[dtype] * scale


@pytest.mark.parametrize("name", some(CASES, every=4))
def test_a_rule_equals_torch(name):
    model = Of(CASES[name])
    graph = in_pairs(model, inputs(3, torch.float32))
    assert not has_complex(graph)
    for count in BATCHES:
        x = inputs(count, torch.float32)
        with torch.no_grad():
            assert_same(graph(x)[0], as_real(model(x)[0]), torch.float32)


# Together they use every ONNX operator that the rules write.
IN_A_FILE = (
    "quotient", "argument", "sign", "exponential", "powers", "square root", "circular functions",
    "hyperbolic functions", "einsum", "variance", "norms", "selection", "movement of many",
    "a buffer that is filled", "matrix exponential",
)  # fmt: skip


def test_rules_hold_in_a_file(tmp_path):
    """ONNX Runtime has a kernel for all that the rules write, also in float64."""
    dtype = torch.float64
    model = Of(*(CASES[name] for name in IN_A_FILE))
    path = tmp_path / "model.onnx"
    hybridx.export(model, (inputs(3, dtype),), path, dtype="float64")
    session = onnxruntime.InferenceSession(path.read_bytes())
    for count in BATCHES:
        x = inputs(count, dtype)
        returned = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        for actual, expected in zip(returned, model(x), strict=True):
            assert_same(torch.from_numpy(actual), as_real(expected.detach()), dtype)


def test_a_part_that_is_taken_is_the_tensor_it_was_made_of():
    """Circuits find the columns of their angles behind `.real` and `.imag`."""
    graph = in_pairs(Of(lambda z, x: (z.mT.real, z.imag[:, 0])), inputs(3, torch.float32))
    graph.graph.eliminate_dead_code()
    targets = {str(node.target) for node in graph.graph.nodes if node.op == "call_function"}
    moves = ("select.int", "slice.Tensor", "permute.default", "transpose.int")
    assert targets <= {f"aten.{name}" for name in moves}


def test_an_operation_without_a_rule_is_named(tmp_path):
    model = Of(lambda z, x: torch.linalg.svdvals(z))
    with pytest.raises(ComplexOperatorError) as caught:
        hybridx.export(model, (inputs(3, torch.float32),), tmp_path / "model.onnx")
    assert caught.value.operator == "torch.linalg.svdvals"
    assert caught.value.place == f"{__file__}:{Of.forward.__code__.co_firstlineno + 2}"


def test_a_wrong_rule_is_seen(monkeypatch):
    monkeypatch.setattr("hybridx.capture.graph.complex_arithmetic.plus", lambda left, right: left)
    with pytest.raises(AssertionError):
        test_a_rule_equals_torch("sum, difference and product")


# --- matrices ------------------------------------------------------------------------------------


def turned(size, norm, seed):
    """Return a skew-symmetric matrix of that norm, and its exponential by eigenvalues."""
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(size, size, dtype=torch.float64, generator=generator)
    A = A - A.T
    A = A * (norm / torch.linalg.matrix_norm(A, 2))
    values, vectors = torch.linalg.eigh(1j * A)
    return A, (vectors * torch.exp(-1j * values) @ vectors.mH).real


@pytest.mark.parametrize(
    ("norm", "dtype", "bound"),
    [
        (0.01, torch.float64, 1e-13),
        (2 * math.pi, torch.float64, 1e-13),
        (64, torch.float64, 1e-13),
        (0.01, torch.float32, 1e-6),
        (2 * math.pi, torch.float32, 1e-6),
        (64, torch.float32, 5e-6),
    ],
)
def test_the_matrix_exponential_keeps_its_promise(norm, dtype, bound):
    for size in (2, 4, 8):
        A, expected = turned(size, norm, seed=size)
        actual = real_matrix_exp(A.to(dtype)).double()
        assert torch.linalg.matrix_norm(actual - expected, 2) < bound


def test_the_exponential_of_a_decaying_matrix_keeps_its_digits():
    A = torch.diag(torch.tensor([-30.0, -31.0, -32.0], dtype=torch.float64))
    expected = torch.diag(torch.exp(A.diagonal()))
    assert ((real_matrix_exp(A) - expected).abs().max() / expected.max()) < 1e-13


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, math.inf])
def test_distances_agree_with_torch(p):
    left, right = torch.rand(2, 30, 4), torch.rand(2, 5, 4)
    assert (cdist(left, right, p) - torch.cdist(left, right, p)).abs().max() < 1e-5


# --- with circuits -------------------------------------------------------------------------------


def device():
    return qml.device("default.qubit", wires=2)


class Fidelity(nn.Module):
    """The overlap of two states, and its phase."""

    def __init__(self):
        super().__init__()
        self.reference = nn.Parameter(torch.tensor([0.3, -0.8]))

        @qml.qnode(device())
        def circuit(x):
            qml.AngleEmbedding(x, wires=range(2))
            qml.CRY(x[..., 0], wires=[0, 1])
            return qml.state()

        self.circuit = circuit

    def forward(self, x):
        overlap = (self.circuit(x) * self.circuit(x + self.reference).conj()).sum(-1)
        return overlap.abs() ** 2, torch.angle(overlap)


class Evolution(nn.Module):
    """exp(-iH) of a Hermitian matrix, one for each row, in a circuit, and its mean energy."""

    def __init__(self):
        super().__init__()
        self.register_buffer("coupling", constant(4, 4, seed=3))

        @qml.qnode(device())
        def circuit(U):
            qml.Hadamard(wires=0)
            qml.QubitUnitary(U, wires=[0, 1])
            return qml.state()

        self.circuit = circuit

    def forward(self, x):
        energies = []
        for row in x:
            H = torch.diag(row).to(torch.complex64) + self.coupling + self.coupling.mH
            psi = self.circuit(torch.linalg.matrix_exp(-1j * H).to(torch.complex128))
            energies.append(torch.vdot(psi, H.to(psi.dtype) @ psi).real)
        return torch.stack(energies)


class Phases(nn.Module):
    """Amplitudes with phases go in twice, the second time conjugated; a complex output."""

    def __init__(self):
        super().__init__()

        @qml.qnode(device())
        def circuit(psi, angle):
            qml.StatePrep(psi, wires=range(2))
            qml.RY(angle, wires=0)
            return qml.density_matrix(wires=[0])

        self.circuit = circuit

    def forward(self, x):
        rows = []
        for row in x:
            psi = torch.polar(torch.full_like(row, 0.5), row).to(torch.complex128)
            rows.append(self.circuit(psi, row[0]) @ self.circuit(psi.conj(), row[1]))
        return torch.stack(rows)


class Fed(nn.Module):
    """Angles are real parts, imaginary parts and arguments of a complex layer's outputs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2, dtype=torch.complex64)

        @qml.qnode(device())
        def circuit(z):
            qml.AngleEmbedding(z.real, wires=range(2))
            qml.AngleEmbedding(torch.angle(z), wires=range(2), rotation="Y")
            qml.AngleEmbedding(z.imag, wires=range(2), rotation="X")
            return qml.probs(wires=range(2))

        self.circuit = circuit

    def forward(self, x):
        return self.circuit(self.layer(x.to(torch.complex64)))


@pytest.mark.parametrize("kind", [Fidelity, Evolution, Phases, Fed])
def test_a_model_with_circuits_exports_with_an_open_batch(kind, tmp_path):
    torch.manual_seed(4)
    model = kind().eval()
    size = 2 if kind is Fidelity else 4
    path = tmp_path / "model.onnx"
    report = hybridx.export(model, (torch.rand(3, size),), path)
    assert report.is_dynamic
    session = onnxruntime.InferenceSession(path.read_bytes())
    for count in BATCHES:
        x = torch.rand(count, size)
        with torch.no_grad():
            returned = model(x)
        expected = returned if isinstance(returned, tuple) else (returned,)
        actual = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_allclose(one, as_real(other).numpy(), rtol=0, atol=1e-5)
