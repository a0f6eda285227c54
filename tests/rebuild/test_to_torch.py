"""`hybridx.to_torch`: the module computes what the file computes, trains, and exports again."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import onnx
import pennylane as qml
import pytest
import torch
from onnx import helper
from torch import nn

import hybridx
from hybridx.artifact import read_artifact
from hybridx.errors import (
    FileMissingError,
    InputDtypeError,
    InputNamesError,
    InputShapeError,
    NoConversionError,
    NoTorchOperatorError,
    OptionError,
)
from hybridx.rebuild.circuits import completed
from tests.corpus import CASES
from tests.sampling import some

KINDS = ("qnode", "compiled")
# float32: PennyLane computes the circuit in float64, the file in float32.
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


class Classifier(nn.Module):
    """Linear, a circuit with trained angles, and two heads."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2))
            qml.BasicEntanglerLayers(weights, wires=range(2))
            return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]

        self.body = nn.Linear(3, 2)
        self.circuit = qml.qnn.TorchLayer(circuit, {"weights": (2, 2)})
        self.head = nn.Linear(2, 2)

    def forward(self, x):
        features = self.circuit(torch.tanh(self.body(x)))
        return {"logits": self.head(features), "norm": features.norm(dim=-1) + x.mean(-1)}


@pytest.fixture(scope="module", params=["float32", "float64"])
def path(request, tmp_path_factory):
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("restore") / "model.onnx"
    hybridx.export(Classifier(), (torch.randn(2, 3),), path, dtype=request.param)
    return path


def worst(module, session, inputs):
    """The largest difference of a module's outputs from those of a session."""
    found = module(**{name: torch.from_numpy(np.array(one)) for name, one in inputs.items()})
    found = found if isinstance(found, dict) else {session.output_names[0]: found}
    wanted = session.run(inputs)
    assert [*found] == [*wanted]
    differences = []
    for name, tensor in found.items():
        array = tensor.detach().numpy()
        assert (array.dtype, array.shape) == (wanted[name].dtype, wanted[name].shape)
        away = np.abs(array.astype(float) - wanted[name].astype(float))
        differences.append(np.max(away / np.maximum(1, np.abs(wanted[name])), initial=0.0))
    return max(differences)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 1, 4])
def test_it_computes_what_the_file_computes(path, kind, rows):
    session = hybridx.load(path)
    dtype = session.inputs[0].dtype
    x = np.random.default_rng(2).standard_normal((rows, 3)).astype(dtype)
    assert worst(hybridx.to_torch(path, circuits=kind), session, {"x": x}) <= TOLERANCE[dtype.name]


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_and_exports_again(path, kind, tmp_path):
    torch.manual_seed(3)
    module = hybridx.to_torch(path, circuits=kind)
    x = torch.randn(8, 3, dtype=next(module.parameters()).dtype)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    before = {name: one.clone() for name, one in module.named_parameters()}
    losses = []
    for _ in range(3):
        loss = (module(x)["logits"] - 1).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
    moved = {name for name, one in module.named_parameters() if not torch.equal(one, before[name])}
    assert moved == {*before}
    again = tmp_path / "again.onnx"
    names = {"input_names": module.input_names, "output_names": module.output_names}
    report = hybridx.export(module, (x[:2],), again, **names)
    assert report.is_dynamic
    session = hybridx.load(again)
    assert worst(module, session, {"x": x.numpy()}) <= TOLERANCE[session.inputs[0].dtype.name]


def test_the_report_says_what_is_trained(path):
    qnode = hybridx.to_torch(path)
    weights = {"weights.body.weight", "weights.body.bias", "weights.head.weight"}
    assert {*qnode.report.parameters} == weights | {"weights.head.bias"}
    (one,) = qnode.report.circuits
    assert (one.wires, one.trained, one.folded) == (2, 4, 0)
    assert qnode.circuits[one.name].angles.shape == (4,)
    compiled = hybridx.to_torch(path, circuits="compiled").report
    assert (compiled.circuits[0].trained, compiled.circuits[0].folded) == (0, 4)
    assert f"{one.name}: 2 wires, 4 angles are parameters, 0 numbers" in str(qnode.report)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_an_ordinary_module(path, kind):
    module = hybridx.to_torch(path, circuits=kind)
    x = torch.randn(2, 3, dtype=next(module.parameters()).dtype)
    wanted = module(x)["logits"]
    assert torch.equal(copy.deepcopy(module)(x)["logits"], wanted)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x)["logits"], wanted)
    other = hybridx.to_torch(path, circuits=kind)
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(x)["logits"], wanted)


