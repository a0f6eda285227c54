"""Changes that get past a reader's first checks: the checksum of a zip, the syntax of JSON."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import zipfile
from typing import Any

import onnx
from google.protobuf.message import DecodeError, EncodeError

from hybridx.artifact import MANIFEST
from tests.fuzzing.target import Mutate
from tests.trust.mutations import Files, change_json, change_message

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
# What is wrong with an input that is no JSON, protobuf or zip any more: it is changed as bytes.
_UNREADABLE = (ValueError, RecursionError, DecodeError, EncodeError, zipfile.BadZipFile)
_UNREADABLE += (NotImplementedError, EOFError, KeyError, RuntimeError, OSError, UnicodeError)


def packed(files: Files) -> bytes:
    """Return files by name as one zip archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return content.getvalue()


def unpacked(data: bytes) -> Files:
    """Return the files of a zip archive by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def change_archive(rng: random.Random, data: bytes, mutate: Mutate) -> bytes:
    """Change a member of a zip archive, or rarely the members that there are."""
    if rng.random() < 0.02:
        return mutate(data)
    try:
        files = unpacked(data)
        if not files:
            return mutate(data)
        name = rng.choice(sorted(files))
        match rng.randrange(40):
            case 0:
                del files[name]
            case 1:
                files[name] = files[rng.choice(sorted(files))]
            case 2:
                files[name + rng.choice("0123/._x")] = files[name]
            case _:
                files[name] = _changed(rng, name, files[name], mutate)
        if MANIFEST in files and name != MANIFEST and rng.random() < 0.95:
            files[MANIFEST] = _with_hash(files, name)
        return packed(files)
    except _UNREADABLE:
        return mutate(data)


def _with_hash(files: Files, name: str) -> bytes:
    """Return the manifest of a bundle with the hash that a file has now."""
    manifest = json.loads(files[MANIFEST])
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256"), dict):
        return files[MANIFEST]
    manifest["sha256"][name] = hashlib.sha256(files.get(name, b"")).hexdigest()
    return json.dumps(manifest).encode()


def _changed(rng: random.Random, name: str, data: bytes, mutate: Mutate) -> bytes:
    if rng.random() < 0.25:
        return mutate(data)
    if name.endswith(".onnx"):
        return change_model(rng, data, mutate)
    if name.endswith(".npy"):
        return change_npy(rng, data, mutate)
    if name.endswith((".py", ".qasm")):
        return change_tokens(rng, data, mutate)
    if data[:1] in (b"{", b"["):
        return change_document(rng, data, mutate)
    return mutate(data)


def change_document(rng: random.Random, data: bytes, mutate: Mutate) -> bytes:
    """Change a value in JSON, also inside a text of JSON."""
    if rng.random() < 0.15:
        return mutate(data)
    try:
        document = json.loads(data)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            document = _grafted(rng, document) if rng.random() < 0.2 else change_json(rng, document)
        return json.dumps(document, separators=(",", ":")).encode(errors="replace")
    except _UNREADABLE:
        return mutate(data)


def _grafted(rng: random.Random, document: Any) -> Any:
    """Return a document in which a value stands in the place of another."""
    if not isinstance(document, dict | list):
        return document
    places: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        one = waiting.pop()
        items = one.items() if isinstance(one, dict) else enumerate(one)
        for key, value in items:
            places.append((one, key))
            if isinstance(value, dict | list):
                waiting.append(value)
    if not places:
        return document
    (there, key), (source, found) = rng.choice(places), rng.choice(places)
    # A copy, as a document that holds itself has no end.
    there[key] = json.loads(json.dumps(source[found]))
    return document


def change_model(rng: random.Random, data: bytes, mutate: Mutate) -> bytes:
    """Change fields of an ONNX model."""
    if rng.random() < 0.15:
        return mutate(data)
    try:
        model = onnx.ModelProto.FromString(data)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            if rng.random() < 0.3:
                _graft_node(rng, model)
            else:
                change_message(rng, model)
        for one in model.metadata_props:
            if rng.random() < 0.1 and one.value[:1] in ("{", "["):
                one.value = change_document(rng, one.value.encode(), lambda text: text).decode()
        return model.SerializeToString(deterministic=True)
    except (*_UNREADABLE, IndexError, TypeError):
        return mutate(data)


def _graft_node(rng: random.Random, model: onnx.ModelProto) -> None:
    """Put a node, a tensor, a graph or a function where it was not."""
    rooms = [model.graph, *model.functions]
    nodes = [node for room in rooms for node in room.node]
    if not nodes:
        return
    node = rng.choice(nodes)
    match rng.randrange(6):
        case 0:
            rng.choice(rooms).node.append(node)
        case 1:
            node.attribute.add(name="body", type=onnx.AttributeProto.GRAPH).g.node.append(node)
        case 2:
            node.op_type, node.domain = _operator(rng, rooms, nodes)
        case 3 if model.functions:
            model.functions.add().CopyFrom(rng.choice(model.functions))
        case 4 if model.graph.initializer:
            tensor = rng.choice(model.graph.initializer)
            node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
        case _:
            other = rng.choice(nodes)
            del node.input[:]
            node.input.extend(other.input)


def _operator(rng: random.Random, rooms: list[Any], nodes: list[Any]) -> tuple[str, str]:
    standard = rng.choice(("If", "Loop", "Scan", "Constant", "Tile", "Expand", "Div", "MatMul"))
    other = rng.choice(nodes)
    function = rng.choice(rooms)
    name = getattr(function, "name", "")
    return rng.choice(((standard, ""), (other.op_type, other.domain), (name, "hybridx")))


def change_tokens(rng: random.Random, data: bytes, mutate: Mutate) -> bytes:
    """Change words of a source, or put others of its words in their place."""
    if rng.random() < 0.25:
        return mutate(data)
    tokens = _TOKEN.findall(data.decode(errors="replace"))
    for _ in range(rng.choice((1, 1, 2, 4)) if tokens else 0):
        at, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        match rng.randrange(4):
            case 0:
                tokens[at] = tokens[other]
            case 1:
                tokens[at] = ""
            case 2:
                start = min(at, other)
                tokens[at] += "".join(tokens[start : start + rng.randrange(1, 30)])
            case _:
                tokens[at] = mutate(tokens[at].encode()).decode(errors="replace")
    return "".join(tokens).encode()


def change_npy(rng: random.Random, data: bytes, mutate: Mutate) -> bytes:
    """Change the header of an array in NumPy's format, and keep the length that it says it has."""
    if rng.random() < 0.3 or len(data) < 10 or not data.startswith(b"\x93NUMPY"):
        return mutate(data)
    wide = data[6] > 1
    start = 12 if wide else 10
    end = start + int.from_bytes(data[8:start], "little")
    header = change_tokens(rng, data[start:end], mutate)
    length = (len(header) % 2 ** (32 if wide else 16)).to_bytes(4 if wide else 2, "little")
    return data[:8] + length + header + data[end:]


def change_lines(rng: random.Random, data: bytes, mutate: Mutate, words: tuple[str, ...]) -> bytes:
    """Change an input of one item a line: add, drop, repeat or change items."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(lines)) if lines else 0
        match rng.randrange(6):
            case 0 | 1:
                lines.insert(at, rng.choice(words).encode())
            case 2 if lines:
                lines[at] = rng.choice(words).encode()
            case 3 if lines:
                del lines[at]
            case 4 if lines:
                lines.append(lines[at])
            case _ if lines:
                lines[at] = mutate(lines[at]).replace(b"\n", b"")
    return b"\n".join(lines)
