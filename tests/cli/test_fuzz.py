"""Calls of every kind that a user may try: none is a defect, and with --json each is one object.

`HYBRIDX_FUZZ=2000 python -m pytest tests/cli/test_fuzz.py` tries that many.
"""

from __future__ import annotations

import json
import os
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from hybridx.cli.main import run
from tests.cli import user_model
from tests.cli.shell import DATA, USER_MODEL
from tests.runtime.models import GRAPHS

CALLS = int(os.environ.get("HYBRIDX_FUZZ", "200"))
# Of the calls, those that import torch and may export; each takes up to a second.
EXPORTS = CALLS // 10

WRONG_CODE = """
import sys
import torch
from torch import nn

text, number, nothing, tensor = "model", 3, None, torch.zeros(2)
state = {"head.weight": torch.zeros(2)}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
    def forward(self, x):
        return self.head(x)

class Needs(nn.Module):
    def __init__(self, hidden: int):
        super().__init__()
        self.head = nn.Linear(4, hidden)
    def forward(self, x):
        return self.head(x)

class Raises(nn.Module):
    def forward(self, x):
        return x + self.nothing

class Ends(nn.Module):
    def forward(self, x):
        sys.exit(2)

class Two(nn.Module):
    def forward(self, x, y):
        return x + y

class Odd(nn.Module):
    def forward(self, x):
        return {"[bold]": x, "a/b": x * 2, "": x.sum()}

def ends():
    sys.exit()

def gives_nothing():
    return None
"""


