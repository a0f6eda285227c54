"""What can be refused by its arguments is refused before anything heavy is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.shell import new_command

CODE = """
import sys
from hybridx.cli.main import run
code = run(sys.argv[1:])
heavy = {"numpy", "onnx", "onnxruntime", "torch", "pydantic"}
print(code, *sorted(sys.modules.keys() & heavy), file=sys.stderr)
"""
SHAPE = ("--shape", "N,4")
# words: (exit code, what stderr shows)
CALLS = {
    ("--help",): (0, ""),
    ("export", "-h"): (0, ""),
    ("--version",): (0, ""),
    ("export", "there.py:model", "--nosuch"): (2, "HX002"),
    ("export", "there.py", *SHAPE): (3, "HX010"),
    ("check", "nosuch.py:model", *SHAPE): (3, "HX010"),
    ("export", "there.py:model", *SHAPE, "-o", "there.onnx"): (3, "HX301"),
    ("export", "there.py:model", *SHAPE, "-o", "nosuch/m.onnx"): (3, "HX302"),
    ("export", "there.py:model", *SHAPE, "--format", "qasm"): (3, "HX017"),
    ("export", "there.py:model", *SHAPE, "--dtype", "float16"): (3, "HX017"),
    ("export", "there.py:model", *SHAPE, "-o", "m.tflite"): (3, "HX017"),
    ("convert", "there.onnx", "-o", "m.tflite"): (3, "HX017"),
    ("export", "there.py:model", *SHAPE, "--opset", "9"): (3, "HX017"),
    ("export", "there.py:model", *SHAPE, "--batch", "many"): (3, "HX017"),
    ("export", "there.py:model", *SHAPE, "--strategy", "nosuch"): (3, "cones, multilinear"),
    ("export", "there.py:model", *SHAPE, "--aot"): (3, "HX021"),
    ("export", "there.py:model", *SHAPE, "--no-body", "--strategy", "sweep"): (3, "HX003"),
    ("export", "there.py:model", *SHAPE, "--checkpoint", "nosuch.pt"): (3, "HX303"),
    ("export", "there.py:model", *SHAPE, "--example", "there.npy"): (3, "HX003"),
    ("verify", "there.onnx", "--against", "there.py"): (3, "HX010"),
    ("verify", "there.onnx", "--checkpoint", "w.pt"): (3, "HX021"),
    ("bench", "nosuch.onnx"): (3, "HX303"),
    ("bench", "there.onnx", "--batch", "1,x"): (3, "HX017"),
    ("bench", "there.onnx", "--device", "qiskit.remote"): (3, "HX017"),
    ("bench", "there.onnx", "--plot", "b.txt"): (3, "HX017"),
    ("bench", "there.onnx", "--overwrite"): (3, "HX021"),
    ("run", "nosuch.onnx"): (3, "HX303"),
    ("run", "there.onnx", "-i", "nosuch.csv"): (3, "HX303"),
    ("run", "there.onnx", "-i", "x.xlsx"): (3, "HX017"),
    ("run", "there.onnx", "-o", "y.npy"): (3, "HX021"),
    ("run", "there.onnx", "--overwrite"): (3, "HX021"),
    ("run", "there.onnx", "-i", "there.npy", "--seed", "1"): (3, "HX021"),
    ("run", "there.onnx", "-i", "there.npy", "-o", "a.npy", "-o", "b.npy"): (3, "HX004"),
    ("run", "there.onnx", "-i", "there.npy", "-o", "y.xlsx"): (3, "HX017"),
    ("run", "there.onnx", "--provider", "nosuch"): (3, "auto, cuda"),
    ("run", "there.onnx", "--engine", "nosuch"): (3, "split, custom-op"),
    ("run", "there.onnx", "-i", "there.npy", "--input-format", "x"): (3, "npy, npz"),
    ("run", "there.onnx", "-i", "there.npy", "-o", "y.npy", "--output-format", "x"): (
        3,
        "npy, npz",
    ),
    ("verify", "there.onnx", "--provider", "nosuch"): (3, "auto, cuda"),
    ("bench", "there.onnx", "--provider", "nosuch"): (3, "auto, cuda"),
    ("convert", "there.onnx", "-o", "m.onnx", "--format", "pt2"): (3, "onnx, bundle"),
    ("evaluate", "there.onnx", "--data", "there.npy", "--target", "y", "--data-format", "x"): (
        3,
        "npy, npz",
    ),
    ("run", "there.onnx", "-i", "there.npy", "-q", "-v"): (3, "HX003"),
    ("inspect", "there.onnx", "--qasm", "--draw", "c.svg"): (3, "HX003"),
    ("inspect", "there.onnx", "--overwrite"): (3, "HX021"),
    ("inspect", "n" * 300): (3, "HX303"),
    ("convert", "nosuch.onnx", "-o", "m.bundle"): (3, "HX303"),
    ("convert", "there.onnx", "-o", "n" * 300 + ".onnx"): (3, "HX302"),
    ("evaluate", "there.onnx", "--data", "nosuch.csv", "--target", "y"): (3, "HX303"),
    ("train", "nosuch.toml"): (3, "HX303"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with files that are not read, because a call is refused before."""
    folder = tmp_path_factory.mktemp("cheap")
    for name in ("there.py", "there.onnx", "there.npy"):
        (folder / name).write_bytes(b"")
    return folder


def run(words, folder):
    """Run a command in a new process, which prints what it has imported last of all."""
    return subprocess.run(
        [sys.executable, "-c", CODE, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", CALLS, ids=lambda words: " ".join(words)[:60])
def test_a_call_is_refused_before_anything_heavy_is_imported(words, folder):
    finished = run(words, folder)
    code, said = CALLS[words]
    *told, last = finished.stderr.splitlines()
    assert last == str(code), finished.stderr
    assert said in "\n".join(told)
    assert bool(finished.stdout) == (code == 0)


SEEN = """
import atexit, sys
seen = {"onnx", "pydantic", "numpy.ma", "hybridx.lowering.select", "hybridx.program",
        "hybridx.passes", "hybridx.artifact.guard.program", "hybridx.cli.commands.exports"}
atexit.register(lambda: print(*sys.modules.keys() & seen, file=sys.stderr))
"""


@pytest.mark.parametrize("data", [("-i", "x.npy"), ()], ids=["data", "self-test"])
def test_a_run_imports_what_it_needs(data, model):
    ran = new_command("run", model, *data, folder=model.parent, patch=SEEN)
    assert ran.code == 0, ran.talk
    assert ran.talk.splitlines()[-1] == "onnx"


def test_what_is_heavy_is_seen(folder):
    finished = run(("inspect", "there.onnx"), folder)
    assert finished.stderr.splitlines()[-1].startswith("3 numpy onnx")
