from __future__ import annotations

import copy
import io
import pickle
from unittest import mock

import numpy as np
import pennylane as qml
import pytest
import torch

from hybridx.errors import DeviceFailedError, MissingPluginError, UnknownDeviceError
from hybridx.models import BackendFallbackWarning, QuantumLayer, QuantumLayerConfig
from hybridx.models.quantum_layers import (
    LIGHTNING_FROM_WIRES,
    local_simulator,
    simulation_device,
)

# Both sides compute in float64 with at most some hundred operations of error 1e-16 each.
EXACT = 1e-12
# lightning.qubit hands its results to torch as float32 (PennyLane 0.45): half a step at 1 is 6e-8.
SINGLE = 1e-6


def rotation_y(angle):
    c, s = np.cos(angle / 2), np.sin(angle / 2)
    return np.array([[c, -s], [s, c]], dtype=complex)


def rotation_z(angle):
    return np.diag([np.exp(-0.5j * angle), np.exp(0.5j * angle)])


def on_wire(state, matrix, wire):
    return np.moveaxis(np.tensordot(matrix, state, axes=(1, wire)), 0, wire)


def controlled_not(state, control, target):
    flipped = np.flip(state, axis=target)
    where = np.arange(2).reshape([2 if axis == control else 1 for axis in range(state.ndim)])
    return np.where(where == 1, flipped, state)


def expected_values(angles, weights):
    """The circuit from its definition, one row: wire 0 is the first axis of the state."""
    layers, wires, _ = weights.shape
    state = np.zeros((2,) * wires, dtype=complex)
    state[(0,) * wires] = 1
    for wire in range(wires):
        state = on_wire(state, rotation_y(angles[wire]), wire)
    for layer in range(layers):
        for wire in range(wires):
            a, b, c = weights[layer, wire]
            state = on_wire(state, rotation_z(c) @ rotation_y(b) @ rotation_z(a), wire)
        reach = layer % (wires - 1) + 1 if wires > 1 else 0
        for wire in range(wires if wires > 1 else 0):
            state = controlled_not(state, wire, (wire + reach) % wires)
    weight = np.abs(state) ** 2
    marginals = [weight.sum(axis=tuple(set(range(wires)) - {wire})) for wire in range(wires)]
    return np.array([p[0] - p[1] for p in marginals])


@pytest.mark.parametrize(
    ("backend", "tolerance"), [("default.qubit", EXACT), ("lightning.qubit", SINGLE)]
)
@pytest.mark.parametrize(("wires", "layers"), [(1, 2), (2, 1), (3, 3), (4, 4)])
def test_the_layer_gives_the_mean_values_of_its_definition(wires, layers, backend, tolerance):
    layer = QuantumLayer(QuantumLayerConfig(wires, layers, backend), seed=7).double()
    angles = np.random.default_rng(7).uniform(-7, 7, (3, wires))
    actual = layer(torch.from_numpy(angles)).detach().numpy()
    weights = layer.weights.detach().numpy()
    expected = np.stack([expected_values(row, weights) for row in angles])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("change", ["sign", "order", "row"])
def test_the_comparison_notices_a_wrong_circuit(change):
    layer = QuantumLayer(QuantumLayerConfig(3, 2), seed=7).double()
    angles = np.random.default_rng(7).uniform(-7, 7, (2, 3))
    weights = layer.weights.detach().numpy().copy()
    match change:
        case "sign":
            weights[0, 1, 1] *= -1
        case "order":
            weights = weights[:, :, ::-1]
        case "row":
            angles = angles[::-1].copy()
    expected = np.stack([expected_values(row, weights) for row in angles])
    original = torch.from_numpy(np.random.default_rng(7).uniform(-7, 7, (2, 3)))
    assert np.abs(layer(original).detach().numpy() - expected).max() > 1e-2


