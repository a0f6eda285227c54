"""`hybridx run` on devices, and `hybridx doctor`, as a user gives them."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from hybridx.cli.printer import Printer
from tests.cli.shell import command, listing, new_command
from tests.runtime.installed import WITHOUT_PLUGINS
from tests.runtime.models import GRAPHS
from tests.runtime.remote import rows

RUN = ("run", "model.onnx", "-i", "x.npy")


@pytest.fixture
def place(tmp_path):
    """A folder with a model that took no export, and data for it."""
    content = GRAPHS["one behind another"]().content
    (tmp_path / "model.onnx").write_bytes(content)
    np.save(tmp_path / "x.npy", rows(5))
    return tmp_path


MISHAP = """
import time, pennylane as qml
whole, calls = qml.devices.DefaultQubit.execute, []
def execute(*args, **kwargs):
    calls.append(None)
    if len(calls) == {at}:
        raise {error}
    return whole(*args, **kwargs)
qml.devices.DefaultQubit.execute = execute
time.sleep = lambda _: None
"""


def test_shots_and_a_seed_repeat_and_are_recorded(place):
    words = (*RUN, "--device", "default.qubit", "--shots", "50", "--seed", "2", "--provider", "cpu")
    words = (*words, "--max-shots")
    first = command(*words, "750", "-o", "y.json", folder=place)
    assert first.code == 0, first.talk
    assert "default.qubit gets 15 circuits with 750 shots in 3 submissions" in first.talk
    assert "sent 15 circuits with 750 shots in all; classical parts on cpu" in first.talk
    written = json.loads((place / "y.json").read_text())
    assert written["execution"]["device"] == "default.qubit"
    report = command(*words, "750", "--json", folder=place).json()
    assert report["outputs"]["y"] == written["y"]
    assert report["usage"] == written["execution"]
    assert command(*words, "749", "-o", "z.json", folder=place).code == 3
    assert {path.name for path in place.iterdir()} == {"model.onnx", "x.npy", "y.json"}


def test_a_dry_run_says_what_would_be_sent_and_writes_nothing(place):
    before = listing(place)
    words = (*RUN, "--device", "lightning.qubit", "--shots", "10", "-o", "y.npz", "--dry-run")
    finished = command(*words, folder=place)
    assert (finished.code, finished.out) == (0, "")
    assert "lightning.qubit would get 15 circuits with 150 shots" in finished.talk
    assert listing(place) == before


def test_standard_errors_stand_beside_the_outputs(place):
    words = (*RUN, "--device", "default.qubit", "--shots", "50", "--repeats", "3", "-o", "y.npz")
    assert command(*words, folder=place).code == 0
    with np.load(place / "y.npz") as arrays:
        assert arrays.files == ["y", "y_standard_error"]
        assert arrays["y_standard_error"].shape == arrays["y"].shape


def test_a_stop_by_hand_ends_with_130_and_says_what_is_kept(place):
    words = (*RUN, "--device", "default.qubit", "-o", "y.npz", "--batch-size", "2")
    mishap = MISHAP.format(at=5, error="KeyboardInterrupt")
    stopped = command(*words, folder=place, patch=mishap)
    assert stopped.code == 130, stopped.talk
    assert "4 submissions are kept in y.npz.partial; --resume" in stopped.talk
    assert "Traceback" not in stopped.talk
    resumed = command(*words, "--resume", "--json", folder=place).json()
    assert (resumed["usage"]["resumed"], resumed["usage"]["submissions"]) == (4, 5)
    assert not (place / "y.npz.partial").exists()


def test_a_failure_on_the_way_is_repeated_and_told(place):
    patch = MISHAP.format(at=2, error="ConnectionError('reset')")
    finished = command(*RUN, "--device", "default.qubit", folder=place, patch=patch)
    assert finished.code == 0, finished.talk
    assert "failed (ConnectionError: reset); again in 1 s" in finished.talk


def test_a_defect_shows_no_secret(place, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "tk-5f1e9a2b7c")
    patch = "from hybridx import api\ndef run(*_, **__):\n    raise KeyError('tk-5f1e9a2b7c')\n"
    finished = command(*RUN, folder=place, patch=f"{patch}api.predict = run")
    assert finished.code == 70
    assert "<SOME_API_KEY>" in finished.talk
    assert "5f1e" not in finished.talk


BAD = {
    "no plug-in": (("--device", "ionq.qpu"), "HX502", ["pip install pennylane-ionq"]),
    "no plug-in that has an extra": (
        ("--device", "qiskit.aer"),
        "HX502",
        ["'qiskit.aer'", "pip install 'hybridx[qiskit]'"],
    ),
    "no quimb": (("--device", "default.tensor"), "HX502", ["pip install quimb"]),
    "bounded circuits": (
        ("--device", "default.qubit", "--max-circuits", "14"),
        "HX508",
        ["15 circuits", "limit of 14", "--max-circuits"],
    ),
    "an option that cannot be read": (
        ("--device", "default.qubit", "--option", "method"),
        "HX022",
        ["KEY=VALUE"],
    ),
    "an option that the device does not have": (
        ("--device", "default.qubit", "--option", "nosuch=1"),
        "HX503",
        ["nosuch"],
    ),
    "a credential as an option": (
        ("--device", "ionq.qpu", "--option", "api_key=abc"),
        "HX023",
        ["IONQ_API_KEY"],
    ),
    "shots without a device": (("--shots", "5"), "HX021", ["--device"]),
    "a dry run without a device": (("--dry-run",), "HX021", ["--device"]),
    "repeats without shots": (
        ("--device", "default.qubit", "--repeats", "2"),
        "HX021",
        ["--repeats needs --shots"],
    ),
    "resume without an output": (
        ("--device", "default.qubit", "--resume"),
        "HX021",
        ["--resume needs --output"],
    ),
    "a fallback that is not there": (
        ("--device", "ionq.qpu", "--fallback", "default.qbit"),
        "HX501",
        ["default.qbit"],
    ),
    "two outputs in one .npy": (
        ("--device", "default.qubit", "--shots", "5", "--repeats", "2", "-o", "y.npy"),
        "HX017",
        [".npz"],
    ),
}


@pytest.mark.parametrize(("words", "code", "facts"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_and_leaves_nothing(words, code, facts, place):
    before = listing(place)
    finished = command(*RUN, *words, folder=place, patch=WITHOUT_PLUGINS)
    assert finished.code == 3, finished.talk
    assert f"error {code} " in finished.talk
    assert "help: " in finished.talk
    assert finished.out == ""
    assert [fact for fact in facts if fact not in finished.talk] == [], finished.talk
    assert listing(place) == before


def test_a_fallback_is_told_and_recorded(place):
    words = (*RUN, "--device", "ionq.qpu", "--fallback", "default.qubit", "--json")
    finished = command(*words, folder=place, patch=WITHOUT_PLUGINS)
    usage = finished.json()["usage"]
    assert (usage["device"], usage["requested"]) == ("default.qubit", "ionq.qpu")
    assert "default.qubit is used instead" in finished.talk


@pytest.mark.parametrize("words", [(), ("--resume",), ("--repeats", "2"), ("--dry-run",)])
def test_a_self_test_takes_no_options_of_data(words, place):
    finished = command("run", "model.onnx", *words, folder=place)
    assert finished.code == 3
    assert f"HX{'021' if words else '307'} " in finished.talk


SHUT = """
import sys
class Shut:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'pennylane'):
            raise ImportError(f'{name} is shut out')
sys.meta_path.insert(0, Shut())
"""


def test_doctor_says_what_is_there_and_what_is_missing(tmp_path):
    patch = SHUT + WITHOUT_PLUGINS
    report = new_command("doctor", "--json", folder=tmp_path, patch=patch).json()
    assert "cpu" in report["providers"]
    assert {"package", "version", "purpose", "install"} == report["parts"][0].keys()
    devices = {device["name"]: device for device in report["devices"]}
    assert devices["onnx"]["is_ready"]
    assert devices["ionq.*"]["needs"].startswith("pip install pennylane-ionq")
    shown = command("doctor", folder=tmp_path, patch=WITHOUT_PLUGINS)
    assert shown.code == 0
    assert "pip install 'hybridx[qiskit]'" in shown.out


def test_only_the_command_line_prints_what_is_logged():
    """Whoever imports hybridx has the log of Python, as they set it up."""
    logger = logging.getLogger("hybridx")
    before = (list(logger.handlers), logger.level, logger.propagate)
    seen = []

    def stop():
        seen.append((len(logger.handlers), logger.propagate))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Printer().listening():
        stop()
    assert seen == [(len(before[0]) + 1, False)]
    assert (list(logger.handlers), logger.level, logger.propagate) == before