def test_a_file_may_be_given_in_every_form(path, tmp_path):
    x = np.ones((2, 3), hybridx.load(path).inputs[0].dtype)
    hybridx.convert(path, tmp_path / "model.bundle")
    content = path.read_bytes()
    wanted = hybridx.to_torch(str(path))(torch.from_numpy(x))["logits"]
    for source in (path, content, tmp_path / "model.bundle"):
        assert torch.equal(hybridx.to_torch(source)(torch.from_numpy(x))["logits"], wanted)


def test_an_operator_that_is_not_translated_is_named(path):
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Hardmax", ["logits"], ["hard"]))
    with pytest.raises(NoTorchOperatorError, match="Hardmax"):
        hybridx.to_torch(model.SerializeToString())
    model.graph.node[-1].CopyFrom(helper.make_node("ScatterND", ["x"] * 3, ["y"], reduction="max"))
    with pytest.raises(NoTorchOperatorError, match="the reduction max"):
        hybridx.to_torch(model.SerializeToString())(torch.zeros(1, 3))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda module: module(), InputNamesError),
        (lambda module: module(torch.zeros(1, 3), torch.zeros(1, 3)), InputNamesError),
        (lambda module: module(torch.zeros(1, 3), x=torch.zeros(1, 3)), InputNamesError),
        (lambda module: module(y=torch.zeros(1, 3)), InputNamesError),
        (lambda module: module(torch.zeros(3)), InputShapeError),
        (lambda module: module(torch.zeros(1, 4)), InputShapeError),
        (lambda module: module(torch.zeros(1, 3, dtype=torch.complex64)), InputDtypeError),
        (lambda module: module("text"), InputDtypeError),
        (lambda module: module([[0.0, 1.0], [1.0]]), InputDtypeError),
    ],
)
def test_inputs_that_do_not_fit_are_refused(path, call, error):
    with pytest.raises(error):
        call(hybridx.to_torch(path))


def test_what_is_no_file_for_it_is_refused(path, tmp_path):
    with pytest.raises(OptionError, match="qnode, compiled"):
        hybridx.to_torch(path, circuits="onnx")
    with pytest.raises(FileMissingError):
        hybridx.to_torch(tmp_path / "none.onnx")
    hybridx.export(Classifier(), (torch.randn(2, 3),), tmp_path / "model.pt2", verify=False)
    with pytest.raises(NoConversionError):
        hybridx.to_torch(tmp_path / "model.pt2")


@pytest.mark.filterwarnings("ignore")  # models may use what torch or PennyLane deprecates
@pytest.mark.parametrize(
    "name", some([one.name for one in CASES if not one.refused], every=32, slow=3)
)
def test_models_of_the_corpus_come_back(name, tmp_path):
    case = next(case for case in CASES if case.name == name)
    path = tmp_path / "model.onnx"
    hybridx.export(case.build(), case.args, path, kwargs=dict(case.kwargs), verify=False)
    session = hybridx.load(path)
    assert session.metadata.self_test is not None
    differentiated = any(one.derivative for one in read_artifact(path).circuits.values())
    for kind in KINDS:
        if kind == "qnode" and differentiated:
            with pytest.raises(NoTorchOperatorError, match="a derivative"):
                hybridx.to_torch(path, circuits=kind)
            continue
        module = hybridx.to_torch(path, circuits=kind)
        assert worst(module, session, session.metadata.self_test.inputs) <= TOLERANCE["float32"]


class Tokens(nn.Module):
    """A linear layer on three axes, whose bias ONNX adds by itself, and a scale."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.register_buffer("scale", torch.tensor([0.5, 2.0]))

    def forward(self, x):
        return self.linear(x) * self.scale


def test_a_bias_that_is_added_is_a_parameter_and_a_scale_is_not(tmp_path):
    hybridx.export(Tokens(), (torch.randn(2, 5, 3),), tmp_path / "m.onnx", verify=False)
    module = hybridx.to_torch(tmp_path / "m.onnx")
    assert sorted(one.numel() for one in module.parameters()) == [2, 6]
    assert "weights.linear.bias" in module.report.parameters
    assert module.report.constants == ("weights.scale",)
    x = np.random.default_rng(1).standard_normal((1, 5, 3)).astype(np.float32)
    assert worst(module, hybridx.load(tmp_path / "m.onnx"), {"x": x}) <= TOLERANCE["float32"]


def test_noise_is_completed_to_the_digits_that_a_device_checks():
    kept = torch.tensor([[1.0, 0.0], [0.0, 0.8]], dtype=torch.complex128)
    lost = torch.tensor([[0.0, 0.6], [0.0, 0.0]], dtype=torch.complex128)
    kraus = torch.stack([kept, lost]) * (1 + 1e-6)  # more than float32 rounds
    total = torch.einsum("kij,kil->jl", completed(kraus).conj(), completed(kraus))
    torch.testing.assert_close(total, torch.eye(2, dtype=total.dtype), rtol=0, atol=1e-14)
