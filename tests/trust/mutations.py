"""Random changes of good files, in all formats: each is refused, or has no meaning.

A changed file is loaded, and has to vouch for itself (`hybridx.verify`), in a forked process that
may crash or hang. A crash, a hang and an exception of another kind than ours are no refusals.
"""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import random
import select
import signal
import struct
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import onnx

import hybridx
from hybridx.errors import HybridxError

FORMATS = ("onnx", "bundle", "torchscript", "pt2")
MODELS = ("classifier", "noise", "named", "state")
BATCH, SECONDS = 200, 30.0
Files: TypeAlias = dict[str, bytes]
"""The files of a bundle or the members of an archive, by name; one with an empty name else."""
_SAID = ("manifest.json", "hybridx.json")  # what hybridx says of the file


class Outcome(NamedTuple):
    """What became of a changed file.

    Attributes:
        change: the kind of the change.
        result: `refused`, `passed`, `foreign`, `crash`, `hang`, or `same` for no change.
        detail: the error, or where the files differ.
    """

    change: str
    result: str
    detail: str


# --- changes -------------------------------------------------------------------------------------


def change_bytes(rng: random.Random, data: bytes) -> bytes:
    """Return bytes in which a bit, a byte or a span is another one."""
    at, length = rng.randrange(max(1, len(data))), rng.randrange(1, 33)
    match rng.randrange(7):
        case 0 | 1:
            changed = bytearray(data)
            for _ in range(rng.choice((1, 1, 1, 8)) if changed else 0):
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            return bytes(changed)
        case 2:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        case 3:
            return data[:at]
        case 4:
            return data[:at] + rng.randbytes(length) + data[at:]
        case 5:
            return data[:at] + data[at + length :]
        case _:
            return data[: at + length] + data[at:]


_NUMBERS = (0, 1, -1, 2, 3, 7, 19, 21, 99, 2**31, 2**40, -(2**63), 2**63 - 1)


def change_number(rng: random.Random, value: float) -> float:
    """Return another number."""
    if isinstance(value, int):
        return rng.choice((value + 1, value - 1, rng.choice(_NUMBERS)))
    return rng.choice((value * 1.001, -value, value + 1e-3, 0.0, 1e30, float("nan"), value * 2))


def change_text(rng: random.Random, text: str) -> str:
    """Return another text."""
    at = rng.randrange(len(text) + 1)
    letter = rng.choice('0123456789abcXYZ_{}[]",:.-')
    odd = ("", "0", "null", "{}", "x", "true", "\x00", "1e400", text * 2)
    start, end = text[:at], text[at + 1 :]
    return rng.choice((start + letter + end, start + end, rng.choice(odd)))


def _places(message: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """Yield the messages inside a message with the fields that are set in them."""
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "DESCRIPTOR") else value:
                yield from _places(inner, depth + 1)