@pytest.mark.parametrize("leading", [(), (1,), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_leading_axes_dtype_and_device_are_kept(leading, dtype):
    layer = QuantumLayer(QuantumLayerConfig(2, 1), seed=0)
    x = torch.rand(*leading, 2).to(dtype)
    measured = layer(x)
    assert (measured.shape, measured.dtype, measured.device) == (x.shape, dtype, x.device)
    rows = torch.stack([layer(row) for row in x.reshape(-1, 2)]).reshape(x.shape)
    assert torch.allclose(measured.double(), rows.double(), rtol=0, atol=EXACT)


@pytest.mark.parametrize("shape", [(0, 2), (3, 0, 2)])
def test_no_rows_give_no_rows(shape):
    assert QuantumLayer(QuantumLayerConfig(2))(torch.zeros(shape)).shape == shape


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"n_qubits": 0}, "n_qubits is 0; .* at least 1"),
        ({"n_qubits": 2.0}, "n_qubits is 2.0"),
        ({"n_layers": 0}, "n_layers is 0; .* at least 1"),
        ({"backend": ""}, "backend is ''"),
        ({"shots": 0}, "shots is 0; .* at least 1"),
        ({"shots": True}, "shots is True"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(options, named):
    with pytest.raises(ValueError, match=named):
        QuantumLayerConfig(**{"n_qubits": 2, **options})


def test_a_wrong_width_is_refused_with_both_numbers():
    layer = QuantumLayer(QuantumLayerConfig(2))
    with pytest.raises(ValueError, match="3 angles per sample, the circuit has 2 wires"):
        layer(torch.zeros(5, 3))
    with pytest.raises(ValueError, match="0 angles per sample, the circuit has 2 wires"):
        layer(torch.tensor(1.0))


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r"torch\.int64"):
        QuantumLayer(QuantumLayerConfig(2))(torch.zeros(5, 2, dtype=torch.int64))


def test_the_gradient_is_that_of_finite_differences():
    layer = QuantumLayer(QuantumLayerConfig(2, 2), seed=3).double()
    x = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)

    def measured(angles, weights):
        return torch.func.functional_call(layer, {"weights": weights}, (angles,))

    # Central differences with step 1e-6: error about 1e-10; 1e-6 leaves room.
    assert torch.autograd.gradcheck(measured, (x, layer.weights), eps=1e-6, atol=1e-6, rtol=0)


@pytest.mark.parametrize("backend", ["default.qubit", "lightning.qubit"])
def test_only_the_last_rotation_about_the_measured_axis_has_no_gradient(backend):
    layer = QuantumLayer(QuantumLayerConfig(3, 2, backend), seed=3)
    coefficients = torch.rand(4, 3)
    (layer(torch.rand(4, 3)) * coefficients).sum().backward()
    gradient = layer.weights.grad.clone()
    # Rounding of float32 results leaves up to 1e-7 times a few rows.
    assert gradient[-1, :, 2].abs().max() < 1e-5
    gradient[-1, :, 2] = 1
    assert gradient.abs().min() > 1e-5


def test_shots_sample_around_the_exact_values_and_gradients_flow():
    exact = QuantumLayer(QuantumLayerConfig(2, 1), seed=5)
    sampled = QuantumLayer(QuantumLayerConfig(2, 1, shots=1000), seed=5)
    assert torch.equal(exact.weights, sampled.weights)
    angles = torch.rand(3, 2)
    inputs = [angles.clone().requires_grad_() for _ in range(2)]
    values = [layer(x) for layer, x in zip((exact, sampled), inputs, strict=True)]
    for value in values:
        value.sum().backward()
    # The mean of 1000 signs has a deviation of at most 0.032; a shift-rule gradient of a sum of
    # two wires at most 0.045 a row, 0.08 over three rows. Five deviations.
    assert 0 < (values[0] - values[1]).abs().max() < 0.16
    assert 0 < (inputs[0].grad - inputs[1].grad).abs().max() < 0.4
    assert (exact.weights.grad - sampled.weights.grad).abs().max() < 0.4
    assert sampled.weights.grad.abs().max() > 0.4


def test_a_seed_repeats_samples_and_two_calls_differ():
    def sample():
        layer = QuantumLayer(QuantumLayerConfig(2, 1, shots=50), seed=5)
        x = torch.ones(4, 2)
        return layer(x), layer(x)

    (first, second), (again, _) = sample(), sample()
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_a_seed_repeats_the_weights_and_leaves_the_global_state_alone():
    before = torch.get_rng_state()
    first = QuantumLayer(QuantumLayerConfig(3), seed=11)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.weights, QuantumLayer(QuantumLayerConfig(3), seed=11).weights)
    assert not torch.equal(first.weights, QuantumLayer(QuantumLayerConfig(3), seed=12).weights)
    assert not torch.equal(first.weights, QuantumLayer(QuantumLayerConfig(3)).weights)
    assert not torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("backend", "error", "why"),
    [
        ("qiskit.remote", MissingPluginError, "needs the plug-in pennylane-qiskit"),
        ("defualt.qubit", UnknownDeviceError, "nearest names: default.qu"),
    ],
)
def test_a_missing_backend_is_replaced_with_a_warning_or_refused(backend, error, why, monkeypatch):
    config = QuantumLayerConfig(2, backend=backend)
    # Whatever plug-ins this machine has.
    own = {name: one for name, one in qml.plugin_devices.items() if name.startswith("default.")}
    monkeypatch.setattr(qml, "plugin_devices", own)
    with pytest.warns(BackendFallbackWarning, match=f"(?s){why}.*'default.qubit' instead"):
        layer = QuantumLayer(config, seed=1)
    assert layer.backend == "default.qubit"
    assert torch.equal(
        layer(torch.ones(2)), QuantumLayer(QuantumLayerConfig(2), seed=1)(torch.ones(2))
    )
    with pytest.raises(error):
        QuantumLayer(config, strict=True)


