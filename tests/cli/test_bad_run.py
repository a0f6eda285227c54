"""Bad input to the commands that take a model file: refused as bad input to `export` is."""

from __future__ import annotations

import msgspec
import numpy as np
import onnx
import pytest
from onnx import helper

from hybridx.artifact import stamped
from tests.cli.shell import DATA, assert_refused


def nothing(folder):
    """The model and `x.npy` are all there is."""


def text(name, content):
    return lambda folder: (folder / name).write_text(content)


def array(name, value):
    return lambda folder: np.save(folder / name, value, allow_pickle=True)


def arrays(name, **values):
    return lambda folder: np.savez(folder / name, **values)


def model_of(change):
    """Replace the model by what `change` makes of its bytes."""

    def prepare(folder):
        path = folder / "model.onnx"
        path.write_bytes(change(path.read_bytes()))

    return prepare


def plain_onnx(_):
    """A sound model of somebody else's."""
    value = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", 4]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    return helper.make_model(graph).SerializeToString()


def without_self_test(content):
    model = onnx.load_model_from_string(content)
    kept = [entry for entry in model.metadata_props if entry.key != "hybridx.selftest"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    return stamped(model)


RUN = ("run", "model.onnx", "-i")
EVALUATE = ("evaluate", "model.onnx", "--data", "t.csv", "--target", "colour")
ROW = "a,b,c,d,colour\n1,2,3,4,red\n"

# name: (what lies in the folder, arguments, code of the error, words that stderr must show)
CASES = {
    "no model": (nothing, ("run", "nosuch.onnx"), "HX303", ["nosuch.onnx", "No such file"]),
    "a folder": (nothing, ("run", "."), "HX303", ["Is a directory"]),
    "text": (model_of(lambda _: b"hello, world\n"), ("run", "model.onnx"), "HX304", ["model.onnx"]),
    "empty": (model_of(lambda _: b""), ("run", "model.onnx"), "HX304", ["model.onnx"]),
    "random bytes": (
        model_of(lambda _: np.random.default_rng(1).bytes(5000)),
        ("inspect", "model.onnx"),
        "HX304",
        ["model.onnx"],
    ),
    "truncated": (
        model_of(lambda content: content[: len(content) // 2]),
        ("verify", "model.onnx"),
        "HX304",
        ["model.onnx"],
    ),
    "not hybridx": (model_of(plain_onnx), (*RUN, "x.npy"), "HX304", ["hybridx did not write it"]),
    "no self-test": (model_of(without_self_test), ("run", "model.onnx"), "HX307", ["-i FILE"]),
    "no data": (nothing, (*RUN, "nosuch.npy"), "HX303", ["nosuch.npy", "No such file"]),
    "another ending": (text("x.txt", "1 2 3 4"), (*RUN, "x.txt"), "HX017", ["x.txt", ".csv"]),
    "not NumPy": (text("y.npy", "1 2 3 4"), (*RUN, "y.npy"), "HX404", ["y.npy", "NumPy"]),
    "broken npz": (text("y.npz", "PK\x03\x04 no"), (*RUN, "y.npz"), "HX404", ["y.npz", "NumPy"]),
    "objects": (
        array("y.npy", np.array([[print, 1, 2, 3]], dtype=object)),
        (*RUN, "y.npy"),
        "HX404",
        ["y.npy", "allow_pickle=False"],
    ),
    "wrong names": (
        arrays("y.npz", features=DATA, extra=DATA),
        (*RUN, "y.npz"),
        "HX401",
        ["extra, features", " x"],
    ),
    "wrong width": (
        array("y.npy", DATA[:, :3]),
        (*RUN, "y.npy"),
        "HX402",
        ["(7, 3)", "(batch, 4)"],
    ),
    "wrong rank": (array("y.npy", DATA[0]), (*RUN, "y.npy"), "HX402", ["(4,)", "(batch, 4)"]),
    "strings": (array("y.npy", DATA.astype(str)), (*RUN, "y.npy"), "HX403", ["<U", "float32"]),
    "complex": (array("y.npy", DATA + 1j), (*RUN, "y.npy"), "HX403", ["complex", "float32"]),
    "unknown column": (
        text("t.csv", ROW),
        (*RUN, "t.csv", "--columns", "a,b,c,e"),
        "HX404",
        ["'e'", "a, b, c, d"],
    ),
    "a word for a number": (
        text("t.csv", "a,b,c,d\n1,2,3,red\n"),
        (*RUN, "t.csv"),
        "HX404",
        ["row 1", "'d'", "'red'", "--columns"],
    ),
    "short row": (
        text("t.csv", "a,b,c,d\n1\n"),
        (*RUN, "t.csv"),
        "HX404",
        ["1 cells", "header has 4"],
    ),
    "header only": (text("t.csv", "a,b,c,d\n"), (*RUN, "t.csv"), "HX404", ["no rows"]),
    "no header": (text("t.csv", "1,2,3,4\n5,6,7,8\n"), (*RUN, "t.csv"), "HX404", ["--no-header"]),
    "a header that may be a row": (
        text("t.csv", "1,2,,4\n5,6,7,8\n"),
        (*RUN, "t.csv"),
        "HX404",
        ["--no-header"],
    ),
    "one column too many": (text("t.csv", ROW), (*RUN, "t.csv"), "HX401", ["colour", "--columns"]),
    "one column too few without a header": (
        text("t.csv", "1,2,3\n"),
        (*RUN, "t.csv", "--no-header"),
        "HX401",
        ["inputs 0, 1, 2 do not", "x_0, x_1, x_2, x_3"],
    ),
    "one wrong name in an npz": (
        arrays("y.npz", features=DATA),
        (*RUN, "y.npz"),
        "HX401",
        ["inputs features do not match the model's inputs x"],
    ),
    "one wrong name in JSON": (
        text("y.json", '{"features": [[1, 2, 3, 4]]}'),
        (*RUN, "y.json"),
        "HX401",
        ["inputs features do not match the model's inputs x"],
    ),
    "columns of an array": (
        nothing,
        (*RUN, "x.npy", "--columns", "a,b"),
        "HX021",
        ["--columns needs a table"],
    ),
    "an unnamed column": (
        text("t.csv", "a,,c,d\n5,6,7,8\n"),
        (*RUN, "t.csv"),
        "HX401",
        ["a, one without a name, c, d", "x_0, x_1, x_2, x_3"],
    ),
    "no names of words": (
        text("t.csv", "1,2,3,4,red\n"),
        (*RUN, "t.csv"),
        "HX404",
        ["its first line holds numbers", "--no-header"],
    ),
    "a device as output": (
        nothing,
        (*RUN, "x.npy", "-o", "/dev/null", "--output-format", "npy", "--overwrite"),
        "HX302",
        ["it is a device or a pipe"],
    ),
    "a pipe to evaluate": (
        nothing,
        ("evaluate", "model.onnx", "--data", "-", "--target", "a"),
        "HX021",
        ["--data -", "--data-format"],
    ),
    "no header of an array": (nothing, (*RUN, "x.npy", "--no-header"), "HX021", ["--no-header"]),
    "a pipe without a form": (nothing, (*RUN, "-"), "HX021", ["--input-format"]),
    "an unknown form": (nothing, (*RUN, "x.npy", "--input-format", "xls"), "HX017", ["parquet"]),
    "a form of no output": (
        nothing,
        (*RUN, "x.npy", "--output-format", "csv"),
        "HX021",
        ["--output-format needs --output"],
    ),
    "no pipe beside a report": (
        nothing,
        (*RUN, "x.npy", "-o", "-", "--output-format", "csv", "--json"),
        "HX017",
        ["--json"],
    ),
    "the input as output": (
        nothing,
        (*RUN, "x.npy", "-o", "./x.npy", "--overwrite"),
        "HX029",
        ["the input data of this run"],
    ),
    "the model as output": (
        nothing,
        (*RUN, "x.npy", "-o", "model.onnx", "--output-format", "npy", "--overwrite"),
        "HX029",
        ["the model of this run"],
    ),
    "output without input": (nothing, ("run", "model.onnx", "-o", "y.npy"), "HX021", ["--input"]),
    "output exists": (
        text("y.npy", "precious"),
        (*RUN, "x.npy", "-o", "y.npy"),
        "HX301",
        ["y.npy exists", "--overwrite"],
    ),
    "output of another ending": (
        nothing,
        (*RUN, "x.npy", "-o", "y.txt"),
        "HX017",
        ["y.txt", ".csv"],
    ),
    "output folder missing": (nothing, (*RUN, "x.npy", "-o", "no/y.npy"), "HX302", ["no/y.npy"]),
    "unknown device": (
        nothing,
        (*RUN, "x.npy", "--device", "default.qbit"),
        "HX501",
        ["'default.qbit'", "default.qubit"],
    ),
    "unknown provider": (
        nothing,
        ("run", "model.onnx", "--provider", "tpu"),
        "HX017",
        ["'tpu'", "cpu"],
    ),
    "unknown target": (
        text("t.csv", "a,b,c,d\n1,2,3,4\n"),
        EVALUATE,
        "HX404",
        ["'colour'", "a, b, c, d"],
    ),
    "classes of other names": (
        text("t.csv", ROW),
        EVALUATE,
        "HX404",
        ["red", "3 outputs", "--classes"],
    ),
    "rows that are not there": (
        lambda folder: (
            text("t.csv", ROW)(folder),
            (folder / "r.json").write_bytes(msgspec.json.encode({"held_out_rows": [9]})),
        ),
        (*EVALUATE, "--rows", "r.json"),
        "HX404",
        ["r.json", "1 rows"],
    ),
}


@pytest.mark.parametrize(("prepare", "arguments", "code", "facts"), CASES.values(), ids=CASES)
def test_bad_input_is_refused_in_the_users_words(prepare, arguments, code, facts, model, folder):
    prepare(folder)
    assert_refused(arguments, folder, code, facts)