def change_message(rng: random.Random, model: onnx.ModelProto) -> str:
    """Change a field of a model, and return the field's name; rare kinds of messages come often."""
    kinds: dict[str, list[tuple[Any, Any]]] = {}
    for message, field in _places(model):
        kinds.setdefault(f"{message.DESCRIPTOR.name}.{field.name}", []).append((message, field))
    name = rng.choice(sorted(kinds))
    message, field = rng.choice(kinds[name])
    value = getattr(message, field.name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        _assign(message, field, change_number(rng, value))
    elif isinstance(value, str):
        _assign(message, field, change_text(rng, value))
    elif isinstance(value, bytes):
        _assign(message, field, change_bytes(rng, value))
    elif hasattr(value, "DESCRIPTOR"):
        message.ClearField(field.name)
    else:
        _change_list(rng, field, value)
    return name


def _assign(message: Any, field: Any, value: Any) -> None:
    try:
        setattr(message, field.name, value)
    except (ValueError, TypeError):  # out of range for the field
        message.ClearField(field.name)


def _change_list(rng: random.Random, field: Any, values: Any) -> None:
    kind, index = rng.randrange(4), rng.randrange(len(values))
    if kind == 0:
        del values[index]
    elif kind == 1:
        values.append(values[index])
    elif kind == 2:
        other = rng.randrange(len(values))
        items = [*values]
        items[index], items[other] = items[other], items[index]
        kept = (
            [type(one).FromString(one.SerializeToString()) for one in items]
            if (field.message_type is not None)
            else items
        )
        del values[:]
        values.extend(kept)
    elif field.message_type is None and isinstance(values[index], str):
        values[index] = change_text(rng, values[index])
    elif field.message_type is None and isinstance(values[index], int):
        values[index] = rng.choice((0, 1, 2, 3, values[index] + 1))
    else:
        del values[index]


def change_json(rng: random.Random, document: Any) -> Any:
    """Return a JSON value in which one value or key is another one, also inside texts of JSON."""
    if isinstance(document, dict) and document:
        key = rng.choice(sorted(document))
        if rng.random() < 0.1:
            return {name: value for name, value in document.items() if name != key}
        if rng.random() < 0.1:
            return {
                change_text(rng, name) if name == key else name: value
                for name, value in document.items()
            }
        return document | {key: change_json(rng, document[key])}
    if isinstance(document, list) and document:
        index = rng.randrange(len(document))
        changed = [*document]
        if rng.random() < 0.2:
            del changed[index]
        else:
            changed[index] = change_json(rng, document[index])
        return changed
    if isinstance(document, str):
        if document[:1] in ("{", "[") and rng.random() < 0.8:
            return json.dumps(change_json(rng, json.loads(document)), separators=(",", ":"))
        return change_text(rng, document)
    if isinstance(document, bool) or document is None:
        return not document
    if isinstance(document, int | float):
        return change_number(rng, document)
    return 0


def mutate(format: str, files: Files, seed: int) -> tuple[str, Files]:
    """Return the kind of a random change and the changed files; the same for a seed."""
    rng = random.Random(seed)
    said = [one for one in files if one.endswith(_SAID)]
    name = rng.choice(said if said and rng.random() < 0.4 else sorted(files))
    data = files[name]
    if name in said and rng.random() < 0.7:
        text = json.dumps(change_json(rng, json.loads(data)))
        return f"JSON of {Path(name).name}", files | {name: text.encode(errors="replace")}
    if format == "onnx" and rng.random() < 0.6:
        model = onnx.ModelProto.FromString(data)
        kind = change_message(rng, model)
        return kind, {name: model.SerializeToString(deterministic=True)}
    changed = files | {name: change_bytes(rng, data)}
    if format == "bundle" and name != "manifest.json" and rng.random() < 0.5:
        # As someone does who knows of the hashes, but not of the digest.
        from hashlib import sha256

        manifest = json.loads(changed["manifest.json"])
        manifest["sha256"][name] = sha256(changed[name]).hexdigest()
        changed["manifest.json"] = json.dumps(manifest).encode()
        return "part with its hash", changed
    return f"bytes of {Path(name).suffix or 'a file'}", changed


# --- files ---------------------------------------------------------------------------------------


def unpack(path: Path) -> tuple[str, Files]:
    """Return the format of a file and its parts."""
    format = path.parent.name.rpartition("-")[0]
    if format == "bundle":
        return format, {one.name: one.read_bytes() for one in path.iterdir()}
    if format == "onnx":
        return format, {"": path.read_bytes()}
    with zipfile.ZipFile(path) as archive:
        return format, {name: archive.read(name) for name in archive.namelist()}


def place(files: Files, path: Path) -> None:
    """Write parts as a file."""
    if "" in files:
        path.write_bytes(files[""])
    elif "manifest.json" in files:
        path.mkdir(exist_ok=True)
        for name, data in files.items():
            (path / name).write_bytes(data)
    else:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name), data)
        path.write_bytes(packed.getvalue())


