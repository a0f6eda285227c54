"""Idioms of earlier PennyLane releases: each really fails, and the error says what to write."""

import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture.python.removed_in_pennylane import REMOVED, removed_idiom
from hybridx.errors import RemovedIdiomError

MATRIX = [[0.0, 1.0], [1.0, 0.0]]


def run(**options):
    return qml.QNode(lambda: qml.expval(qml.Z(0)), qml.device("default.qubit"), **options)


CALLS = {
    "AmplitudeEmbedding(pad=)": lambda: qml.AmplitudeEmbedding([1.0], wires=[0], pad=0),
    "ControlledQubitUnitary(control_wires=)": lambda: qml.ControlledQubitUnitary(
        MATRIX, control_wires=[0], wires=1
    ),
    "DefaultQubit(analytic=)": lambda: qml.device("default.qubit", wires=1, analytic=True),
    "MultiControlledX(control_wires=)": lambda: qml.MultiControlledX(control_wires=[0], wires=1),
    'diff_method="reversible"': lambda: run(diff_method="reversible"),
    ".gradient_fn": lambda: run().gradient_fn,
    ".obs": lambda: (qml.X(0) @ qml.Y(1)).obs,
    ".qtape": lambda: run().qtape,
    ".return_type": lambda: qml.expval(qml.Z(0)).return_type,
    ".tape": lambda: run().tape,
}


def call_of(idiom):
    """A call that uses the idiom."""
    if idiom in CALLS:
        return CALLS[idiom]
    if idiom.startswith("QNode("):
        return lambda: run(**{idiom[6:-2]: 1})
    if idiom.startswith("default."):
        return lambda: qml.device(idiom, wires=1)
    if idiom.startswith("."):
        return lambda: getattr(qml.RX(0.1, wires=0), idiom[1:])
    return lambda: eval(idiom, {"qml": qml})


@pytest.mark.parametrize("idiom", REMOVED)
def test_an_idiom_of_the_table_is_known_by_its_error(idiom):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - PennyLane's own kinds
        call_of(idiom)()
    found = removed_idiom(caught.value)
    assert found is not None
    assert found.idiom == idiom


@pytest.mark.parametrize(
    ("line", "idiom"),
    [
        ("from pennylane import QubitStateVector", "qml.QubitStateVector"),
        ("from pennylane.operation import Observable", "qml.operation.Observable"),
        ("from pennylane.init import strong_ent_layers_uniform", "qml.init"),
    ],
)
def test_an_import_is_known_too(line, idiom):
    with pytest.raises(ImportError) as caught:
        exec(line)
    assert removed_idiom(caught.value).idiom == idiom


def test_other_errors_stay_what_they_are():
    class Mine:
        def __init__(self):
            pass

    for wrong in (lambda: Mine().inv, lambda: qml.nonsense, lambda: Mine(pad=1), lambda: [].tape):
        with pytest.raises((AttributeError, TypeError)) as caught:
            wrong()
        assert removed_idiom(caught.value) is None


def test_a_model_is_refused_with_what_to_write(tmp_path):
    @qml.qnode(qml.device("default.qubit", wires=1))
    def circuit(x):
        qml.AmplitudeEmbedding(x, wires=[0], pad=0.0, normalize=True)
        return qml.expval(qml.Z(0))

    class Model(nn.Module):
        def forward(self, x):
            return circuit(x)

    with pytest.raises(RemovedIdiomError, match=r"(?s)release 0\.19.*write pad_with="):
        hybridx.export(Model(), (torch.ones(2, 2),), tmp_path / "m.onnx")
