"""Numbers and arrays on the way between torch and a QNode."""

import builtins
import importlib.util
import math
import sys

import numpy as np
import onnxruntime
import pennylane as qml
import pytest
import torch
from pennylane import numpy as pnp
from torch import nn

import hybridx
from hybridx.errors import CaptureError
from tests.sampling import some


class Through(nn.Module):
    """A circuit of two rotations; `way` is the rest of the model."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.w = nn.Parameter(torch.tensor([0.3, -0.8]))
        self.register_buffer("pairs", torch.tensor([[0, 1], [1, 0]]))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, w):
            for i in range(2):
                qml.RY(x[i], wires=i)
                qml.RX(w[i], wires=i)
            qml.CNOT(wires=[0, 1])
            return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))

        self.circuit = circuit

    def forward(self, x):
        return self.way(self, x)


def numbers(model, x):
    rows = [[float(v) for v in model.circuit([a.item(), b.item()], model.w)] for a, b in x]
    return torch.tensor(rows)


def arithmetic_of_numbers(model, x):
    rows = []
    for row in x:
        a, b = row.tolist()
        first, second = model.circuit([math.pi * math.tanh(a), 2 - abs(b)], model.w.tolist())
        rows.append([first.item() / 2 + a, -(second.item() ** 2)])
    return torch.tensor(rows, dtype=torch.float64)


def legacy_constructors(model, x):
    rows = [[v.item() for v in model.circuit(row, model.w)] for row in x]
    return torch.Tensor(rows) + torch.FloatTensor(np.array(rows))


def buffer_of_rows(model, x):
    out = np.zeros((len(x), 2))
    for i, row in enumerate(x.numpy()):
        out[i] = model.circuit(row, model.w.data.numpy())
    out[:, 0] += 1
    return torch.from_numpy(out)


def buffer_by_chained_index(model, x):
    out = np.empty((len(x), 2), dtype=np.float32)
    for i, row in enumerate(x.numpy()):
        values = model.circuit(row, model.w.detach().numpy())
        for k in range(2):
            out[i][k] = values[k]
    return torch.from_numpy(out)


def functions(model, x):
    arr = np.clip(x.numpy() * np.float64(1.5), -1, 1)
    scale = np.linalg.norm(arr, axis=1, keepdims=True) + 1
    values = np.vstack([model.circuit(row, model.w.detach().numpy()) for row in arr / scale])
    return torch.as_tensor(values.mean(axis=1)).float()


def concrete_buffer(model, x):
    mask = np.zeros((2, 2))
    mask[0, 1] = 1
    chosen = [j for j in range(2) if mask[0, j] > 0]
    return torch.stack([model.circuit(row, model.w)[chosen[0]] for row in x])


def known_numbers(model, x):
    first, second = model.pairs.T[0].tolist()
    if model.w.sum().item() < 0:
        x = -x
    return torch.stack([torch.stack(model.circuit(row[[first, second]], model.w)) for row in x])


def is_a_float(model, x):
    rows = [[v if isinstance(v, float) else v.item() for v in row.tolist()] for row in x]
    return torch.tensor([model.circuit(row, model.w)[0].float() for row in rows])


def pennylanes_numpy(model, x):
    out = pnp.zeros((len(x), 2), requires_grad=False)
    for i, row in enumerate(x.numpy()):
        out[i] = pnp.array(model.circuit(pnp.sin(row), pnp.array([0.2, 0.3])), requires_grad=True)
    out = pnp.tanh(out) + pnp.linalg.norm(out, axis=1, keepdims=True)
    return torch.tensor(pnp.concatenate([out, pnp.abs(out)], axis=1))


WAYS = {way.__name__: way for way in (
    numbers, arithmetic_of_numbers, legacy_constructors, buffer_of_rows, buffer_by_chained_index,
    functions, concrete_buffer, known_numbers, is_a_float, pennylanes_numpy,
)}  # fmt: skip


def export(way, path):
    model = Through(way).eval()
    report = hybridx.export(model, (torch.tensor([[0.4, -0.9], [1.2, 0.1], [0.7, 0.6]]),), path)
    return model, report


@pytest.mark.parametrize("name", some(WAYS, every=3))
def test_a_value_that_is_only_passed_on_stays_open(name, tmp_path):
    way = WAYS[name]
    model, report = export(way, tmp_path / "model.onnx")
    assert report.is_dynamic
    x = torch.linspace(-1, 1, 10).reshape(5, 2)
    with torch.no_grad():
        expected = model(x).numpy()
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (actual,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert actual.dtype == expected.dtype
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_python_torch_and_numpy_are_as_before(tmp_path):
    def refused(model, x):
        return x if x.mean().item() > 0 else model.w

    before = [torch.tensor, torch.Tensor.item, torch.Tensor.numpy, np.zeros, np.array, math.sin]
    with pytest.raises(CaptureError):
        export(refused, tmp_path / "model.onnx")
    after = [torch.tensor, torch.Tensor.item, torch.Tensor.numpy, np.zeros, np.array, math.sin]
    assert before == after
    assert float is builtins.float
    assert "float" not in globals()
    assert not {"__new__", "data", "__array_ufunc__"} & vars(torch.Tensor).keys()


def test_matrices_that_are_read_as_numbers_keep_calls_apart(tmp_path):
    class Observables(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrices = nn.Parameter(torch.tensor([[[1.0, 0.5], [0.0, 2.0]], [[0, 1], [1, 3]]]))

            @qml.qnode(qml.device("default.qubit", wires=1))
            def circuit(x, matrix):
                qml.RY(x[..., 0], wires=0)
                return qml.expval(qml.Hermitian(matrix, wires=0))

            self.circuit = circuit

        def forward(self, x):
            return torch.stack([self.circuit(x, m + m.T) for m in self.matrices], dim=1)

    x = torch.tensor([[0.2], [1.0], [2.0]])
    report = hybridx.export(Observables().eval(), (x,), tmp_path / "model.onnx")
    assert report.is_dynamic


def test_float_as_a_dtype_is_still_pythons(tmp_path):
    source = tmp_path / "wide_model.py"
    source.write_text(
        "import torch\n"
        "from torch import nn\n"
        "class Wide(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return x.to(float) + torch.ones(2, dtype=float)\n"
    )
    specification = importlib.util.spec_from_file_location("wide_model", source)
    module = importlib.util.module_from_spec(specification)
    sys.modules["wide_model"] = module
    try:
        specification.loader.exec_module(module)
        report = hybridx.export(module.Wide(), (torch.rand(3, 2),), tmp_path / "model.onnx")
    finally:
        del sys.modules["wide_model"]
    assert report.is_dynamic
