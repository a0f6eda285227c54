"""Hostile ONNX files and bundles."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hybridx.artifact import Metadata, SelfTest, is_circuit_node, stamped, write_metadata
from tests.golden.files import newest
from tests.trust.hostile.case import ANY, LOOK, MODEL, NONE, Case, content, void

FLOAT = TensorProto.FLOAT
HUGE = 2**36


def golden() -> onnx.ModelProto:
    """Return a good file: columns, classes, layers before and behind a circuit."""
    return onnx.load(newest()["onnx classifier"])


def graph(
    nodes: Iterable[onnx.NodeProto],
    weights: Iterable[onnx.TensorProto] = (),
    functions: Iterable[onnx.FunctionProto] = (),
) -> onnx.ModelProto:
    """Return a model from `x`, of 3 columns, to `y`, that says it is a file of hybridx."""
    made = helper.make_model(
        helper.make_graph(
            [*nodes],
            "g",
            [helper.make_tensor_value_info("x", FLOAT, ["batch", 3])],
            [helper.make_tensor_value_info("y", FLOAT, None)],
            [*weights],
        ),
        functions=[*functions],
        ir_version=10,
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("own", 1)],
    )
    test = SelfTest({"x": np.zeros((2, 3), "float32")}, {"y": np.zeros((2, 3), "float32")}, 1e-5)
    return onnx.ModelProto.FromString(write_metadata(made, Metadata("0.1.0", self_test=test)))


def node(operator: str, takes: str, gives: str, **attributes: Any) -> onnx.NodeProto:
    """Return a node; names are divided by spaces."""
    return helper.make_node(operator, takes.split(), gives.split(), **attributes)


def numbers(name: str, values: Any, dtype: str = "int64") -> onnx.TensorProto:
    """Return a constant tensor."""
    return numpy_helper.from_array(np.array(values, dtype), name)


def edited(edit: Callable[[onnx.ModelProto], None]) -> Callable[[], bytes]:
    """Return what makes a good file with a change, of which its digest knows."""

    def make() -> bytes:
        model = golden()
        edit(model)
        return stamped(model)

    return make


def of_format(text: str) -> Callable[[], bytes]:
    """Return what makes a good file that says it is of another format version."""

    def make() -> bytes:
        model = golden()
        for entry in model.metadata_props:
            if entry.key == "hybridx.format":
                entry.value = text
        return model.SerializeToString()

    return make


def said(key: str, value: str) -> Callable[[], bytes]:
    """Return what makes a good file that says something else of itself."""

    def edit(model: onnx.ModelProto) -> None:
        for entry in model.metadata_props:
            if entry.key == key:
                entry.value = value
                return
        model.metadata_props.add(key=key, value=value)

    return edited(edit)


def circuit(change: Callable[[dict[str, Any]], None]) -> Callable[[], bytes]:
    """Return what makes a good file with a change in the JSON of its circuit."""

    def edit(model: onnx.ModelProto) -> None:
        (found,) = filter(is_circuit_node, model.graph.node)
        attribute = next(one for one in found.attribute if one.name == "circuit")
        document = json.loads(attribute.s)
        change(document)
        attribute.s = json.dumps(document).encode()

    return edited(edit)


def doubling(levels: int) -> list[onnx.FunctionProto]:
    """Return functions of which each calls the one before it twice."""
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    bodies = [[node("Neg", "a", "b")]]
    for level in range(levels):
        call = [helper.make_node(f"F{level}", [one], [two], domain="own") for one, two in
                (("a", "m"), ("m", "b"))]  # fmt: skip
        bodies.append(call)
    return [
        helper.make_function("own", f"F{level}", ["a"], ["b"], body, opsets)
        for level, body in enumerate(bodies)
    ]


def called(name: str, functions: list[onnx.FunctionProto]) -> bytes:
    call = helper.make_node(name, ["x"], ["y"], domain="own")
    return graph([call], functions=functions).SerializeToString()


def external(place: str) -> bytes:
    weight = TensorProto(name="w", data_type=FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=place)
    return graph([node("Add", "x w", "y")], [weight]).SerializeToString()


def weight_of(dims: Iterable[int], raw: bytes = b"", kind: int = FLOAT) -> bytes:
    weight = TensorProto(name="w", data_type=kind, dims=dims, raw_data=raw)
    return graph([node("Add", "x w", "y")], [weight]).SerializeToString()


def large(operator: str, weights: list[onnx.TensorProto], takes: str, **attributes: Any) -> bytes:
    """Return a file in which an operator makes a huge tensor, which is summed."""
    nodes = [node(operator, takes, "b", **attributes), node("Cast", "b", "f", to=FLOAT)]
    nodes += [node("ReduceSum", "f", "s", keepdims=0), node("Add", "x s", "y")]
    return graph(nodes, weights).SerializeToString()


def loop(turns: int, body: list[onnx.NodeProto]) -> bytes:
    """Return a file with a loop around nodes from `v` to `w`."""
    inner = helper.make_graph(
        [*body, node("Identity", "c", "d")],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("d", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", FLOAT, None),
        ],
    )
    weights = [numbers("n", turns), numbers("go", True, "bool")]
    return graph([node("Loop", "n go x", "y", body=inner)], weights).SerializeToString()


def products(count: int, size: int) -> bytes:
    """Return a file of a few hundred bytes that multiplies large matrices many times."""
    weights = [numbers("s", [size, size]), numbers("one", [0.5], "float32")]
    nodes = [node("ConstantOfShape", "s", "m0", value=numbers("v", [0.1], "float32"))]
    nodes += [node("MatMul", f"m{i} m0", f"m{i + 1}") for i in range(count)]
    nodes += [node("ReduceSum", f"m{count}", "s1", keepdims=0), node("Add", "x s1", "y")]
    return graph(nodes, weights).SerializeToString()


def nested(depth: int) -> bytes:
    """Return a file of an If in an If in an If."""
    inside = [node("Neg", "x", "o0")]
    for level in range(depth):
        value = helper.make_tensor_value_info(f"o{level}", FLOAT, None)
        other = helper.make_tensor_value_info(f"e{level}", FLOAT, None)
        branch = helper.make_graph(inside, "b", [], [value])
        plain = helper.make_graph([node("Neg", "x", f"e{level}")], "e", [], [other])
        inside = [node("If", "t", f"o{level + 1}", then_branch=branch, else_branch=plain)]
    last = [*inside, node("Identity", f"o{depth}", "y")]
    return graph(last, [numbers("t", True, "bool")]).SerializeToString()


def rename_columns(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = model.graph.node[0].input[0] = "x\x1b]0;pwned\x07[red]x[/red]"


def bytes_as_name(model: onnx.ModelProto) -> None:
    model.graph.name = "PLACE"


def many_inputs(model: onnx.ModelProto) -> None:
    for number in range(50_000):
        model.graph.input.append(helper.make_tensor_value_info(f"i{number}", FLOAT, [1]))


def backwards(model: onnx.ModelProto) -> None:
    nodes = [*model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))


def deep(document: dict[str, Any]) -> None:
    value: Any = 0
    for _ in range(900):
        value = [value]
    document["circuit"]["operations"].append(value)


def wires(count: int) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["circuit"].update(wires=count)


def operation(**entries: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["circuit"]["operations"].append(entries)


def many_gates(document: dict[str, Any]) -> None:
    document["circuit"]["operations"] *= 60_000


def tensor_entry(**entries: Any) -> str:
    tensor = {"dtype": "float32", "shape": [1, 3], "data": "AAAAAAAAAAAAAAAA"} | entries
    return json.dumps({"inputs": {"input": tensor}, "outputs": {}, "tolerance": 1e-5})


def as_zip() -> bytes:
    return newest()["torchscript classifier"].read_bytes()


ONNX_BYTES: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "empty": (lambda: b"", NONE),
    "text": (lambda: b"no model\n" * 9, NONE),
    "zeros": (lambda: bytes(4096), NONE),
    "cut in half": (lambda: golden().SerializeToString()[:700], NONE),
    "compressed": (lambda: gzip.compress(golden().SerializeToString()), NONE),
    "twice in a row": (lambda: golden().SerializeToString() * 2, NONE),
    "of another tool": (
        lambda: onnx.ModelProto(graph=golden().graph, ir_version=8).SerializeToString(),
        NONE,
    ),
    # what it refers to
    "weights in /etc": (lambda: external("/etc/passwd"), NONE),
    "weights beside the folder": (lambda: external("../secret"), NONE),
    "weights in a device": (lambda: external("/dev/zero"), NONE),
    "weights in memory": (lambda: external("*/_ORT_MEM_ADDR_/*"), NONE),
    # its tensors
    "a length of 2^62": (lambda: weight_of([2**62, 3], bytes(12)), NONE),
    "lengths that overflow": (lambda: weight_of([2**33, 2**33], bytes(12)), NONE),
    "a negative length": (lambda: weight_of([-1, 3], bytes(12)), NONE),
    "fewer bytes than numbers": (lambda: weight_of([100, 3], bytes(12)), NONE),
    "more bytes than numbers": (lambda: weight_of([3], bytes(1 << 16)), NONE),
    "no bytes for 2^34 numbers": (lambda: weight_of([2**34]), NONE),
    "a type that there is not": (lambda: weight_of([3], bytes(12), 77), NONE),
    "nine thousand axes": (lambda: weight_of([1] * 9000, bytes(4)), NONE),
    # its functions
    "functions that double 35 times": (lambda: called("F35", doubling(35)), NONE),
    "functions that double 17 times": (lambda: called("F17", doubling(17)), ANY),
    "a function that calls itself": (
        lambda: called(
            "R",
            [
                helper.make_function(
                    "own",
                    "R",
                    ["a"],
                    ["b"],
                    [helper.make_node("R", ["a"], ["b"], domain="own")],
                    [helper.make_opsetid("", 20)],
                )
            ],
        ),
        NONE,
    ),
    "15,000 functions": (
        lambda: called(
            "G0",
            [
                helper.make_function(
                    "own",
                    f"G{i}",
                    ["a"],
                    ["b"],
                    [node("Neg", "a", "b")],
                    [helper.make_opsetid("", 20)],
                )
                for i in range(15_000)
            ],
        ),
        NONE,
    ),
    # what it computes
    "Expand to 2^36": (lambda: large("Expand", [numbers("s", [HUGE, 1, 3])], "x s"), LOOK),
    "Tile to 2^36": (lambda: large("Tile", [numbers("s", [HUGE, 1])], "x s"), LOOK),
    "ConstantOfShape of 2^36": (
        lambda: large("ConstantOfShape", [numbers("s", [HUGE])], "s"),
        LOOK,
    ),
    "Range of 2^36": (
        lambda: large("Range", [numbers("a", 0), numbers("b", HUGE), numbers("c", 1)], "a b c"),
        LOOK,
    ),
    "EyeLike of 2^17 by 2^17": (
        lambda: graph(
            [
                node("ConstantOfShape", "s", "b"),
                node("EyeLike", "b", "e"),
                node("ReduceSum", "e", "r", keepdims=0),
                node("Add", "x r", "y"),
            ],
            [numbers("s", [2**17, 2**17])],
        ).SerializeToString(),
        LOOK,
    ),
    "Pad by 2^36": (lambda: large("Pad", [numbers("p", [0, 0, HUGE, 0])], "x p"), LOOK),
    "OneHot of 2^34": (
        lambda: large(
            "OneHot", [numbers("i", [0]), numbers("n", 2**34), numbers("v", [0, 1])], "i n v"
        ),
        LOOK,
    ),
    "a chain of outer products": (
        lambda: graph(
            [
                *(node("Concat", " ".join([f"t{i}"] * 40), f"t{i + 1}", axis=0) for i in range(8)),
                node("ReduceSum", "t8", "r", keepdims=0),
                node("Add", "x r", "y"),
            ],
            [numbers("t0", [1.0], "float32")],
        ).SerializeToString(),
        LOOK,
    ),
    "3,000 products of 2,500 by 2,500": (lambda: products(3000, 2500), LOOK),
    "a loop of 2^40 turns": (lambda: loop(2**40, [node("Neg", "v", "w")]), LOOK),
    "a loop that doubles its value": (
        lambda: loop(60, [node("Concat", "v v", "w", axis=0)]),
        LOOK,
    ),
    "an If in an If, 24 deep": (lambda: nested(24), ANY),
    "60,000 nodes in a row": (
        lambda: graph(
            [
                *(node("Neg", f"t{i}" if i else "x", f"t{i + 1}") for i in range(60_000)),
                node("Identity", "t60000", "y"),
            ]
        ).SerializeToString(),
        ANY,
    ),
    # at what ONNX Runtime ends the process
    "the smallest number by minus one": (
        lambda: graph(
            [node("Div", "a b", "q"), node("Cast", "q", "f", to=FLOAT), node("Add", "x f", "y")],
            [numbers("a", [-(2**63)] * 3), numbers("b", [-1] * 3)],
        ).SerializeToString(),
        LOOK,
    ),
    "a remainder by zero": (
        lambda: graph(
            [node("Mod", "a b", "q"), node("Cast", "q", "f", to=FLOAT), node("Add", "x f", "y")],
            [numbers("a", [7] * 3), numbers("b", [0] * 3)],
        ).SerializeToString(),
        LOOK,
    ),
    # its graph
    "nodes backwards": (edited(backwards), ANY),
    "50,000 inputs": (edited(many_inputs), LOOK),
    "an escape sequence for a name": (edited(rename_columns), ANY),
    "a name of 5 MB": (edited(lambda m: setattr(m.graph, "name", "n" * 5_000_000)), ANY),
    "a name that is no text": (
        lambda: edited(bytes_as_name)().replace(b"PLACE", b"\xff\xfe\xfd\xfc\xfb"),
        NONE,
    ),
    "an opset of 2^40": (
        edited(lambda m: setattr(m.opset_import[0], "version", 2**40)),
        NONE,
    ),
    # what it says of itself
    "a format of a later version": (of_format("99"), NONE),
    "a format of 400 digits": (of_format("9" * 400), NONE),
    "no format": (of_format("null"), NONE),
    "classes with escape sequences": (
        said("hybridx.classes", '["\\u001b[31mred","[bold]no[/bold]"]'),
        ANY,
    ),
    "a million columns": (said("hybridx.columns", json.dumps(["c"] * 1_000_000)), ANY),
    "JSON 50,000 deep": (said("hybridx.call", '{"a":' * 50_000), NONE),
    "a self-test of 2^60 numbers": (
        said("hybridx.selftest", tensor_entry(shape=[2**30, 2**30])),
        NONE,
    ),
    "a self-test that repeats to 2^40": (
        said("hybridx.selftest", tensor_entry(shape=[2**40], period=3)),
        NONE,
    ),
    "a self-test of objects": (said("hybridx.selftest", tensor_entry(dtype="object")), NONE),
    "an owner with an escape sequence": (said("owner", "\x1b]8;;http://evil\x07Ada\x00"), ANY),
    # its circuits
    "a circuit of 2^40 wires": (circuit(wires(2**40)), NONE),
    "a circuit of 900 wires": (circuit(wires(900)), ANY),
    "minus one wire": (circuit(wires(-1)), NONE),
    "a circuit of 120,000 gates": (circuit(many_gates), NONE),
    "a circuit 900 deep": (circuit(deep), NONE),
    "a gate that there is not": (
        circuit(operation(type="apply", gate="EVIL", wires=[0])),
        NONE,
    ),
    "a unitary that is none": (
        circuit(operation(type="unitary", wires=[0], real=[9.0, 9.0, 9.0, 9.0])),
        NONE,
    ),
    "two formats of a circuit": (circuit(lambda d: d.update(format=2**70)), NONE),
}


def onnx_cases() -> list[Case]:
    """Return the cases of ONNX files."""
    return [
        content(f"onnx: {name}", "hostile.onnx", MODEL, may_answer)(build)
        for name, (build, may_answer) in ONNX_BYTES.items()
    ]


# --- bundles -------------------------------------------------------------------------------------


def bundle(change: Callable[[Path, dict[str, Any]], None]) -> Callable[[Path], None]:
    """Return what makes a good bundle with a change in its folder or its manifest."""

    def make(path: Path) -> None:
        shutil.copytree(newest()["bundle classifier"], path)
        manifest = json.loads((path / "manifest.json").read_text())
        change(path, manifest)
        if (path / "manifest.json").is_file():
            (path / "manifest.json").write_text(json.dumps(manifest))

    return make


def rewritten(name: str, data: bytes) -> Callable[[Path, dict[str, Any]], None]:
    def change(folder: Path, manifest: dict[str, Any]) -> None:
        (folder / name).write_bytes(data)
        manifest["sha256"][name] = hashlib.sha256(data).hexdigest()

    return change


def replaced(name: str, make: Callable[[Path], object]) -> Callable[[Path, dict[str, Any]], None]:
    def change(folder: Path, manifest: dict[str, Any]) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def renamed(to: str) -> Callable[[Path, dict[str, Any]], None]:
    def change(folder: Path, manifest: dict[str, Any]) -> None:
        text = json.dumps(manifest).replace("circuit_0.json", to)
        manifest.clear()
        manifest.update(json.loads(text))

    return change


def steps(change: Callable[[list[Any]], object]) -> Callable[[Path, dict[str, Any]], None]:
    return lambda folder, manifest: void(change(manifest["steps"]))


BUNDLES: dict[str, tuple[Callable[[Path, dict[str, Any]], None], tuple[str, ...]]] = {
    "a part in another folder": (renamed("../secret"), NONE),
    "a part in /etc": (renamed("/etc/passwd"), NONE),
    "a part that is missing": (
        lambda folder, manifest: (folder / "circuit_0.json").unlink(),
        NONE,
    ),
    "a link for a part": (
        replaced("circuit_0.json", lambda p: p.symlink_to("../../secret")),
        NONE,
    ),
    "a pipe for a part": (replaced("circuit_0.json", os.mkfifo), NONE),
    "a folder for a part": (replaced("circuit_0.json", Path.mkdir), NONE),
    "a link for the manifest": (
        replaced("manifest.json", lambda p: p.symlink_to("/dev/zero")),
        NONE,
    ),
    "a part of zeros": (rewritten("classical_0.onnx", bytes(999)), NONE),
    "a circuit of text": (rewritten("circuit_0.json", b"\xff{"), NONE),
    "steps backwards": (steps(list.reverse), NONE),
    "a step twice": (steps(lambda found: found.append(found[0])), NONE),
    "200,000 steps": (steps(lambda found: found.extend(found[1:2] * 200_000)), NONE),
    "no steps": (steps(list.clear), NONE),
    "an opset of 400 digits": (lambda folder, m: m.update(opset=int("9" * 400)), NONE),
    "an entry that there is not": (lambda folder, m: m.update(evil=1), NONE),
}


def deep_manifest(path: Path) -> None:
    """Write a manifest that nests too deeply for any reader."""
    path.mkdir()
    (path / "manifest.json").write_text('{"metadata":' * 100_000)


def bundle_cases() -> list[Case]:
    """Return the cases of bundles."""
    found = [
        Case(f"bundle: {name}", "hostile.bundle", bundle(change), MODEL, may_answer)
        for name, (change, may_answer) in BUNDLES.items()
    ]
    return [
        *found,
        Case("bundle: a manifest 100,000 deep", "hostile.bundle", deep_manifest, MODEL),
        Case("bundle: an empty folder", "hostile.bundle", Path.mkdir, MODEL),
    ]
