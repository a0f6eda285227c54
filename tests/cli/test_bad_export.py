"""Bad input to `hybridx export`: code 3, the fact and a way out on stderr, nothing written."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.torch
import torch

from tests.cli import user_model
from tests.cli.shell import assert_refused, command, listing
from tests.sampling import some

SHAPE = ("--shape", "N,4")
MODEL = ("user_model.py:model", *SHAPE)


def nothing(folder):
    """The user's file is all there is."""


def write(name, content):
    def prepare(folder):
        (folder / name).write_bytes(content)

    return prepare


def make_folder(folder):
    (folder / "model.onnx").mkdir()


def renamed_checkpoint(folder):
    state = user_model.Small().state_dict()
    state["tail.bias"] = state.pop("head.bias")
    safetensors.torch.save_file(state, folder / "weights.safetensors")


def wide_checkpoint(folder):
    torch.save(user_model.Small(outputs=5).state_dict(), folder / "weights.pt")


def whole_model_checkpoint(folder):
    """A pickle of a class: loading it would run code."""
    torch.save({"model": np.dtype}, folder / "weights.pt")


def list_checkpoint(folder):
    torch.save([1, 2], folder / "weights.pt")


def object_example(folder):
    np.save(folder / "example.npy", np.array([{}], dtype=object), allow_pickle=True)


TORCH_CHECKPOINT = (*MODEL, "--checkpoint", "weights.pt")
SAFE_CHECKPOINT = (*MODEL, "--checkpoint", "weights.safetensors")

