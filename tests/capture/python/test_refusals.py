"""What no file can hold is refused by name, with the line that asks for it; nothing else is."""

import inspect
import random

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.errors import (
    DataBranchError,
    FreshModuleError,
    ListIndexError,
    NoQubitsError,
    RandomnessError,
    UnsupportedMeasurementError,
)


def make_circuit(device="default.qubit", measure=lambda: qml.expval(qml.PauliZ(0)), shots=None):
    @qml.set_shots(shots)
    @qml.qnode(qml.device(device, wires=2))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.RX(weights[0], wires=0)
        qml.CNOT(wires=[0, 1])
        return measure()

    return circuit


class Model(nn.Module):
    """A quantum layer `q` inside; `way` is the rest of the model."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.q = qml.qnn.TorchLayer(make_circuit(), {"weights": 2})

    def forward(self, x):
        return self.way(self, x)


ENTRIES = nn.ParameterList([nn.Parameter(torch.rand(())) for _ in range(3)])


def list_of_parameters(model, x):
    return model.q(x) * ENTRIES[int(x.argmax())]  # here


def dict_of_numbers(model, x):
    return model.q(x) * {0: 1.0, 1: 2.0}[int(x.argmax()) % 2]  # here


def test_the_remedy_for_the_index_of_a_list_works(tmp_path):
    def stacked(model, x):
        return model.q(x) * torch.stack(list(ENTRIES))[int(x.sum()) % 3]

    hybridx.export(Model(stacked), (torch.rand(2, 2),), tmp_path / "model.onnx", batch="none")


def torch_noise(model, x):
    return model.q(x) + torch.randn(len(x))  # here


def active_dropout(model, x):
    return nn.functional.dropout(model.q(x), training=True)  # here


def numpy_noise(model, x):
    return model.q(x * np.random.uniform())  # here


def python_noise(model, x):
    return model.q(x) * random.random()  # here


def unseeded_generator(model, x):
    rng = np.random.default_rng()  # here
    return model.q(x) * rng.normal()


def branch_on_a_tensor(model, x):
    if x.sum() > 0:  # here
        return model.q(x)
    return x


def index_of_a_list(model, x):
    return model.q(x) * [1, 2, 3][int(x.max().item())]  # here


def branch_on_an_array(model, x):
    while np.abs(x.numpy()).max() > 1:  # here
        x = x / 2
    return model.q(x)


def loop_of_data(model, x):
    for _ in range(int(x.abs().max()) + 1):  # here
        x = x + model.q(x)[:, None]
    return x


def fresh_linear(model, x):
    return nn.Linear(2, 1)(x)[:, 0] + model.q(x)  # here


def fresh_layer(model, x):
    return qml.qnn.TorchLayer(make_circuit(), {"weights": 2})(x)  # here


def line_of(way):
    source, start = inspect.getsourcelines(way)
    offset = next(i for i, line in enumerate(source) if "# here" in line)
    return f"{__file__}:{start + offset}"


def export(model, tmp_path):
    return hybridx.export(
        model.eval(), (torch.tensor([[0.4, -0.9], [1.2, 0.1]]),), tmp_path / "model.onnx"
    )


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (torch_noise, RandomnessError),
        (active_dropout, RandomnessError),
        (numpy_noise, RandomnessError),
        (python_noise, RandomnessError),
        (unseeded_generator, RandomnessError),
        (branch_on_a_tensor, DataBranchError),
        (index_of_a_list, ListIndexError),
        (list_of_parameters, ListIndexError),
        (dict_of_numbers, ListIndexError),
        (branch_on_an_array, DataBranchError),
        (loop_of_data, DataBranchError),
        (fresh_linear, FreshModuleError),
        (fresh_layer, FreshModuleError),
    ],
)
def test_the_line_is_named(way, expected, tmp_path):
    with pytest.raises(expected) as caught:
        export(Model(way), tmp_path)
    assert caught.value.place.startswith(line_of(way))
    assert "the model itself" in caught.value.place
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: make_circuit("default.gaussian"), NoQubitsError),
        (lambda: make_circuit("default.qutrit"), NoQubitsError),
        (lambda: make_circuit(measure=lambda: qml.sample(wires=0), shots=5),
         UnsupportedMeasurementError),
        (lambda: make_circuit(measure=lambda: qml.counts(wires=0), shots=5),
         UnsupportedMeasurementError),
    ],
)  # fmt: skip
def test_other_machines_and_outputs_name_the_layer(make, expected, tmp_path):
    circuit = make()
    with pytest.raises(expected, match=r"circuit 'circuit' at test_refusals\.py"):
        export(Model(lambda _, x: circuit(x, [0.2])), tmp_path)


def test_random_layers_need_a_seed(tmp_path):
    def layers(seed):
        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x):
            qml.AngleEmbedding(x, wires=range(2))
            qml.RandomLayers(torch.ones(2, 3), wires=range(2), seed=seed)
            return qml.expval(qml.PauliZ(0))

        return Model(lambda _, x: circuit(x))

    with pytest.raises(RandomnessError):
        export(layers(None), tmp_path)
    assert export(layers(3), tmp_path).is_dynamic


def seeded(model, x):
    return model.q(x) + float(np.random.default_rng(7).normal())


def harmless_modules(model, x):
    x = nn.Softmax(dim=1)(nn.Tanh()(nn.Dropout(0.5).eval()(x)))
    circuit = make_circuit()  # the device draws a seed for shots
    return circuit(x, model.q.weights)


def unused_draw(model, x):
    torch.rand(3)
    return model.q(x)


def layer_of_fixed_weights(model, x):
    weights = {"weights": torch.tensor([0.3, 0.4])}
    return qml.qnn.TorchLayer(make_circuit(), {"weights": 2}, init_method=weights)(x)


@pytest.mark.parametrize("way", [seeded, harmless_modules, unused_draw, layer_of_fixed_weights])
def test_what_always_gives_the_same_is_not_refused(way, tmp_path):
    assert export(Model(way), tmp_path).is_dynamic