def long_table():
    return f"a,b,[c],d,kind\n{'9' * 5000},nan,inf,x,0\n1,2,3,4,\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a file of every kind, good and bad; what a command writes is removed."""
    folder = tmp_path_factory.mktemp("fuzz")
    good = GRAPHS["one behind another"]().content
    files = {
        "good.onnx": good,
        "cut.onnx": good[: len(good) // 2],
        "empty.onnx": b"",
        "text.onnx": b"no model\n" * 50,
        "zeros.onnx": bytes(500),
        "t.csv": b"a,b,c,d,kind\n1,2,3,4,0\n5,6,7,8,1\n",
        "bare.csv": b"1,2,3,4\n5,6,7,8\n",
        "twice.csv": b"a,a,b,c\n1,2,3,4\n",
        "odd.csv": long_table().encode(),
        "latin.csv": "größe,b\n1,2\n".encode("latin-1"),
        "empty.csv": b"",
        "x.json": b'{"x": [[1, 2], [3, 4]]}',
        "bad.json": b'{"x": [[1, 2], [3',
        "cut.npy": b"\x93NUMPY\x01\x00v\x00",
        "cut.npz": b"PK\x03\x04" + bytes(30),
        "cut.pt": b"PK\x03\x04" + bytes(30),
        "cut.safetensors": (10**9).to_bytes(8, "little") + b"{}",
        "broken.py": b"def f(:\n",
        "ends.py": b"import sys; sys.exit(1)\n",
        "wrong.py": WRONG_CODE.encode(),
        "user_model.py": USER_MODEL.read_bytes(),
        "rows.json": b'{"held_out_rows": [0]}',
        "bad.toml": b"[model\n",
        "other.toml": b"a = 1\n",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    np.save(folder / "x.npy", DATA[:, :2])
    np.save(folder / "wide.npy", DATA)
    np.save(folder / "none.npy", DATA[:0, :2])
    np.save(folder / "complex.npy", DATA.astype(complex))
    np.savez(folder / "x.npz", x=DATA[:, :2])
    np.savez(folder / "names.npz", **{"[red]": DATA, "y": DATA})
    torch.save(user_model.Small().state_dict(), folder / "good.pt")
    torch.save({"model": user_model.Small}, folder / "class.pt")
    torch.save([1, 2], folder / "list.pt")
    return folder


ODD = ["", "-", ".", "..", "/", "nosuch", "[bold]x[/bold]", "größe", "\udc80", "n" * 300, "%s{}"]
MODELS = [
    "good.onnx",
    "cut.onnx",
    "empty.onnx",
    "text.onnx",
    "zeros.onnx",
    "folder",
    "t.csv",
    "cut.pt",
]
DATAS = [
    "x.npy",
    "wide.npy",
    "none.npy",
    "complex.npy",
    "x.npz",
    "names.npz",
    "t.csv",
    "bare.csv",
    "twice.csv",
    "odd.csv",
    "latin.csv",
    "empty.csv",
    "x.json",
    "bad.json",
    "cut.npy",
    "cut.npz",
    "folder",
    "good.onnx",
    "x.xlsx",
]
OUTPUTS = [
    "y.npy",
    "y.npz",
    "y.csv",
    "y.json",
    "y.xlsx",
    "y.onnx",
    "y.bundle",
    "y.pt",
    "folder",
    "x.npy",
    "nosuch/y.npy",
    "good.onnx",
]
SOURCES = [
    "user_model.py:model",
    "user_model.py:Small",
    "user_model.py:make_small",
    "user_model.py:layer",
    "user_model.py:fails",
    "user_model.py:gives_a_list",
    "user_model.py:answer",
    "user_model.py:nosuch",
    "user_model.py:not_finite",
    "user_model.py",
    "wrong.py:text",
    "wrong.py:number",
    "wrong.py:nothing",
    "wrong.py:tensor",
    "wrong.py:state",
    "wrong.py:Net",
    "wrong.py:Needs",
    "wrong.py:Raises",
    "wrong.py:Ends",
    "wrong.py:Two",
    "wrong.py:Odd",
    "wrong.py:ends",
    "wrong.py:gives_nothing",
    "wrong.py:sys",
    "wrong.py:nn",
    "broken.py:f",
    "ends.py:f",
    "nosuch.py:f",
    "nosuch.module:f",
    "folder:f",
    "t.csv:f",
    ":",
    "a:",
    ":b",
    "bad.toml",
    "other.toml",
    "nosuch.toml",
    "torch.nn:Linear",
    "math:sin",
]
SHAPES = [
    "N,4",
    "x=N,4",
    "N,5",
    "4",
    "N",
    "N,T,4",
    "x=N,4:int64",
    "N,99999999999",
    "N,0",
    "0,4",
    "T=3,4",
    "n,4",
    ",",
    "N,4,",
    "y=N,4",
    "N,-1",
    "N,4:nosuch",
    "N,4:bool",
]
SHAPES += ["N," * 70 + "4", "1" * 400]
NUMBERS = ["0", "1", "2", "-1", "1e3", "nan", "inf", "1e-400", "9" * 400, "x", "3.5", "0x1", "1_0"]
NAMES = ["x", "a,b", "a,a", ",", "c,b,a", "[red]", "0,1", "out", "1e5"]
CHECKPOINTS = ["good.pt", "cut.pt", "class.pt", "list.pt", "cut.safetensors", "t.csv", "folder"]


def texts(*pools):
    return st.one_of(*map(st.sampled_from, filter(None, (*pools, ODD))), st.text(max_size=8))


def option(name, *pools):
    return st.tuples(st.just(name), texts(*pools))


def flag(*names):
    return st.sampled_from([(name,) for name in names])


SHOWN = flag("--json", "-q", "-v", "--debug", "-h", "--nosuch", "--")
DEVICES = ["onnx", "default.qubit", "lightning.qubit", "qiskit.aer", "default.qutrit"]
EXECUTION = st.one_of(
    option("--device", DEVICES),
    option("--shots", NUMBERS),
    option("--seed", NUMBERS),
    option("--max-circuits", NUMBERS),
    option("--max-shots", NUMBERS),
    option("--retries", NUMBERS),
    option("--option", ["a=1", "wires=3", "token=abc", "=", "a=[1,2", "name=x"]),
    option("--fallback", ["onnx", "default.qubit"]),
    option("--provider", ["cpu", "auto", "cuda", "tpu"]),
    option("--engine", ["split", "custom-op"]),
)
RUN = st.one_of(
    EXECUTION,
    SHOWN,
    option("-i", DATAS),
    option("-o", OUTPUTS),
    option("--columns", NAMES),
    option("--input-format", ["npy", "csv", "json"]),
    option("--output-format", ["npy", "csv"]),
    option("--batch-size", NUMBERS),
    option("--repeats", NUMBERS),
    flag("--dry-run", "--resume", "--resend", "--overwrite", "--no-header"),
)
INSPECT = st.one_of(
    SHOWN, option("--draw", ["c.svg", "c.png", "c.xyz"]), flag("--qasm", "--overwrite")
)
CONVERT = st.one_of(
    SHOWN,
    option("-o", OUTPUTS),
    option("--format", ["onnx", "bundle", "pt2"]),
    flag("--overwrite"),
)
VERIFY = st.one_of(EXECUTION, SHOWN, option("--atol", NUMBERS), option("--significance", NUMBERS))
EVALUATE = st.one_of(
    EXECUTION,
    SHOWN,
    option("--data", DATAS),
    option("--target", ["kind", "a", "4"]),
    option("--columns", NAMES),
    option("--classes", NAMES),
    option("--rows", ["rows.json", "bad.json", "t.csv"]),
)
SOURCE = st.one_of(
    SHOWN,
    option("--shape", SHAPES),
    option("--shape", SHAPES),
    option("--example", DATAS),
    option("--checkpoint", CHECKPOINTS),
    option("--arg", ["hidden=3", "hidden=x", "nosuch=1", "hidden", "=", "outputs=[1"]),
    option("--range", ["x=0:9", "x=9:0", "y=0:1", "x"]),
    option("--batch", ["2", "none", "dynamic", "0"]),
    option("--dtype", ["float32", "float64", "float16"]),
)
EXPORT = st.one_of(
    SOURCE,
    option("-o", OUTPUTS),
    option("--format", ["onnx", "torchscript", "pt2", "bundle", "x"]),
    option("--opset", ["18", "20", "9", *NUMBERS]),
    option("--atol", NUMBERS),
    option("--strategy", ["statevector", "unitary", "x"]),
    option("--input-names", NAMES),
    option("--output-names", NAMES),
    option("--columns", NAMES),
    option("--classes", NAMES),
    option("--metadata", ["author=Ada", "hybridx.format=1", "x", "=", "[a]=b"]),
    flag("--no-body", "--no-verify", "--embed-example", "--no-self-test", "--overwrite", "--aot"),
)


def call(command, first, options):
    """Calls of a command: its argument, maybe missing or twice, and options in any number."""
    right = st.lists(st.sampled_from(first or ODD), min_size=1, max_size=1)
    arguments = st.one_of(right, right, st.lists(texts(first), max_size=2))
    return st.tuples(st.just((command,)), arguments, st.lists(options, max_size=5))


FILES = st.one_of(
    call("run", MODELS, RUN),
    call("run", MODELS, RUN),
    call("inspect", MODELS, INSPECT),
    call("convert", MODELS, CONVERT),
    call("verify", MODELS, VERIFY),
    call("evaluate", MODELS, EVALUATE),
    call("doctor", [], SHOWN),
    call("train", ["bad.toml", "nosuch.toml", "other.toml"], SHOWN),
    call("nosuch", [], SHOWN),
)
FITTING = st.just(("--shape", "N,4"))
SOURCED = st.one_of(
    call("export", SOURCES, EXPORT),
    call("export", SOURCES, st.one_of(FITTING, EXPORT)),
    call("check", SOURCES, st.one_of(FITTING, SOURCE)),
)


def stream():
    return TextIOWrapper(BytesIO(), encoding="utf-8", errors="hybridx.plain", write_through=True)


def attempt(parts, place):
    """Run a call in this process, and see that it ends as it may."""
    head, arguments, options = parts
    words = [*head, *arguments, *(word for one in options for word in one)]
    kept = {path.name for path in place.iterdir()}
    out, talk = stream(), stream()
    try:
        with chdir(place), redirect_stdout(out), redirect_stderr(talk):
            code = run(words)
    finally:
        for path in place.iterdir():
            if path.name not in kept and path.is_file():
                path.unlink()
    said = talk.buffer.getvalue().decode()
    assert code in (0, 1, 2, 3), f"{words} ends with {code}:\n{said}"
    before = words[: words.index("--")] if "--" in words else words
    if "--json" in before and not {"-h", "--help"} & set(before):
        assert isinstance(json.loads(out.buffer.getvalue()), dict), words
    elif code == 3 and "error HX" not in said:
        assert words[0] == "check", f"{words} says nothing:\n{said}"


def settings(calls):
    return hypothesis.settings(
        max_examples=calls,
        deadline=None,
        database=None,
        derandomize="HYBRIDX_FUZZ" not in os.environ,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


@settings(CALLS - EXPORTS)
@hypothesis.given(parts=FILES)
def test_a_call_on_files_is_never_a_defect(parts, place):
    attempt(parts, place)


@settings(EXPORTS)
@hypothesis.given(parts=SOURCED)
def test_a_call_on_a_model_is_never_a_defect(parts, place):
    attempt(parts, place)


def test_a_defect_would_be_seen(place, monkeypatch):
    monkeypatch.setattr("hybridx.api.doctor", lambda: 1 / 0)
    with pytest.raises(AssertionError, match="ends with 70"):
        attempt((("doctor",), (), ()), place)