def test_a_backend_without_credentials_is_replaced_with_a_warning_or_refused():
    real = qml.device

    def device(name, **options):
        if name == "default.mixed":
            raise ConnectionError("no API token")
        return real(name, **options)

    config = QuantumLayerConfig(2, backend="default.mixed")
    with mock.patch.object(qml, "device", device):
        with pytest.warns(BackendFallbackWarning, match="no API token"):
            assert QuantumLayer(config).backend == "default.qubit"
        with pytest.raises(DeviceFailedError, match="ConnectionError: no API token"):
            QuantumLayer(config, strict=True)


def test_a_named_backend_is_used():
    for backend in ("default.mixed", "lightning.qubit"):
        assert QuantumLayer(QuantumLayerConfig(2, backend=backend)).backend == backend


def test_the_best_local_simulator_depends_on_the_size():
    assert local_simulator(QuantumLayerConfig(LIGHTNING_FROM_WIRES - 1)) == "default.qubit"
    assert local_simulator(QuantumLayerConfig(LIGHTNING_FROM_WIRES)) == "lightning.qubit"
    with mock.patch.object(qml, "plugin_devices", {"default.qubit": None}):
        assert local_simulator(QuantumLayerConfig(LIGHTNING_FROM_WIRES)) == "default.qubit"


@pytest.mark.parametrize(("device", "host"), [("cpu", "cpu"), ("cuda:1", "cuda:1"), ("mps", "cpu")])
def test_the_simulation_leaves_a_device_without_float64(device, host):
    assert simulation_device(torch.device(device)) == torch.device(host)


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="no accelerator in this machine")
@pytest.mark.parametrize("backend", ["default.qubit", "lightning.qubit"])
def test_an_accelerator_gives_the_values_of_the_cpu(backend):
    accelerator = torch.accelerator.current_accelerator()
    layer = QuantumLayer(QuantumLayerConfig(2, backend=backend), seed=0)
    x = torch.rand(3, 2)
    expected = layer(x)
    measured = layer.to(accelerator)(x.to(accelerator))
    assert measured.device.type == accelerator.type
    measured.sum().backward()
    assert layer.weights.grad.abs().max() > 0
    assert torch.allclose(measured.cpu(), expected, rtol=0, atol=SINGLE)


@pytest.mark.parametrize("shots", [None, 20])
def test_copies_give_the_same_values_and_share_nothing(shots):
    layer = QuantumLayer(QuantumLayerConfig(2, shots=shots), seed=2)
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    x = torch.ones(3, 2)
    expected = layer(x)
    for twin in (
        copy.deepcopy(layer),
        pickle.loads(pickle.dumps(layer)),
        torch.load(buffer, weights_only=False),
    ):
        assert torch.equal(twin(x), expected)
        with torch.no_grad():
            twin.weights.add_(1.0)
        assert not torch.equal(twin(x), expected)
    if shots is None:
        assert torch.equal(layer(x), expected)


@pytest.mark.parametrize("assign", [False, True])
def test_loaded_weights_are_the_weights_in_use(assign):
    source, target = (QuantumLayer(QuantumLayerConfig(2), seed=seed) for seed in (1, 2))
    x = torch.ones(3, 2)
    assert not torch.equal(source(x), target(x))
    target.load_state_dict(source.state_dict(), assign=assign)
    assert torch.equal(source(x), target(x))


def test_a_printed_layer_says_what_runs_it():
    assert "n_qubits=2" in repr(QuantumLayer(QuantumLayerConfig(2)))
    assert "runs on default.qubit" in repr(QuantumLayer(QuantumLayerConfig(2)))
