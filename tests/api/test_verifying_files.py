"""A file compared with another file, output by output and layer by layer."""

from __future__ import annotations

import numpy as np
import onnx
import pennylane as qml
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import hybridx
from hybridx.errors import (
    BrokenArtifactError,
    ConflictingOptionsError,
    LayerMismatchError,
    MismatchError,
    OptionError,
    OptionNeedsError,
    OtherSignatureError,
    OutputExistsError,
)


class TwoLayers(nn.Module):
    """Two quantum layers, one after the other, and two outputs."""

    def __init__(self, weight=0.3, named=True):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def first(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2))
            qml.RX(weights[0], wires=0)
            qml.CNOT([0, 1])
            return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]

        @qml.qnode(qml.device("default.qubit", wires=2))
        def second(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2), rotation="Y")
            qml.RY(weights[0], wires=1)
            return [qml.expval(qml.PauliX(wire)) for wire in range(2)]

        self.first = qml.qnn.TorchLayer(first, {"weights": 2})
        self.second = qml.qnn.TorchLayer(second, {"weights": 2})
        self.named = named
        for layer, value in ((self.first, 0.3), (self.second, weight)):
            nn.init.constant_(layer.weights, value)

    def forward(self, x):
        one = self.first(x)
        two = self.second(3 * one)
        return {"one": one, "two": two} if self.named else (one, two)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, model in (("a", TwoLayers()), ("b", TwoLayers(0.4)), ("c", TwoLayers(named=False))):
        hybridx.export(model, (torch.zeros(3, 2),), folder / f"{name}.onnx")
    return folder


def as_foreign(path, target, change=lambda model: None):
    """The same graph as a file that hybridx did not write, with a change."""
    model = onnx.load(path)
    del model.metadata_props[:]
    change(model)
    onnx.save(model, target)
    return target


def test_a_file_equals_another_with_the_same_model(folder, tmp_path):
    foreign = as_foreign(folder / "a.onnx", tmp_path / "other.onnx")
    report = hybridx.verify(folder / "a.onnx", against=foreign)
    assert (report.against, report.worst) == (str(foreign), 0.0)
    assert report.batches == (1, 2, 5, 16)
    assert [one.output for one in report.outputs] == ["one", "two"]
    assert [one.elements for one in report.outputs] == [48, 48]


def test_circuits_are_compiled_again_and_bodies_compared(folder, monkeypatch):
    report = hybridx.verify(folder / "a.onnx")
    assert [one.shown for one in report.circuits] == ["compiled again"] * 2
    # Another version may compile them in another way.
    monkeypatch.setattr("hybridx.runtime.circuits.agreement.__version__", "0.0.0")
    report = hybridx.verify(folder / "a.onnx")
    assert [one.shown for one in report.circuits] == ["simulated"] * 2


def test_accepting_what_is_unchecked_needs_something_that_is_checked(folder, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 2)))
    with pytest.raises(OptionNeedsError):
        hybridx.predict(folder / "a.onnx", tmp_path / "x.npy", accept_unchecked=True)


def test_another_file_that_would_end_the_process_is_refused(folder, tmp_path):
    def divide(model):
        for name, numbers in (("smallest", [-(2**63)]), ("minus_one", [-1])):
            model.graph.initializer.append(numpy_helper.from_array(np.array(numbers), name))
        model.graph.node.append(onnx.helper.make_node("Div", ["smallest", "minus_one"], ["trap"]))

    trap = as_foreign(folder / "a.onnx", tmp_path / "trap.onnx", divide)
    with pytest.raises(BrokenArtifactError, match="Div"):
        hybridx.verify(folder / "a.onnx", against=trap)


def test_outputs_of_other_names_are_taken_in_order(folder):
    assert hybridx.verify(folder / "a.onnx", against=folder / "c.onnx").worst < 1e-6


def test_each_output_tells_its_own_error_and_place(folder):
    report = hybridx.verify(folder / "a.onnx", against=folder / "b.onnx", atol=1.0)
    one, two = report.outputs
    assert one.worst == 0.0 < two.mean < two.worst == report.worst
    # The file again at the place that the report names.
    assert two.batch in report.batches
    row, _ = two.index
    assert row < two.batch


def test_the_place_of_a_difference_is_in_the_message(folder):
    with pytest.raises(MismatchError, match=r"output \'two\'.* at \[\d+, \d\]"):
        hybridx.verify(folder / "a.onnx", against=folder / "b.onnx")


