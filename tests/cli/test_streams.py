"""Stdout belongs to the results of a command; what other code prints there goes to stderr."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.cli.shell import DATA, command

NOISY = """
import os
from pennylane.devices import DefaultQubit

real = DefaultQubit.execute

def execute(self, *args, **kwargs):
    print("from a print")
    os.write(1, b"from C\\n")
    os.system("echo from a child")
    return real(self, *args, **kwargs)

DefaultQubit.execute = execute
"""
NOISE = {"from a print", "from C", "from a child"}
DEVICE = ("--device", "default.qubit")
TABLE = ("--data", "t.csv", "--target", "y", "--classes", "a,b,c")
NOISY_MODEL = """
import os, torch
print("from a print")
os.system("echo from a child")
class Model(torch.nn.Module):
    def forward(self, x):
        os.write(1, b"from C\\n")
        return 2 * x
model = Model()
"""


@pytest.mark.parametrize(
    "words",
    [
        ("run", "model.onnx", "-i", "x.npy", *DEVICE),
        ("run", "model.onnx", *DEVICE),
        ("verify", "model.onnx", *DEVICE),
        ("bench", "model.onnx", *DEVICE, "--batch", "1", "--seconds", "0.01"),
        ("evaluate", "model.onnx", *TABLE, *DEVICE),
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_a_device_that_prints_does_not_spoil_one_json_object(words, model):
    (model.parent / "t.csv").write_text("p,q,r,s,y\n1,2,3,4,a\n")
    finished = command(*words, "--json", folder=model.parent, patch=NOISY)
    assert finished.json()["path"] == "model.onnx"
    assert set(finished.talk.splitlines()) >= NOISE


def test_a_device_that_prints_does_not_spoil_piped_results(model):
    words = ("run", model, "-i", "x.npy", "-o", "-", "--output-format", "csv", *DEVICE)
    noisy = command(*words, folder=model.parent, patch=NOISY)
    assert noisy.out == command(*words, folder=model.parent).out
    assert len(noisy.out.splitlines()) == 1 + len(DATA)
    assert set(noisy.talk.splitlines()) >= NOISE


def test_a_model_that_prints_does_not_spoil_one_json_object(folder):
    (folder / "noisy.py").write_text(NOISY_MODEL)
    words = ("export", "noisy.py:model", "--shape", "N,4", "--json")
    finished = command(*words, folder=folder)
    assert finished.json()["path"] == "model.onnx"
    assert set(finished.talk.splitlines()) >= NOISE


def run_with(streams, model, *words):
    """Run the model in a shell that closes or redirects streams."""
    line = f'"{sys.executable}" -m hybridx run model.onnx -i x.npy {" ".join(words)} {streams}'
    return subprocess.run(
        line, shell=True, cwd=model.parent, capture_output=True, text=True, check=False
    )


def test_a_stream_that_is_closed_is_no_defect(model):
    without_out = run_with(">&-", model)
    assert (without_out.returncode, "Traceback" in without_out.stderr) == (0, False)
    assert run_with(">&-", model, "--json").returncode == 0
    without_err = run_with("2>&-", model)
    assert without_err.returncode == 0
    assert without_err.stdout.startswith("output  float32 (7, 3)")
    piped = run_with(">&-", model, "-o - --output-format npy")
    assert (piped.returncode, "HX302" in piped.stderr) == (3, True)


def test_a_full_disk_behind_stdout_is_no_defect(model):
    for words in ((), ("--json",), ("-o - --output-format csv",)):
        full = run_with("> /dev/full", model, *words)
        assert full.returncode == 3, full.stderr
        assert "HX302 stdout cannot be written: No space left on device" in full.stderr
        assert "Traceback" not in full.stderr


def test_the_results_in_a_pipe_are_what_is_printed(model):
    printed = json.loads(run_with("", model, "--json").stdout)
    np.testing.assert_array_equal(np.array(printed["outputs"]["output"]).shape, (len(DATA), 3))
