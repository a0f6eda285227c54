"""Writes of every kind, and what stands in their folder before and after them."""

from __future__ import annotations

import shutil

from hybridx.storage import (
    renames,
    temporaries,
    write_folder,
    write_from,
    write_together,
    write_whole,
)

OLD = {"marker": b"0", "part": b"old", "part_1": b"older"}
NEW = {"marker": b"1", "part": b"new"}


def is_ours(name):
    return name.startswith(("marker", "part")) and "/" not in name


def replace_file(folder):
    write_whole(folder / "file", b"new", overwrite=True)


def make_file(folder):
    def fill(file):
        file.write(b"ne")
        file.flush()
        file.write(b"w")

    write_from(folder / "file", fill, overwrite=False)


def replace_pair(folder):
    write_together({folder / "a": b"new", folder / "b": b"new too"}, overwrite=True)


def make_pair(folder):
    write_together({folder / "a": b"new", folder / "b": b"new too"}, overwrite=False)


def one_of_a_pair(folder):
    write_together({folder / "a": b"new", folder / "b": b"new too"}, overwrite=True)


def replace_folder(folder):
    write_folder(folder / "out", NEW, "marker", is_ours, overwrite=True)


def make_folder(folder):
    write_folder(folder / "out", NEW, "marker", is_ours, overwrite=False)


PAIR = {"a": b"new", "b": b"new too"}
WRITES = {
    "a file": (replace_file, {"file": b"old"}, {"file": b"new"}),
    "a new file": (make_file, {}, {"file": b"new"}),
    "a pair": (replace_pair, {"a": b"old", "b": b"old too"}, PAIR),
    "a new pair": (make_pair, {}, PAIR),
    "a pair of which one is new": (one_of_a_pair, {"a": b"old"}, PAIR),
    "a folder": (replace_folder, {"out": OLD}, {"out": NEW}),
    "a new folder": (make_folder, {}, {"out": NEW}),
    "an empty folder": (make_folder, {"out": {}}, {"out": NEW}),
}
SYSTEMS = {
    "linux": lambda patch: None,
    "no exchange": lambda patch: patch.setattr(renames, "_renaming", lambda: None),
    "names from the beginning": lambda patch: patch.setattr(
        temporaries, "_open_unnamed", lambda *_: None
    ),
    "no name for an open file": lambda patch: patch.setattr(
        temporaries, "_descriptor", lambda file: "/proc/self"
    ),
}


def put(folder, content):
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for name, inside in content.items():
        if isinstance(inside, bytes):
            (folder / name).write_bytes(inside)
        else:
            (folder / name).mkdir()
            put(folder / name, inside)


def found(folder, *, ours=True):
    return {
        path.name: found(path) if path.is_dir() else path.read_bytes()
        for path in folder.iterdir()
        if ours or not path.name.startswith(".hybridx-")
    }
