"""Hostile data, row files and experiments, and what is no file."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzzing.target import HERE
from tests.trust.hostile.case import (
    DATA,
    EXPERIMENT,
    MODEL,
    NONE,
    ROWS,
    TABLE,
    TORCH,
    WEIGHTS,
    Case,
    content,
)
from tests.trust.hostile.torch_cases import EVIL, packed

IRIS = (HERE.parents[1] / "exported" / "iris.toml").read_text()


def npy(header: str, data: bytes = b"", length: int | None = None, version: int = 1) -> bytes:
    text = header.encode() + b"\n"
    size = (len(text) if length is None else length).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def header(descr: str = "'<f4'", shape: str = "(2, 3)", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def bomb() -> bytes:
    """Return 1.3 GB of numbers in 1 MB."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("input.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy(header(shape="(330000000,)")))
        for _ in range(165):
            member.write(bytes(8_000_000))
    return content.getvalue()


def objects() -> bytes:
    content = io.BytesIO()
    np.save(content, np.array([object()], dtype=object), allow_pickle=True)
    return content.getvalue()


ARRAYS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "2^40 rows.npy": (lambda: npy(header(shape="(1099511627776, 3)"), bytes(24)), NONE),
    "lengths that overflow.npy": (lambda: npy(header(shape="(4294967296, 4294967296)")), NONE),
    "a negative length.npy": (lambda: npy(header(shape="(-2, 3)"), bytes(24)), NONE),
    "2^40 rows of nothing.npy": (lambda: npy(header(shape="(1099511627776, 0)")), NONE),
    "columns first, 2^40.npy": (
        lambda: npy(header(shape="(1099511627776, 3)", order="True"), bytes(24)),
        NONE,
    ),
    "a header of code.npy": (lambda: npy("__import__('os').system('touch executed')"), NONE),
    "a header 5,000 deep.npy": (lambda: npy("(" * 5000 + ")" * 5000), NONE),
    "a header of 4 GB.npy": (lambda: npy(header(), length=2**32 - 1, version=2), NONE),
    "text of 2^30 letters.npy": (lambda: npy(header(descr="'<U1073741824'")), NONE),
    "Python objects.npy": (objects, NONE),
    "a pickle.npy": (lambda: EVIL, NONE),
    "empty.npy": (lambda: b"", NONE),
    "1.3 GB in 1 MB.npz": (bomb, NONE),
    "a pickle.npz": (lambda: packed({"input.npy": EVIL}), NONE),
    "a name twice.npz": (
        lambda: packed({"input.npy": npy(header(), bytes(24)), "input": b""}),
        NONE,
    ),
    "an escape sequence.npz": (lambda: packed({"\x1b[2J.npy": npy(header(), bytes(24))}), NONE),
    "70,000 members.npz": (lambda: packed({f"{i}.npy": b"" for i in range(70_000)}), NONE),
    "cut.npz": (lambda: b"PK\x03\x04" + bytes(40), NONE),
    "100,000 deep.json": (lambda: b"[" * 100_000, NONE),
    "a number of 100,000 digits.json": (
        lambda: b'{"input": [[1, 2, ' + b"9" * 100_000 + b"]]}",
        NONE,
    ),
    "a name twice.json": (lambda: b'{"input": [[1, 2, 3]], "input": [[1, 2, 3]]}', NONE),
    "uneven lists.json": (lambda: b'{"input": [[1, 2, 3], [1]]}', NONE),
    "an escape sequence.json": (lambda: b'{"\\u001b[2J": [[1, 2, 3]]}', NONE),
}

TABLES: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "empty.csv": (lambda: b"", NONE),
    "zeros.csv": (lambda: bytes(5000), NONE),
    "a field of 30 MB.csv": (lambda: b"a,b,c,kind\n" + b"1" * 30_000_000, NONE),
    "an open quote.csv": (lambda: b'a,b,c,kind\n"' + b"x\n" * 500_000, NONE),
    "300,000 columns.csv": (lambda: b",".join(b"c%d" % i for i in range(300_000)) + b"\n", NONE),
    "a column twice.csv": (lambda: b"a,a,c,kind\n1,2,3,yes\n", NONE),
    "an escape sequence.csv": (lambda: b"\x1b]0;x\x07,b,c,kind\n1,2,3,yes\n", NONE),
    "markup.csv": (lambda: b"a,b,c,kind\n[red]1[/red],2,3,yes\n", NONE),
    "another encoding.csv": (lambda: "a,b,größe,kind\n1,2,3,ja\n".encode("utf-16"), NONE),
    "numbers that are none.csv": (lambda: b"a,b,c,kind\n1_0,0x1,1e999,yes\n", NONE),
}

