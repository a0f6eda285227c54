"""Hostile archives of torch, and checkpoints."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import torch

from tests.golden.files import newest
from tests.trust.hostile.case import ANY, LOOK, NONE, TORCH, WEIGHTS, Case, content
from tests.trust.hostile.measure import EXECUTED

Members = dict[str, bytes]
CODE, DATA, SAID = "model/code/__torch__/hybridx.py", "model/data.pkl", "model/extra/hybridx.json"
PROGRAM = "model/models/model.json"


class Evil:
    """An object whose unpickling writes a file."""

    def __reduce__(self):
        return os.system, (f"touch {EXECUTED}",)


EVIL = pickle.dumps(Evil(), 2)


def members(format: str) -> Members:
    """Return the members of a good archive."""
    with zipfile.ZipFile(newest()[f"{format} classifier"]) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return content.getvalue()


def with_member(format: str, name: str, change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    """Return what makes a good archive with a change in a member."""

    def make() -> bytes:
        files = members(format)
        changed = change(files.get(name, b""))
        assert changed != files.get(name), "nothing is changed"
        return packed(files | {name: changed})

    return make


def code(old: str, new: str) -> Callable[[], bytes]:
    return with_member("torchscript", CODE, lambda d: d.replace(old.encode(), new.encode(), 1))


def line(new: str) -> Callable[[], bytes]:
    """Return what makes a program with a line more, at the beginning of `forward`."""

    def change(data: bytes) -> bytes:
        head, forward, rest = data.partition(b"def forward(")
        declared, end, body = rest.partition(b":\n")
        # The parameters may stand on lines of their own.
        while not declared.rstrip().endswith((b"Tensor", b"]")) and b":\n" in body:
            more, end, body = body.partition(b":\n")
            declared += b":\n" + more
        return head + forward + declared + end + f"    {new}\n".encode() + body

    return with_member("torchscript", CODE, change)


def document(format: str, name: str, change: Callable[[Any], object]) -> Callable[[], bytes]:
    def changed(data: bytes) -> bytes:
        found = json.loads(data)
        change(found)
        return json.dumps(found).encode()

    return with_member(format, name, changed)


def metas(found: Any) -> list[dict[str, Any]]:
    """Return the tables of tensors in a PT2 program."""
    return [*found["graph_module"]["graph"]["tensor_values"].values()]


def compressed() -> bytes:
    files = members("torchscript") | {"model/data/0": bytes(3_000_000_000 // 8)}
    return packed(files, zipfile.ZIP_DEFLATED)


def first_node(found: Any) -> dict[str, Any]:
    return found["graph_module"]["graph"]["nodes"][0]


TORCHSCRIPT: dict[str, Callable[[], bytes]] = {
    "a pickle that runs a command": with_member("torchscript", DATA, lambda data: EVIL),
    "constants that run a command": with_member(
        "torchscript", "model/constants.pkl", lambda data: EVIL
    ),
    "a member of 400 MB in 400 kB": compressed,
    "a storage that is missing": lambda: packed(
        {name: data for name, data in members("torchscript").items() if name != "model/data/1"}
    ),
    "a storage cut in half": with_member(
        "torchscript", "model/data/0", lambda data: data[: len(data) // 2]
    ),
    "a storage of no bytes": with_member("torchscript", "model/data/8", lambda data: b""),
    "a table of 2^31 numbers": with_member(
        "torchscript", DATA, lambda data: data.replace(b"K\x06", b"J\xff\xff\xff\x7f")
    ),
    "a member beside": with_member("torchscript", "model/evil.py", lambda data: b"1"),
    "a member twice": lambda: packed(
        members("torchscript") | {"other/data/0": bytes(24), "third/data/0": bytes(24)}
    ),
    "empty code": with_member("torchscript", CODE, lambda data: b""),
    "code that is no text": with_member("torchscript", CODE, lambda data: b"\xff\xfe" + data),
    "brackets 5,000 deep": line(f"z = {'(' * 5000}1{')' * 5000}"),
    "an import": code("class Model", "import os\nclass Model"),
    "an operator that reads files": line('z = torch.from_file("/etc/passwd", False, 10)'),
    "an operator that saves": line(f'z = torch.save(1, "{EXECUTED}")'),
    "unsafe segments": line("z = torch.segment_reduce(self.weight_10, 'sum', unsafe=True)"),
    "a resize": line("z = torch.resize_(self.weight_10, [1000000])"),
    "strides beyond the end": line("z = torch.as_strided(self.weight_10, [9], [1], 999999)"),
    "a tensor of 2^40": line("z = torch.ones([1099511627776])"),
    "a loop": line("for i in range(1000000000):\n      z = 1"),
    "a while": line("while True:\n      z = 1"),
    "bytes behind the end": lambda: packed(members("torchscript")) + b"PK\x05\x06" + bytes(18),
    "a name of an escape sequence": with_member(
        "torchscript", SAID, lambda data: data.replace(b"yes", b"\\\\u001b[2J")
    ),
}

PT2: dict[str, Callable[[], bytes]] = {
    "pickled inputs": with_member("pt2", "model/data/sample_inputs/model.pt", lambda data: EVIL),
    "a program that is no JSON": with_member("pt2", PROGRAM, lambda data: data[:-9]),
    "a program 30,000 deep": with_member("pt2", PROGRAM, lambda data: b"[" * 30_000),
    "a weight of no bytes": with_member("pt2", "model/data/weights/weight_8", lambda data: b""),
    "an operator that is not allowed": document(
        "pt2", PROGRAM, lambda f: first_node(f).update(target="torch.ops.aten.from_file.default")
    ),
    "an operator that is an import": document(
        "pt2", PROGRAM, lambda f: first_node(f).update(target="os.system")
    ),
    "a name that is code": document(
        "pt2", PROGRAM, lambda f: first_node(f).update(name=f"x = open('{EXECUTED}', 'w') #")
    ),
    "no nodes": document("pt2", PROGRAM, lambda f: f["graph_module"]["graph"]["nodes"].clear()),
    "lengths of 2^62": document(
        "pt2", PROGRAM, lambda f: metas(f)[0].update(sizes=[{"as_int": 2**62}])
    ),
    "an expression that is code": document(
        "pt2",
        PROGRAM,
        lambda f: metas(f)[0].update(
            sizes=[{"as_expr": {"expr_str": "__import__('os').system('touch executed')"}}]
        ),
    ),
    "a version of 400 digits": document(
        "pt2", PROGRAM, lambda f: f["schema_version"].update(major=int("9" * 400))
    ),
}


# What nothing reads may stand in a file, and `inspect` does not run what it describes.
ANSWERED = {
    "strides beyond the end": ANY,
    "a name of an escape sequence": ANY,
    "no nodes": LOOK,
    "lengths of 2^62": LOOK,
}


def archive_cases() -> list[Case]:
    """Return the cases of archives."""
    return [
        content(f"{format}: {name}", f"hostile.{ending}", TORCH, ANSWERED.get(name, NONE))(build)
        for format, ending, table in (("torchscript", "pt", TORCHSCRIPT), ("pt2", "pt2", PT2))
        for name, build in table.items()
    ]


# --- checkpoints ---------------------------------------------------------------------------------


def saved(found: Any) -> bytes:
    content = io.BytesIO()
    torch.save(found, content)
    return content.getvalue()


def weights(**entries: Any) -> dict[str, Any]:
    return {"weight": torch.zeros(2, 3), "bias": torch.zeros(2)} | entries


def safetensors(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(**entries: Any) -> bytes:
    tensor = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]} | entries
    return json.dumps({"weight": tensor}).encode()


CHECKPOINTS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "command.pt": (lambda: EVIL, NONE),
    "command in a zip.pt": (lambda: packed({"a/data.pkl": EVIL, "a/version": b"3"}), NONE),
    "an object.pt": (lambda: saved({"weight": Evil()}), NONE),
    "numbers for names.pt": (lambda: saved({1: torch.zeros(2)}), NONE),
    "a stride of 0 over 2^40.pt": (
        lambda: saved(weights(weight=torch.zeros(1).expand(2**40, 3))),
        NONE,
    ),
    "not a number.pt": (lambda: saved(weights(bias=torch.full((2,), float("nan")))), ANY),
    "an empty file.pt": (lambda: b"", NONE),
    "noise.pt": (lambda: bytes(range(256)) * 20, NONE),
    "a header of 2^62.safetensors": (lambda: safetensors(b"{}", length=2**62), NONE),
    "a header 90,000 deep.safetensors": (lambda: safetensors(b'{"a":' * 90_000), NONE),
    "offsets behind the end.safetensors": (
        lambda: safetensors(entry(data_offsets=[0, 2**40]), bytes(24)),
        NONE,
    ),
    "lengths that overflow.safetensors": (
        lambda: safetensors(entry(shape=[2**62, 4]), bytes(24)),
        NONE,
    ),
    "a type that there is not.safetensors": (
        lambda: safetensors(entry(dtype="F9"), bytes(24)),
        NONE,
    ),
    "an index of itself.safetensors.index.json": (
        lambda: b'{"weight_map": {"weight": "an index of itself.safetensors.index.json"}}',
        NONE,
    ),
    "an index of another folder.safetensors.index.json": (
        lambda: b'{"weight_map": {"weight": "../secret"}}',
        NONE,
    ),
}


def checkpoint_cases() -> list[Case]:
    """Return the cases of checkpoints."""
    return [
        content(f"checkpoint: {name}", name, WEIGHTS, may_answer)(build)
        for name, (build, may_answer) in CHECKPOINTS.items()
    ]
