"""Target: the command line, run in this process in a folder of its own."""

from __future__ import annotations

import os
import random
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import cache
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import typer

from hybridx.cli.app import COMMANDS, app
from hybridx.cli.main import run
from tests.fuzzing.changes import change_lines
from tests.fuzzing.target import HERE, Mutate, Target
from tests.golden.files import newest

EXPORTED = HERE.parents[1] / "exported"
# They measure, train, or start processes; what they read, other targets read.
LEFT_OUT = {"bench", "train", "doctor"}
LEFT_OUT_OPTIONS = {"--isolated", "--debug", "--time-limit", "--memory-limit", "--bench"}
VALUES = (
    *("model.onnx", "model.pt", "model.pt2", "model.bundle", "cut.onnx", "text.onnx", "folder"),
    *("x.npy", "x.npz", "x.csv", "bad.csv", "x.json", "rows.json", "experiment.toml"),
    *("net.py:Net", "net.py:nosuch", "y.npy", "y.npz", "y.csv", "y.json", "y.onnx", "y.pt"),
    *("y.bundle", "y.svg", "y.html", "-", "", "0", "1", "2", "-1", "1e3", "nan", "9" * 40, "N,3"),
    *("x=N,3", "x", "a,b,c", "kind", "default.qubit", "onnx", "statevector", "float64"),
    *("a=1", "hidden=3", "pt2", "bundle", "csv", "npy", "cpu", "split", "--"),
)
NET = """
import torch

class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(3, 2)
"""


class DefectError(AssertionError):
    """A command ended with a traceback."""


@cache
def _place() -> Path:
    """Return the folder, with a file of every kind."""
    place = Path(tempfile.mkdtemp(prefix="hybridx-fuzzing-"))
    golden = newest()
    shutil.copy(golden["onnx classifier"], place / "model.onnx")
    shutil.copy(golden["torchscript classifier"], place / "model.pt")
    shutil.copy(golden["pt2 classifier"], place / "model.pt2")
    shutil.copytree(golden["bundle classifier"], place / "model.bundle")
    whole = (place / "model.onnx").read_bytes()
    table = b"a,b,c,kind\n1,2,3,yes\n4,5,6,no\n"
    files = {
        "cut.onnx": whole[: len(whole) // 2],
        "text.onnx": b"no model\n",
        "x.csv": table,
        "bad.csv": b"a,a\n1\n",
        "x.json": b'{"input": [[1, 2, 3]]}',
        "rows.json": b'{"held_out_rows": [0]}',
        "experiment.toml": (EXPORTED / "iris.toml").read_bytes(),
        "net.py": NET.encode(),
    }
    for name, content in files.items():
        (place / name).write_bytes(content)
    (place / "folder").mkdir()
    np.save(place / "x.npy", np.ones((2, 3), "float32"))
    np.savez(place / "x.npz", input=np.ones((2, 3), "float32"))
    shutil.copytree(place, f"{place}.kept")
    return place


def _state(place: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(place)): one.read_bytes() if one.is_file() else b""
        for one in sorted(place.rglob("*"))
        if "__pycache__" not in one.parts
    }


@cache
def _state_before() -> dict[str, bytes]:
    return _state(Path(f"{_place()}.kept"))


def arguments_of(data: bytes) -> list[str]:
    """Return the arguments of an input, one a line, none of which leads out of the folder."""
    texts = (os.fsdecode(line) for line in data.split(b"\n"))
    plain = [re.sub(r"[/~\0$]|\.\.", "_", text) for text in texts]
    return [one for one in plain if one.partition("=")[0] not in LEFT_OUT_OPTIONS][:40]


def read_arguments(data: bytes) -> None:
    arguments = arguments_of(data)
    if LEFT_OUT & set(arguments):
        return
    place, before = _place(), _state_before()
    out, talk = _stream(), _stream()
    with chdir(place), redirect_stdout(out), redirect_stderr(talk):
        code = run(arguments)
    after = _state(place)
    if after != before:
        shutil.rmtree(place)
        shutil.copytree(f"{place}.kept", place)
    said = talk.buffer.getvalue().decode(errors="replace")  # type: ignore[attr-defined]
    shown = out.buffer.getvalue().decode(errors="replace")  # type: ignore[attr-defined]
    if code == 70:
        frames = re.findall(r'hybridx/(\S+\.py)", line (\d+)', said)
        raise DefectError(f"{':'.join(frames[-1]) if frames else ''}\n{arguments}\n{said}")
    assert code in (0, 1, 2, 3), f"{arguments} ends with {code}"
    assert code < 2 or after == before, f"{arguments} is refused and leaves other files"
    assert "\x1b" not in shown + said, f"{arguments} writes an escape sequence"
    if code == 3 and "--json" not in arguments and arguments[0] != "check":
        assert re.search(r"HX\d{3}", said), f"{arguments} is refused without a code: {said}"


def _stream() -> TextIOWrapper:
    return TextIOWrapper(BytesIO(), "utf-8", errors="hybridx.plain", write_through=True)


@cache
def _words() -> tuple[str, ...]:
    known: Any = typer.main.get_command(app)
    commands = [one for one in COMMANDS if one not in LEFT_OUT]
    options = {
        name for one in commands for option in known.commands[one].params for name in option.opts
    }
    return (*commands, *sorted(options - LEFT_OUT_OPTIONS), *VALUES)


def change_arguments(rng: random.Random, data: bytes, mutate: Mutate) -> bytes:
    """Change a command line."""
    return change_lines(rng, data, mutate, _words())


def _calls() -> Iterator[bytes]:
    for text in (
        "inspect model.onnx",
        "inspect model.pt --json",
        "inspect model.onnx --draw y.svg",
        "inspect model.onnx --html y.html",
        "inspect model.bundle --qasm",
        "run model.onnx",
        "run model.onnx -i x.npy -o y.npz",
        "run model.onnx -i x.csv --columns a,b,c -o y.csv",
        "run model.onnx -i x.npz -o y.json --device default.qubit --shots 10",
        "run model.pt2 --json",
        "evaluate model.onnx --data x.csv --target kind --columns a,b,c --rows rows.json",
        "convert model.onnx -o y.bundle",
        "convert model.bundle -o y.onnx --overwrite",
        "verify model.onnx",
        "check net.py:Net --shape N,3",
        "export net.py:Net --shape N,3 -o y.onnx",
        "--version",
        "run --help",
    ):
        yield "\n".join(text.split()).encode()


TARGETS = (Target("commands", read_arguments, _calls, change_arguments),)
