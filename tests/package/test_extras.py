"""The wheel with each extra alone does what the extra is for."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hybridx.artifact import Metadata, SelfTest
from hybridx.circuit import parse, simulate
from tests.installed import Installed
from tests.package.installed import ROOT, with_extra
from tests.runtime.models import TURN, build
from tests.runtime.remote import rows
from tests.signing.given import write_private, write_public

MODEL = """\
import pennylane as qml
import torch


@qml.qnode(qml.device("default.qubit", wires=2))
def circuit(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return qml.expval(qml.PauliZ(0))


def build():
    layer = qml.qnn.TorchLayer(circuit, {"weights": (1, 2)})
    return torch.nn.Sequential(torch.nn.Linear(3, 2), layer)
"""


def runs_its_self_test(environment: Installed, folder: Path) -> None:
    report = environment.hybridx("run", "model.onnx", "--json", folder=folder).json()
    assert report["worst"] < report["tolerance"]
    words = ("page", "model.onnx", "-o", "page.html", "--overwrite", "--json")
    page = environment.hybridx(*words, folder=folder).json()
    assert page["size"] == (folder / "page.html").stat().st_size
    described = environment.hybridx("doctor", "--json", folder=folder).json()
    assert described["version"]


def runs_on_a_device(environment: Installed, folder: Path) -> None:
    words = ("run", "model.onnx", "--device", "default.qubit", "--json")
    assert environment.hybridx(*words, folder=folder).json()["device"] == "default.qubit"


def draws(environment: Installed, folder: Path) -> None:
    done = environment.hybridx("inspect", "model.onnx", "--draw", "circuit.png", folder=folder)
    assert done.code == 0, done.talk
    assert (folder / "circuit.png").read_bytes().startswith(b"\x89PNG")


def exports(environment: Installed, folder: Path) -> None:
    (folder / "source.py").write_text(MODEL)
    words = ("export", "source.py:build", "--shape", "N,3", "-o", "new.onnx", "--json")
    report = environment.hybridx(*words, folder=folder).json()
    assert report["verification"]["worst"] < 1e-5
    assert environment.hybridx("run", "new.onnx", folder=folder).code == 0


def trains(environment: Installed, folder: Path) -> None:
    (folder / "source.py").write_text(MODEL)
    code = (
        "import hybridx, torch; from source import build; model = build(); "
        "report = hybridx.accelerate(model, (torch.zeros(2, 3),)); "
        "model(torch.zeros(4, 3)).sum().backward(); print(report.layers[0].is_compiled)"
    )
    done = subprocess.run(
        [environment.python, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


def runs_circuits_as_operators(environment: Installed, folder: Path) -> None:
    described = environment.hybridx("doctor", "--json", folder=folder).json()
    versions = {part["package"]: part["version"] for part in described["parts"]}
    assert versions["onnxruntime-extensions"]
    runs_its_self_test(environment, folder)


def reads_and_writes_parquet(environment: Installed, folder: Path) -> None:
    np.save(folder / "x.npy", rows(5))
    for given, written in (("x.npy", "y.parquet"), ("y.parquet", "z.npy")):
        words = ("run", "model.onnx", "-i", given, "-o", written)
        done = environment.hybridx(*words, folder=folder)
        assert done.code == 0, done.talk
    assert np.load(folder / "z.npy").shape == (5, 2)


def signs_and_verifies(environment: Installed, folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(folder / "key.pem", key)
    write_public(folder / "pub.pem", key)
    for words in (
        ("sign", "model.onnx", "--key", "key.pem"),
        ("run", "model.onnx", "--key", "pub.pem"),
    ):
        done = environment.hybridx(*words, folder=folder)
        assert done.code == 0, done.talk
    (folder / "model.onnx.sig").write_text("{}")
    assert environment.hybridx("verify", "model.onnx", "--key", "pub.pem", folder=folder).code == 3


def writes_a_bill_of_materials(environment: Installed, folder: Path) -> None:
    bill = environment.hybridx("inspect", "model.onnx", "--bom", "--json", folder=folder).json()
    assert bill["bom"]["specVersion"] == "1.6"


WHAT_FOR: dict[str, Callable[[Installed, Path], None]] = {
    "": runs_its_self_test,
    "bom": writes_a_bill_of_materials,
    "custom-op": runs_circuits_as_operators,
    "devices": runs_on_a_device,
    "draw": draws,
    "export": exports,
    "parquet": reads_and_writes_parquet,
    "sign": signs_and_verifies,
    "train": trains,
}
ELSEWHERE = {"braket", "dev", "qiskit", "ray"}
"""Extras that `tests/plugins`, `tests/clusters` or the tests of this environment are about."""


@pytest.fixture
def folder(tmp_path):
    """A folder with a model file."""
    inputs = rows(5)
    outputs = {"y": simulate(parse(TURN), inputs).astype(np.float32)}
    metadata = Metadata("0", self_test=SelfTest({"x": inputs}, outputs, 1e-5))
    model = build([(TURN, ["x"], "y")], [("y", ["batch", 2])], metadata=metadata)
    (tmp_path / "model.onnx").write_bytes(model.content)
    return tmp_path


def test_every_extra_is_tried():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = set(declared["project"]["optional-dependencies"])
    assert extras == (set(WHAT_FOR) | ELSEWHERE) - {""}


@pytest.mark.parametrize("extra", WHAT_FOR)
def test_an_extra_alone_does_what_it_is_for(extra, built, folder):
    WHAT_FOR[extra](with_extra(built.wheel, extra), folder)


def test_what_needs_an_extra_names_the_command(built, folder):
    environment = with_extra(built.wheel, "")
    (folder / "source.py").write_text(MODEL)
    words = ("export", "source.py:build", "--shape", "N,3", "-o", "new.onnx")
    done = environment.hybridx(*words, folder=folder)
    assert done.code == 3
    assert "pip install 'hybridx[export]'" in done.talk
    assert not done.out