# name: (what lies in the folder, arguments, code of the error, words that stderr must show)
CASES = {
    "missing file": (nothing, ("nosuch.py:model", *SHAPE), "HX010", ["nosuch.py", "No such file"]),
    "syntax error": (
        write("broken.py", b"def model(:\n"),
        ("broken.py:model", *SHAPE),
        "HX006",
        ["broken.py:1", "SyntaxError", "correct this line"],
    ),
    "module not found": (
        nothing,
        ("no.such.module:model", *SHAPE),
        "HX010",
        ["no.such.module", "No module named 'no'"],
    ),
    "an idiom of an earlier PennyLane": (
        write("old.py", b"from pennylane import QubitStateVector\n"),
        ("old.py:model", *SHAPE),
        "HX114",
        ["qml.QubitStateVector", "release 0.40", "qml.StatePrep"],
    ),
    "no colon": (nothing, ("user_model.py", *SHAPE), "HX010", ["user_model.py", "colon"]),
    "no such attribute": (
        nothing,
        ("user_model.py:modle", *SHAPE),
        "HX011",
        ["'modle'", "nearest names: model"],
    ),
    "a number": (nothing, ("user_model.py:answer", *SHAPE), "HX012", ["answer", "int"]),
    "a factory of lists": (
        nothing,
        ("user_model.py:gives_a_list", *SHAPE),
        "HX012",
        ["gives_a_list", "list"],
    ),
    "a factory that raises": (
        nothing,
        ("user_model.py:fails", *SHAPE),
        "HX013",
        ["fails", "OSError: no weights here"],
    ),
    "no example": (nothing, ("user_model.py:model",), "HX014", ["user_model.py:model", "--shape"]),
    "shape in words": (
        nothing,
        ("user_model.py:model", "--shape", "N,four"),
        "HX015",
        ["'N,four'", "N,4"],
    ),
    "shape without a batch": (
        nothing,
        ("user_model.py:model", "--shape", ",4"),
        "HX015",
        ["',4'"],
    ),
    "shape in small letters": (
        nothing,
        ("user_model.py:model", "--shape", "n,4"),
        "HX015",
        ["'n,4'", "capital"],
    ),
    "another width": (
        nothing,
        ("user_model.py:model", "--shape", "N,5"),
        "HX101",
        ["(3, 5)", "3x5 and 4x2"],
    ),
    "missing example": (
        nothing,
        ("user_model.py:model", "--example", "nosuch.npy"),
        "HX303",
        ["nosuch.npy", "No such file"],
    ),
    "example of objects": (
        object_example,
        ("user_model.py:model", "--example", "example.npy"),
        "HX404",
        ["example.npy", "allow_pickle=False"],
    ),
    "NaN weights": (nothing, ("user_model.py:not_finite", *SHAPE), "HX102", ["'head.bias'", "1"]),
    "samples": (
        nothing,
        ("user_model.py:sampled", *SHAPE),
        "HX104",
        ["'quantum'", "circuit", "Sample"],
    ),
    "counts": (
        nothing,
        ("user_model.py:counted", *SHAPE),
        "HX104",
        ["'quantum'", "circuit", "Counts"],
    ),
    "a gate": (
        nothing,
        ("user_model.py:own_gate", *SHAPE),
        "HX103",
        ["'quantum'", "circuit", "OwnGate"],
    ),
    "output exists": (
        write("model.onnx", b"precious"),
        MODEL,
        "HX301",
        ["model.onnx exists", "--overwrite"],
    ),
    "output is a folder": (make_folder, MODEL, "HX302", ["model.onnx", "folder"]),
    "output folder missing": (
        nothing,
        (*MODEL, "-o", "nosuch/model.onnx"),
        "HX302",
        ["nosuch/model.onnx", "does not exist"],
    ),
    "checkpoint missing": (nothing, TORCH_CHECKPOINT, "HX303", ["weights.pt", "No such file"]),
    "checkpoint of other names": (
        renamed_checkpoint,
        SAFE_CHECKPOINT,
        "HX106",
        ["missing keys: head.bias", "unexpected keys: tail.bias"],
    ),
    "checkpoint of other shapes": (
        wide_checkpoint,
        TORCH_CHECKPOINT,
        "HX106",
        ["head.", "[5", "[3"],
    ),
    "checkpoint of text": (
        write("weights.pt", b"no weights\n"),
        TORCH_CHECKPOINT,
        "HX106",
        ["weights.pt", "cannot be read"],
    ),
    "safetensors of text": (
        write("weights.safetensors", b"no weights\n"),
        SAFE_CHECKPOINT,
        "HX106",
        ["weights.safetensors", "cannot be read"],
    ),
    "checkpoint of classes": (
        whole_model_checkpoint,
        TORCH_CHECKPOINT,
        "HX106",
        ["weights.pt", "cannot be read"],
    ),
    "checkpoint of a list": (list_checkpoint, TORCH_CHECKPOINT, "HX106", ["weights.pt", "list"]),
    "a length that nobody gave": (
        nothing,
        ("user_model.py:Steps", "--shape", "N,T,2"),
        "HX133",
        ["axis T", "user_model.py:", "--shape x=N,T=12,2"],
    ),
    "numbers of words in float32": (
        nothing,
        ("user_model.py:Text", "--shape", "ids=N,6"),
        "HX030",
        ["as indices", "--shape ids=N,6:int64"],
    ),
    "a range beyond the embedding": (
        nothing,
        ("user_model.py:Text", "--shape", "ids=N,6:int64", "--range", "ids=0:99"),
        "HX030",
        ["--range 'ids=0:99'", "IndexError", "a smaller range"],
    ),
    "a range without a shape": (
        nothing,
        ("user_model.py:Text", "--range", "ids=0:9"),
        "HX021",
        ["--range needs --shape"],
    ),
    "a shape of no argument": (
        nothing,
        ("user_model.py:Text", "--shape", "words=N,6:int64"),
        "HX030",
        ["no argument 'words'", "ids"],
    ),
    "an argument of no parameter": (
        nothing,
        ("user_model.py:Small", *SHAPE, "--arg", "output=3"),
        "HX026",
        ["Small(returned", "no parameter 'output'; the nearest is 'outputs'"],
    ),
    "an argument for a module": (nothing, (*MODEL, "--arg", "outputs=3"), "HX021", ["--arg"]),
    "columns of another number": (
        nothing,
        (*MODEL, "--columns", "a,b,c"),
        "HX027",
        ["3 names", "input 'x' has the shape (batch, 4)", "axis 1", "give 4"],
    ),
    "classes of another number": (
        nothing,
        (*MODEL, "--classes", "a,b"),
        "HX027",
        ["2 names", "output 'output'", "axis 1 has 3"],
    ),
    "names of another number": (
        nothing,
        (*MODEL, "--output-names", "a,b"),
        "HX027",
        ["the model has 1 outputs: output"],
    ),
    "reserved metadata": (
        nothing,
        (*MODEL, "--metadata", "hybridx.format=9"),
        "HX028",
        ["hybridx's own"],
    ),
    "metadata without a name": (nothing, (*MODEL, "--metadata", "Ada"), "HX028", ["KEY=VALUE"]),
    "unknown dtype": (nothing, (*MODEL, "--dtype", "float16"), "HX017", ["'float16'", "float64"]),
    "unknown format": (nothing, (*MODEL, "--format", "qasm"), "HX017", ["'qasm'", "onnx"]),
    "unknown opset": (nothing, (*MODEL, "--opset", "9"), "HX017", ["'9'", "20"]),
    "batch of zero": (nothing, (*MODEL, "--batch", "0"), "HX017", ["'0'", "dynamic"]),
    "batch in words": (nothing, (*MODEL, "--batch", "many"), "HX017", ["'many'", "dynamic"]),
}


@pytest.mark.parametrize("name", some(CASES, every=4))
def test_bad_input_is_refused_in_the_users_words(name, folder):
    prepare, arguments, code, facts = CASES[name]
    prepare(folder)
    assert_refused(("export", *arguments), folder, code, facts)


def test_a_defect_keeps_its_traceback_and_has_a_code_of_its_own(folder, monkeypatch):
    """The boundary itself: an error from outside the tree is code 70."""
    (folder / "defect.py").write_text(
        "from hybridx.api.work import building\n"
        "def broken(*_):\n"
        "    raise ZeroDivisionError('ours')\n"
        "building.choose = broken\n"
        "from user_model import model\n"
    )
    before = listing(folder)
    finished = command("export", "defect.py:model", *SHAPE, folder=folder)
    assert finished.code == 70
    assert "ZeroDivisionError: ours" in finished.talk
    assert "Traceback" in finished.talk
    assert "defect of hybridx" in finished.talk
    assert listing(folder) == before
