"""Files for the tests of hybridx-web, with what Python computes for them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
from onnx import helper

import hybridx
from hybridx.artifact import DOMAIN, Metadata, write_metadata
from hybridx.artifact.nodes import is_circuit_node, walk_nodes
from hybridx.circuit import Circuit, Expectation, PauliTerm, decode, simulate
from tests.golden.files import GOLDEN
from tests.runtime.models import GRAPHS, TURN, build

Arrays = Mapping[str, np.ndarray]


def write(folder: Path) -> None:
    """Write all files, and `expected.json` with what is expected of each."""
    expected = {}
    for path, twin in _files(folder):
        expected[path.name] = _expected(path, twin)
    (folder / "expected.json").write_text(json.dumps(expected), encoding="utf-8")


def windows() -> bytes:
    """A model that calls a circuit twice for each row: it takes `(2 * batch, 2)` parameters."""
    nodes = [
        ("Sin", ["x"], "a"),
        helper.make_node("Concat", ["x", "a"], ["b"], axis=1),
        ("Reshape", ["b", "pairs"], "c"),
        (TURN, ["c"], "d"),
        ("Reshape", ["d", "fours"], "y"),
    ]
    shapes = [("pairs", np.array([-1, 2])), ("fours", np.array([-1, 4]))]
    model = build(nodes, [("y", ["batch", 4])], shapes).model
    del model.graph.value_info[:]  # as it says that a circuit has as many rows as the model
    return write_metadata(model, Metadata("0"))


def inside_a_node() -> bytes:
    """A model that calls a circuit inside a node of If, and one beside it."""
    artifact = build([(TURN, ["x"], "a"), ("Sin", ["a"], "y")], [("y", ["batch", 2])])
    model = artifact.model
    (call,) = [node for node in model.graph.node if node.domain == DOMAIN]
    inner = onnx.NodeProto()
    inner.CopyFrom(call)
    inner.output[0] = "b"
    untyped = [onnx.ValueInfoProto(name="b")]
    then = helper.make_graph([inner], "then", [], untyped)
    otherwise = helper.make_graph([helper.make_node("Identity", ["x"], ["b"])], "else", [], untyped)
    condition = helper.make_node("Constant", [], ["yes"], value_ints=[1])
    cast = helper.make_node("Cast", ["yes"], ["is"], to=onnx.TensorProto.BOOL)
    one = helper.make_node("Squeeze", ["is"], ["one"])
    chosen = helper.make_node("If", ["one"], ["c"], then_branch=then, else_branch=otherwise)
    added = helper.make_node("Add", ["a", "c"], ["d"])
    last = helper.make_node("Sin", ["d"], ["y"])
    del model.graph.node[:]
    model.graph.node.extend([call, condition, cast, one, chosen, added, last])
    return write_metadata(model, Metadata("0"))


def _files(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each file, and one that computes the same and has bodies as functions."""
    for version in (1, 2, 3):
        for path in sorted((GOLDEN / f"onnx-{version}").glob("*.onnx")):
            copy = folder / f"golden-{version}-{path.name}"
            shutil.copy(path, copy)
            with_body = path.stem != "no_body"
            yield (
                copy,
                copy if with_body else GOLDEN / f"onnx-{min(version, 2)}" / "classifier.onnx",
            )
    for name, make in GRAPHS.items():
        stem = name.replace(" ", "_").replace(",", "")
        for dtype in ("float32", "float64"):
            path = folder / f"{stem}-{dtype}.onnx"
            path.write_bytes(make(dtype=dtype).content)
            yield path, path
        inlined = folder / f"{stem}-inlined.onnx"
        hybridx.convert(folder / f"{stem}-float32.onnx", inlined, inline=True)
        yield inlined, folder / f"{stem}-float32.onnx"
        bare = folder / f"{stem}-no-body.onnx"
        bare.write_bytes(make(body=False).content)
        yield bare, folder / f"{stem}-float32.onnx"
    path = folder / "windows.onnx"
    path.write_bytes(windows())
    yield path, path
    path = folder / "inside_a_node.onnx"
    path.write_bytes(inside_a_node())
    yield path, path


