"""`pip install hybridx` alone: files run, and errors name the extra that is missing."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from tests.cli.shell import DATA, USER_MODEL, new_command


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A folder with what the development environment exports, in two formats, and predicts."""
    folder = tmp_path_factory.mktemp("exported")
    for name in ("model.onnx", "model.pt2"):
        words = ("export", f"{USER_MODEL}:model", "--shape", "N,4", "-o", name)
        assert new_command(*words, folder=folder).code == 0
    np.save(folder / "x.npy", DATA)
    assert (
        new_command("run", "model.onnx", "-i", "x.npy", "-o", "here.npy", folder=folder).code == 0
    )
    return folder


def test_it_imports(base):
    code = "import hybridx; print(hybridx.__version__, *hybridx.__all__)"
    done = subprocess.run([base.python, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "load" in done.stdout.split()


def test_a_file_reproduces_its_self_test(base, exported):
    report = base.hybridx("run", "model.onnx", "--json", folder=exported).json()
    assert (report["device"], report["usage"]["circuits"]) == ("onnx", 0)
    assert report["worst"] <= report["tolerance"] == 1e-5


def test_a_file_runs_on_data(base, exported):
    words = ("run", "model.onnx", "-i", "x.npy", "-o", "there.npy", "--overwrite")
    finished = base.hybridx(*words, folder=exported)
    assert finished.code == 0, finished.talk
    here, there = np.load(exported / "here.npy"), np.load(exported / "there.npy")
    # Another version of ONNX Runtime may sum in another order.
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-5)


def test_a_file_becomes_a_bundle_and_is_what_it_was(base, exported):
    parts = base.hybridx("convert", "model.onnx", "-o", "parts", "--overwrite", folder=exported)
    assert parts.code == 0, parts.talk
    report = base.hybridx("run", "parts", "--json", folder=exported).json()
    assert report["worst"] <= report["tolerance"]


def test_inspect_and_doctor(base, exported):
    report = base.hybridx("inspect", "model.onnx", "--json", folder=exported).json()
    assert [circuit["wires"] for circuit in report["circuits"]] == [2]
    assert "OPENQASM 3" in base.hybridx("inspect", "model.onnx", "--qasm", folder=exported).out
    diagnosis = base.hybridx("doctor", "--json", folder=exported).json()
    assert [one["name"] for one in diagnosis["devices"] if one["is_ready"]] == ["onnx"]
    missing = {part["package"]: part["install"] for part in diagnosis["parts"]}
    assert missing["onnxruntime"] is None
    assert missing["torch"] == "pip install 'hybridx[export]'"


NEEDS = {
    "lightning.qubit": "pip install 'hybridx[devices]'",
    "qiskit.aer": "pip install 'hybridx[qiskit]'",
    "braket.local.qubit": "pip install 'hybridx[braket]'",
    "ionq.qpu": "pip install pennylane-ionq",
    "nobody.knows": "pip install 'hybridx[devices]'",
}


@pytest.mark.parametrize(("device", "needs"), NEEDS.items(), ids=NEEDS)
def test_a_device_says_what_to_install(device, needs, base, exported):
    finished = base.hybridx("run", "model.onnx", "--device", device, folder=exported)
    assert (finished.code, finished.out) == (3, "")
    assert f"help: {needs}" in finished.talk


LACKS = {
    "a TorchScript or PT2 file": ("run", "model.pt2"),
    "export": ("export", f"{USER_MODEL}:model", "--shape", "N,4", "-o", "new.onnx"),
    "a model to compare with": ("verify", "model.onnx", "--against", f"{USER_MODEL}:model"),
}


@pytest.mark.parametrize("words", LACKS.values(), ids=LACKS)
def test_what_needs_torch_says_what_to_install(words, base, exported):
    finished = base.hybridx(*words, folder=exported)
    assert (finished.code, finished.out) == (3, "")
    assert "error HX001 " in finished.talk
    assert "help: pip install 'hybridx[export]'" in finished.talk
