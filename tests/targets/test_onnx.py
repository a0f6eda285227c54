"""ONNX graphs: which names their values have, and what calls the circuits."""

from __future__ import annotations

import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.quantization import quantize_dynamic
from torch import nn

import hybridx
from hybridx.artifact import CIRCUIT_ATTRIBUTE, DOMAIN, Compiled
from hybridx.circuit import encode
from hybridx.errors import NoTranslationError, UnusableFileError
from hybridx.targets import to_onnx
from tests import sample_models
from tests.targets.spliced import splice_model


class Clashes(nn.Module):
    """Weights named as inputs and outputs; an input and a weight returned, one value twice."""

    def __init__(self):
        super().__init__()
        self.quantum = sample_models.strongly_entangling(3)
        self.weight = nn.Parameter(torch.ones(3))
        self.x = nn.Parameter(torch.zeros(3))
        self.linear = nn.Linear(3, 3)

    def forward(self, x, scale):
        y = self.quantum(self.linear(x + self.x) + self.weight * scale)
        return {
            "y": y,
            "again": y,
            "given": x,
            "linear": y + x,
            "linear.weight": 2 * y,
            "bias": self.weight,
        }


@pytest.fixture(scope="module")
def model():
    spliced = splice_model(Clashes(), (torch.randn(4, 3), torch.randn(4, 3)))
    (circuit,) = spliced.captured.circuits
    compiled = Compiled(encode(circuit), None)
    return to_onnx(spliced.captured, spliced.args, [compiled], opset=20)[0]


def test_inputs_and_outputs_have_the_names_of_the_model(model):
    onnx.checker.check_model(model)
    assert [value.name for value in model.graph.input] == ["x", "scale"]
    names = ["y", "again", "given", "linear", "linear.weight", "bias"]
    assert [value.name for value in model.graph.output] == names


def test_a_weight_makes_room_and_keeps_its_place(model):
    names = [tensor.name for tensor in model.graph.initializer]
    assert names[:4] == ["weight", "x_0", "linear.weight_0", "linear.bias"]


def test_every_output_is_the_result_of_a_node_of_its_own(model):
    results = [name for node in model.graph.node for name in node.output]
    assert {value.name for value in model.graph.output} <= set(results)
    copies = [
        (*node.input, *node.output) for node in model.graph.node if node.op_type == "Identity"
    ]
    assert copies == [("y", "again"), ("x", "given"), ("weight", "bias")]


def test_the_circuit_is_one_call_that_carries_its_text(model):
    (call,) = (node for node in model.graph.node if node.domain == DOMAIN)
    assert call.op_type.startswith("Circuit_")
    assert [attribute.name for attribute in call.attribute] == [CIRCUIT_ATTRIBUTE]
    assert call.output == ["y"]


def test_it_says_nothing_of_where_it_was_made(model):
    assert not model.metadata_props
    for value in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        assert not value.metadata_props
        assert not value.doc_string or getattr(value, "domain", "") == "hybridx"


class Airy(nn.Module):
    """Calls an operator that ONNX does not have, under each kind of name that torch gives one."""

    def __init__(self, function):
        super().__init__()
        self.quantum = sample_models.strongly_entangling(3)
        self.function = function

    def forward(self, x):
        return self.quantum(self.function(x))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("torch.special.airy_ai", lambda x: torch.special.airy_ai(x)),
        ("Tensor.igamma", lambda x: x.igamma(x + 1)),
    ],
)
def test_an_operator_without_a_translation_is_named_with_its_line(name, function, tmp_path):
    place = f"{__file__}:{Airy.forward.__code__.co_firstlineno + 1}"
    args, path = (torch.rand(4, 3),), tmp_path / "model.onnx"
    with pytest.raises(NoTranslationError) as caught:
        hybridx.export(Airy(function), args, path)
    assert (caught.value.operator, caught.value.place) == (name, place)
    # What the remedy promises.
    report = hybridx.export(Airy(function), args, tmp_path / "model.pt2", format="pt2")
    assert report.verification.worst < 1e-5


class Integers(nn.Module):
    """ONNX Runtime has no such convolution, in no format of ours."""

    def __init__(self):
        super().__init__()
        self.quantum = sample_models.strongly_entangling(3)

    def forward(self, x):
        kernel = torch.ones((1, 1, 2), dtype=torch.int64)
        return self.quantum(torch.nn.functional.conv1d(x[:, None], kernel)[:, 0].float())


def test_a_new_file_that_does_not_run_is_not_called_damaged(tmp_path):
    with pytest.raises(UnusableFileError) as caught:
        hybridx.export(Integers(), (torch.arange(16).reshape(4, 4),), tmp_path / "model.onnx")
    assert caught.value.operator == "torch.conv1d"
    assert caught.value.place == f"{__file__}:{Integers.forward.__code__.co_firstlineno + 2}"
    assert list(tmp_path.iterdir()) == []
    # What the remedy promises.
    args = (torch.arange(16).reshape(4, 4),)
    assert hybridx.export(Integers(), args, tmp_path / "model.pt2", format="pt2").verification


def test_a_weight_is_described_once(model):
    weights = {weight.name for weight in model.graph.initializer}
    assert weights
    assert not weights & {value.name for value in model.graph.value_info}
    # What is between the layers keeps its shape.
    assert len(model.graph.value_info) > 0


def test_onnx_runtime_quantizes_a_file_as_it_is(tmp_path):
    torch.manual_seed(0)
    layers = nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3), sample_models.strongly_entangling(3)
    x = torch.randn(2, 8)
    hybridx.export(nn.Sequential(*layers), (x,), tmp_path / "model.onnx", verify=False)
    quantize_dynamic(tmp_path / "model.onnx", tmp_path / "int8.onnx")
    whole, small = (
        onnxruntime.InferenceSession(tmp_path / name).run(None, {"input": x.numpy()})[0]
        for name in ("model.onnx", "int8.onnx")
    )
    assert 0 < abs(small - whole).max() < 0.05


class Inserts(nn.Module):
    """A slice of a tensor replaced, on an axis that is open or not."""

    def __init__(self, dim, index):
        super().__init__()
        self.quantum = sample_models.strongly_entangling(3)
        self.dim, self.index = dim, index

    def forward(self, x):
        y = self.quantum(x)
        return torch.select_scatter(y, x.sum(self.dim), self.dim, self.index)


@pytest.mark.parametrize(("dim", "index"), [(1, 0), (1, 1), (1, 2), (-1, -1), (-1, -3), (0, 0)])
def test_a_slice_is_inserted_without_scattering(dim, index, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "model.onnx"
    hybridx.export(Inserts(dim, index), (torch.randn(4, 3),), path)
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert "Concat" in operators
    assert "ScatterElements" not in operators