# --- judging -------------------------------------------------------------------------------------

# Fields that say nothing of what is computed or promised.
_UNORDERED = {
    "metadata_props",
    "initializer",
    "functions",
    "opset_import",
    "value_info",
    "attribute",
}
_TEXTS = {"doc_string", "producer_name", "producer_version", "model_version"}


def meaning(files: Files) -> Any:
    """Return what files mean; equal for files that differ in meaningless things only."""
    if "" in files:
        model = onnx.ModelProto.FromString(files[""])
        model.ClearField("domain")
        return _plain(model)
    return {name: _read(name, data) for name, data in files.items()}


def _plain(message: Any) -> Any:
    """Return a message as plain values, fields in order, lists of names sorted."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name in _TEXTS:
            continue
        if field.message_type is None:
            is_one = isinstance(value, str | bytes | int | float)
            found[field.name] = repr(value if is_one else [*value])
        elif hasattr(value, "DESCRIPTOR"):
            found[field.name] = _plain(value)
        else:
            inner = [_plain(one) for one in value]
            if field.name in _UNORDERED:
                inner.sort(key=repr)
            found[field.name] = inner
    return found


def _read(name: str, data: bytes) -> Any:
    if not name.endswith(_SAID):
        return data
    try:
        return json.loads(data)
    except ValueError:
        return data


def judge(files: Files, path: Path) -> tuple[str, str]:
    """Load and verify files, and return the result and its detail."""
    try:
        place(files, path)
        hybridx.load(path)
        hybridx.verify(path)
    except HybridxError as error:
        return "refused", type(error).__name__
    except Exception as error:
        return "foreign", f"{type(error).__name__}: {error}"[:200]
    return "passed", ""


def _children(
    format: str, files: Files, start: int, end: int, seed: int, folder: Path
) -> Iterator[Outcome]:
    """Judge changes in a forked process, and go on behind one that ends it."""
    while start < end:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            _child(format, files, range(start, end), seed, folder, write)
        os.close(write)
        result = "crash"
        with os.fdopen(read, "rb") as pipe:
            while start < end:
                if not select.select([pipe], [], [], SECONDS)[0]:
                    result = "hang"
                    os.kill(pid, signal.SIGKILL)
                    break
                header = pipe.read(4)
                if len(header) < 4:
                    break
                yield Outcome(*pickle.loads(pipe.read(struct.unpack("<I", header)[0])))
                start += 1
        os.waitpid(pid, 0)
        if start < end:
            yield Outcome(mutate(format, files, seed + start)[0], result, f"seed {seed + start}")
            start += 1


def _child(format: str, files: Files, numbers: range, seed: int, folder: Path, pipe: int) -> None:
    logging.disable(logging.CRITICAL)
    ending = {"onnx": "onnx", "bundle": "bundle", "torchscript": "pt", "pt2": "pt2"}[format]
    original = meaning(files)
    try:
        for number in numbers:
            change, changed = mutate(format, files, seed + number)
            result, detail = "same", ""
            if changed != files:
                result, detail = judge(changed, folder / f"changed.{ending}")
            if result == "passed":
                detail = f"seed {seed + number}"
                result = "same" if meaning(changed) == original else result
            body = pickle.dumps((change, result, detail))
            os.write(pipe, struct.pack("<I", len(body)) + body)
    finally:
        os._exit(0)


def run(path: Path, count: int, seed: int) -> list[Outcome]:
    """Return what became of changes of a file."""
    format, files = unpack(path)
    hybridx.verify(path)  # what is imported is imported before the fork
    found: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, count, BATCH):
            end = min(count, start + BATCH)
            found += _children(format, files, start, end, seed, Path(folder))
    return found


def share_refused(found: list[Outcome]) -> float:
    """Return the share of changes with meaning that a typed error refuses."""
    results = Counter(one.result for one in found)
    meant = len(found) - results["same"]
    return results["refused"] / meant if meant else 1.0
