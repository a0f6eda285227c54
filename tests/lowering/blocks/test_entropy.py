"""Entropies: states whose entropy is known, and random ones against both sources."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from onnx import TensorProto, helper

from hybridx.circuit import parse, simulate
from hybridx.lowering import choose
from hybridx.lowering.blocks import entropy
from hybridx.program import Builder, run
from hybridx.program.to_onnx import emit_body
from hybridx.program.to_torch import emit_module
from tests import pennylane_oracle
from tests.circuits import circuits, entropies, inputs
from tests.lowering.agreement import assert_agrees, plans_of
from tests.program.test_vjp import assert_gradients

# Rounding of 1e-16 in an eigenvalue near zero is 4e-15 in x log x.
EXACT = 1e-12
NARROW = 1e-5  # measured 1.4e-6 on 8 x 8 in float32

DAMPED = "channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]"
BELL = "Hadamard 0; CNOT 0 1"


@settings(max_examples=60, deadline=None)
@given(circuits(measured=entropies))
def test_entropies_agree_with_both_sources(circuit):
    parameters = inputs(circuit, batch=2)
    expected = simulate(circuit, parameters)
    # PennyLane counts eigenvalues of -1e-16 otherwise than we do.
    np.testing.assert_allclose(pennylane_oracle.simulate(circuit, parameters), expected, atol=EXACT)
    assert_agrees(circuit)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RX 0 0.3; RY 1 0.4; entropy 0; entropy 0 1; mutual 0 | 1", [0, 0, 0]),
        (f"{BELL}; entropy 0; entropy 1 base 2.0; entropy 0 1", [np.log(2), 1, 0]),
        (f"{BELL}; mutual 0 | 1; mutual 1 | 0 base 2.0", [2 * np.log(2), 2]),
        (f"{BELL}; CNOT 1 2; mutual 0 | 1 base 2.0; mutual 0 | 1 2 base 2.0", [1, 2]),
        (f"{BELL}; Hadamard 2; CNOT 2 3; entropy 0 2 base 2.0; entropy 0 1 2 base 2.0", [2, 1]),
        (f"{BELL}; channel 0 [0.5, 0, 0, 0.5, 0, 0.5, 0.5, 0, 0.5, 0, 0, -0.5, 0, 0.5, -0.5, 0];"
         "entropy 0 1 base 2.0; mutual 0 | 1", [2, 0]),
        (f"RX 1 0.2; {DAMPED}; entropy 0; entropy 0 1; mutual 0 | 1", [0, 0, 0]),
    ],
)  # fmt: skip
def test_known_states_have_known_entropies(text, expected):
    circuit = parse(text)
    parameters = np.zeros((1, 0))
    np.testing.assert_allclose(simulate(circuit, parameters), [expected], atol=EXACT)
    for plan in plans_of(circuit).values():
        program = plan.build()
        np.testing.assert_allclose(run(program, parameters), [expected], atol=EXACT)
        narrow = run(program, parameters.astype(np.float32))
        np.testing.assert_allclose(narrow, [expected], atol=NARROW)


def matrices(size, count):
    """Density matrices in random, real and trivial bases: mixed, degenerate, singular, pure."""
    rng = np.random.default_rng(size)
    spectra = (
        lambda: rng.dirichlet(np.ones(size)),
        lambda: np.ones(size),
        lambda: np.eye(size)[0],
        lambda: 10.0 ** -rng.uniform(0, 14, size),
        lambda: np.repeat(rng.dirichlet(np.ones(size // 2)), 2),
        lambda: 1 + 1e-7 * rng.standard_normal(size),
        lambda: np.r_[1 - 1e-5, 1e-5, np.zeros(size - 2)],
    )
    for index in range(count):
        values = spectra[index % len(spectra)]()
        basis = rng.standard_normal((2, size, size))
        basis[1] *= index % 3 > 0
        Q = np.eye(size) if index % 5 == 0 else np.linalg.qr(basis[0] + 1j * basis[1])[0]
        yield (Q * (values / values.sum())) @ Q.conj().T


@pytest.mark.parametrize("wires", [1, 2, 3])
def test_fixed_rotations_find_every_spectrum(wires):
    builder = Builder(2 * 4**wires)
    program = builder.build(entropy.entropy(builder, builder.parameters, wires))
    rho = np.array(list(matrices(2**wires, 300)))
    values = np.linalg.eigvalsh(rho)
    values = np.where(values > 0, values, 1)
    expected = -(values * np.log(values)).sum(axis=1, keepdims=True)
    flat = rho.reshape(len(rho), -1)
    parameters = np.concatenate([flat.real, flat.imag], axis=1)
    np.testing.assert_allclose(run(program, parameters), expected, atol=EXACT)
    np.testing.assert_allclose(run(program, parameters.astype(np.float32)), expected, atol=NARROW)


TWO = "RY 0 p[0]; RY 1 p[1]; CNOT 0 2; CNOT 1 3; RX 0 p[2]; CRX 0 1 p[1]"


@pytest.mark.parametrize(
    ("text", "angles"),
    [
        ("RY 0 p[0]; CNOT 0 1; RX 1 p[1]; CRX 0 1 p[2]; entropy 0", [np.pi / 2, 0.4, 0]),
        (f"{TWO}; entropy 0 1", [np.pi / 2, np.pi / 2, 0.4]),
        (f"{TWO}; entropy 0 1", [0.3, 0.3, 0.3]),
        (f"{TWO}; mutual 0 | 1", [np.pi / 2, np.pi / 2, np.pi / 2]),
        (f"{TWO}; mutual 0 | 1 base 2.0", [0.3, 0.3, 0.3]),
        (f"RY 0 p[0]; CNOT 0 1; RX 1 p[1]; {DAMPED}; RY 0 p[2]; entropy 0 1", [0.3, 0.2, 0.5]),
        (f"RY 0 p[0]; CNOT 0 1; RX 1 p[1]; {DAMPED}; CRY 0 1 p[2]; mutual 0 | 1", [0.7, 0.7, 0.7]),
    ],
)
def test_derivatives_are_right_where_eigenvalues_are_equal_or_zero(text, angles):
    circuit = parse(text)
    for plan in plans_of(circuit).values():
        assert_gradients(plan.build(), np.array([angles]), lambda x: simulate(circuit, x), 1e-8)


def test_torch_has_these_derivatives_too():
    program = choose(parse(f"{TWO}; mutual 0 | 1")).plan.build()
    module = emit_module(program, dtype=np.dtype("float64"))
    angles = torch.full((1, 3), 0.3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(module, (angles,))
    torch.autograd.gradgradcheck(module, (angles,))


@pytest.mark.parametrize("size", [2, 4, 8])
def test_rounds_visit_every_pair_once(size):
    pairs = [pair for one in entropy.rounds(size) for pair in one]
    assert sorted(pairs) == [(p, q) for p in range(size) for q in range(p + 1, size)]
    assert all(len({*sum(one, ())}) == size for one in entropy.rounds(size))


@pytest.mark.parametrize("noise", ["", f"{DAMPED}; "])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("without", [frozenset(), frozenset({"Max", "Sign"})])
def test_bodies_agree_in_onnx_runtime(noise, dtype, without):
    text = f"RX 0 p[0]; RY 2 p[1]; CNOT 0 1; {noise}CNOT 1 2; RX 1 p[1]; mutual 0 | 1 base 2.0; "
    circuit = parse(f"{text}entropy 0 1 2; entropy 1")
    program = choose(circuit).plan.build()
    nodes = emit_body(program, dtype=np.dtype(dtype), parameters="x", results="y", without=without)
    used = {node.op_type for node in nodes}
    assert ({"Max", "Sign"} <= used) == (not without)
    assert "Identity" not in used
    kind = TensorProto.FLOAT if dtype == "float32" else TensorProto.DOUBLE
    graph = helper.make_graph(
        nodes,
        "body",
        [helper.make_tensor_value_info("x", kind, ["batch", 2])],
        [helper.make_tensor_value_info("y", kind, ["batch", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    parameters = np.concatenate([inputs(circuit, 5), np.zeros((1, 2)), np.full((1, 2), np.pi)])
    (results,) = session.run(None, {"x": parameters.astype(dtype)})
    atol = NARROW if dtype == "float32" else EXACT
    np.testing.assert_allclose(results, simulate(circuit, parameters), atol=atol)