ROWS_FILES: dict[str, Callable[[], bytes]] = {
    "80,000 deep.json": lambda: b'{"held_out_rows": ' + b"[" * 80_000,
    "a row of 2^70.json": lambda: b'{"held_out_rows": [1180591620717411303424]}',
    "a negative row.json": lambda: b'{"held_out_rows": [-1]}',
    "no list.json": lambda: b'{"held_out_rows": "0"}',
    "a number that is none.json": lambda: b'{"held_out_rows": [NaN]}',
    "empty.json": lambda: b"",
}


def experiment(old: str, new: str) -> Callable[[], bytes]:
    def make() -> bytes:
        assert old in IRIS, old
        return IRIS.replace(old, new, 1).encode()

    return make


EXPERIMENTS: dict[str, Callable[[], bytes]] = {
    "empty.toml": lambda: b"",
    "noise.toml": lambda: bytes(range(256)) * 4,
    "5,000 deep.toml": lambda: b"a = " + b"[" * 5000 + b"]" * 5000,
    "keys 5,000 deep.toml": lambda: b".".join([b"a"] * 5000) + b" = 1",
    "a number of 100,000 digits.toml": lambda: b"a = " + b"9" * 100_000,
    "2^40 wires.toml": experiment("n_qubits = ", "n_qubits = 1099511627776 #"),
    "2^40 layers.toml": experiment("n_layers = ", "n_layers = 1099511627776 #"),
    "2^40 hidden.toml": experiment("hidden_dims = ", "hidden_dims = [1099511627776] #"),
    "a table beside the folder.toml": experiment("csv = ", 'csv = "../secret" #'),
    "a device for a table.toml": experiment("csv = ", 'csv = "/dev/zero" #'),
    "an escape sequence.toml": experiment("csv = ", '"\\u001b[2J" = 1\ncsv = '),
}


def tables(
    prefix: str,
    table: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]],
    commands: tuple[str, ...],
) -> list[Case]:
    return [
        content(f"{prefix}: {name}", name, commands, may_answer)(build)
        for name, (build, may_answer) in table.items()
    ]


def data_cases() -> list[Case]:
    """Return the cases of data, row files and experiments."""
    return [
        *tables("data", ARRAYS, DATA[:1]),
        *tables("table", TABLES, TABLE),
        *tables("rows", {name: (build, NONE) for name, build in ROWS_FILES.items()}, ROWS),
        *tables("toml", {name: (build, NONE) for name, build in EXPERIMENTS.items()}, EXPERIMENT),
    ]


def strange_cases() -> list[Case]:
    """Return pipes, devices, folders and links in the place of every kind of file."""
    kinds = {
        "model.onnx": MODEL[:2],
        "model.pt": TORCH[:1],
        "x.npy": DATA[:1],
        "x.npz": DATA[:1],
        "x.csv": TABLE[:1],
        "rows.json": ROWS,
        "x.toml": EXPERIMENT[:1],
        "x.safetensors": WEIGHTS,
    }
    places: dict[str, Callable[[Path], object]] = {
        "a pipe": os.mkfifo,
        "a device": lambda path: path.symlink_to("/dev/zero"),
        "a folder": Path.mkdir,
        "a link to itself": lambda path: path.symlink_to(path.name),
        "nothing": lambda path: None,
    }
    return [
        Case(f"{what} for {name}", f"hostile-{name}", lambda path, make=make: _made(make, path),
             commands)
        for name, commands in kinds.items()
        for what, make in places.items()
    ]  # fmt: skip


def _made(make: Callable[[Path], object], path: Path) -> None:
    make(path)