def _expected(path: Path, twin: Path) -> dict[str, Any]:
    """What a file says, and gives for rows that no export has seen."""
    model = onnx.load(path)
    entries = {one.key: one.value for one in model.metadata_props}
    session = hybridx.load(twin)
    rows = _rows(twin)
    outputs = session.run(dict(rows))
    has_body = path == twin or "hybridx.inlined" in entries
    calls = [*_calls(model, entries)]
    taken = _parameters(twin, rows)
    return {
        "inputs": {name: packed(array) for name, array in rows.items()},
        "signature": [
            {"name": one.name, "dtype": one.dtype.name, "shape": [*one.shape]}
            for one in session.inputs
        ],
        "outputs": {name: packed(array) for name, array in outputs.items()},
        "hasBody": has_body,
        "columns": json.loads(entries.get("hybridx.columns", "null")),
        "classes": json.loads(entries.get("hybridx.classes", "null")),
        "tolerance": 1e-9 if "float64" in path.name or "double" in path.name else 1e-5,
        "circuits": [
            _circuit(name, layer, circuit, taken.get(at))
            for at, (name, layer, circuit) in enumerate(calls)
        ],
    }


def _circuit(
    name: str, layer: str, circuit: Circuit, parameters: np.ndarray | None
) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "layer": layer or name, "wires": circuit.wires}
    if parameters is None:
        return found | {"parameters": None}
    rows = parameters.astype(np.float64)
    found |= {"parameters": packed(rows), "results": packed(simulate(circuit, rows))}
    if not circuit.derivative:
        letters = [
            Expectation((PauliTerm(1.0, letter, (wire,)),))
            for wire in range(circuit.wires)
            for letter in "XYZ"
        ]
        seen = msgspec.structs.replace(circuit, measurements=tuple(letters))
        found["bloch"] = packed(simulate(seen, rows))
    return found


def _rows(path: Path) -> dict[str, np.ndarray]:
    """Five rows for each input that has a batch; other axes are those of the self-test, or 3."""
    rng = np.random.default_rng(7)
    session = hybridx.load(path)
    test = session.metadata.self_test
    found = {}
    for one in session.inputs:
        example = None if test is None else test.inputs[one.name]
        lengths = example.shape if example is not None else [3] * len(one.shape)
        shape = [
            length if isinstance(length, int) else 5 if length == "batch" else lengths[axis]
            for axis, length in enumerate(one.shape)
        ]
        if one.dtype.kind == "f":
            found[one.name] = rng.normal(0, 1, shape).astype(one.dtype)
        else:
            assert example is not None
            found[one.name] = np.resize(example, shape)
    return found


def _calls(
    model: onnx.ModelProto, entries: Mapping[str, str]
) -> Iterator[tuple[str, str, Circuit]]:
    """Yield the name, the layer and the circuit of each call, in the order of the graph."""
    if "hybridx.inlined" in entries:
        said = json.loads(entries["hybridx.inlined"])
        for one in said["calls"]:
            yield one["circuit"], one["node"], decode(said["circuits"][one["circuit"]])
        return
    for node in walk_nodes(model.graph):
        if is_circuit_node(node):
            (text,) = [one.s.decode() for one in node.attribute if one.name == "circuit"]
            yield node.op_type, node.name, decode(text)


def _parameters(path: Path, rows: Arrays) -> dict[int, np.ndarray]:
    """Return what each call takes, by its number: ONNX Runtime gives inner values as outputs."""
    model = onnx.load(path)
    entries = {one.key: one.value for one in model.metadata_props}
    if "hybridx.inlined" in entries:
        names = [one["parameters"] for one in json.loads(entries["hybridx.inlined"])["calls"]]
        places = dict(enumerate(names))
    else:
        inner = [node for node in walk_nodes(model.graph) if is_circuit_node(node)]
        outer = {id(node): node.input[0] for node in model.graph.node if is_circuit_node(node)}
        places = {at: node.input[0] for at, node in enumerate(inner) if id(node) in outer}
    known = dict(rows)
    known |= {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    wanted = [name for name in dict.fromkeys(places.values()) if name not in known]
    there = {one.name for one in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in wanted if name not in there
    )
    if wanted:
        session = onnxruntime.InferenceSession(model.SerializeToString())
        known |= dict(zip(wanted, session.run(wanted, dict(rows)), strict=True))
    return {at: known[name] for at, name in places.items()}


def packed(array: np.ndarray) -> dict[str, Any]:
    """Return an array as JSON; numbers that are not finite do not occur."""
    plain = np.asarray(array)
    numbers = plain.reshape(-1).tolist()
    return {"dtype": plain.dtype.name, "dims": [*plain.shape], "data": numbers}