def test_the_smallest_failing_input_is_one_row(folder, tmp_path):
    place = tmp_path / "worst.npz"
    with pytest.raises(MismatchError):
        hybridx.verify(folder / "a.onnx", against=folder / "b.onnx", save=place)
    (kept,) = np.load(place).items()
    assert (kept[0], kept[1].shape) == ("x", (1, 2))
    one, other = (hybridx.load(folder / f"{name}.onnx").run({"x": kept[1]}) for name in "ab")
    assert np.abs(one["two"] - other["two"]).max() > 1e-5
    with pytest.raises(OutputExistsError):
        hybridx.verify(folder / "a.onnx", save=place)


def test_of_a_failing_self_test_one_row_is_kept_too(tmp_path):
    path = tmp_path / "model.onnx"
    hybridx.export(nn.Sequential(nn.Linear(2, 2), TwoLayers()), (torch.zeros(3, 2),), path)
    model = onnx.load(path)
    for weight in model.graph.initializer:
        if len(weight.dims) == 2:
            changed = numpy_helper.to_array(weight) + np.float32(0.1)
            weight.CopyFrom(numpy_helper.from_array(changed, weight.name))
    onnx.save(model, path)
    with pytest.raises(MismatchError):
        hybridx.verify(path, save=tmp_path / "worst.npz", accept_changes=True)
    assert {k: v.shape for k, v in np.load(tmp_path / "worst.npz").items()} == {"input": (1, 2)}


def test_nothing_is_kept_of_what_passes(folder, tmp_path):
    hybridx.verify(folder / "a.onnx", against=TwoLayers(), save=tmp_path / "worst.npz")
    assert not list(tmp_path.iterdir())


def test_layers_are_compared_with_a_device(folder):
    report = hybridx.verify(folder / "a.onnx", layers=True)
    assert len(report.layers) == 2
    assert all(one.worst < 1e-6 and one.elements == 6 for one in report.layers)


def test_the_first_layer_that_differs_is_named(folder):
    names = [one.output for one in hybridx.verify(folder / "a.onnx", layers=True).layers]
    with pytest.raises(LayerMismatchError) as caught:
        hybridx.verify(folder / "a.onnx", against=folder / "b.onnx", layers=True)
    assert (caught.value.layer, caught.value.number) == (names[1], 2)


def fixed_at(rows, columns=2):
    def change(model):
        shape = model.graph.input[0].type.tensor_type.shape
        shape.dim[0].dim_value, shape.dim[1].dim_value = rows, columns

    return change


def test_a_file_of_one_batch_size_is_compared_at_it(folder, tmp_path):
    foreign = as_foreign(folder / "a.onnx", tmp_path / "other.onnx", fixed_at(7))
    assert hybridx.verify(folder / "a.onnx", against=foreign).batches == (7,)


def test_weights_of_another_file_may_lie_beside_it(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), TwoLayers(named=False))
    path = tmp_path / "model.onnx"
    hybridx.export(model, (torch.zeros(3, 2),), path)
    other = onnx.load(path)
    del other.metadata_props[:]
    onnx.save(other, tmp_path / "other.onnx", save_as_external_data=True, size_threshold=0)
    assert hybridx.verify(path, against=tmp_path / "other.onnx").worst == 0.0


def renamed(model):
    model.graph.input[0].name = "other"
    for node in model.graph.node:
        node.input[:] = ["other" if name == "x" else name for name in node.input]


def without_an_output(model):
    del model.graph.output[1]


@pytest.mark.parametrize("change", [renamed, without_an_output])
def test_files_of_other_inputs_or_outputs_are_refused(folder, tmp_path, change):
    foreign = as_foreign(folder / "a.onnx", tmp_path / "other.onnx", change)
    with pytest.raises(OtherSignatureError):
        hybridx.verify(folder / "a.onnx", against=foreign)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"save": "worst.npy"}, OptionError),
        ({"overwrite": True}, OptionNeedsError),
        ({"layers": True, "device": "default.qubit", "shots": 10}, ConflictingOptionsError),
    ],
)
def test_options_that_have_no_effect_are_refused(folder, options, error):
    with pytest.raises(error):
        hybridx.verify(folder / "a.onnx", **options)


def test_a_file_that_is_no_model_is_refused(folder, tmp_path):
    (tmp_path / "other.onnx").write_bytes(b"no model at all")
    with pytest.raises(hybridx.errors.ForeignFileError):
        hybridx.verify(folder / "a.onnx", against=tmp_path / "other.onnx")
