"""A file is written whole or not at all, and what stood there before is safe."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

import pytest

import hybridx
from hybridx.errors import (
    FileMissingError,
    NotAFileError,
    NotWritableError,
    OutputExistsError,
    TooLargeError,
)
from hybridx.storage import (
    check_folder_writable,
    check_readable,
    check_writable,
    open_data,
    open_file,
    read_bytes,
    write_folder,
    write_whole,
)


def test_content_is_written_with_the_users_own_permissions(tmp_path):
    path = tmp_path / "model.onnx"
    write_whole(path, b"new", overwrite=False)
    (tmp_path / "by hand").touch()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "by hand").stat().st_mode)
    assert {p.name for p in tmp_path.iterdir()} == {"model.onnx", "by hand"}


def test_overwrite_replaces(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"a longer old content")
    write_whole(path, b"new", overwrite=True)
    assert read_bytes(path) == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("before", [b"old", None], ids=["over a file", "new"])
def test_a_failure_on_the_way_leaves_the_folder_as_it_was(before, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    if before is not None:
        path.write_bytes(before)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(NotWritableError) as caught:
            write_whole(path, b"new", overwrite=True)
    assert caught.value.facts() == {"path": str(path), "reason": "No space left on device"}
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == (
        {} if before is None else {"model.onnx": before}
    )


def test_an_interruption_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.link", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_whole(tmp_path / "model.onnx", b"new", overwrite=False)
    assert list(tmp_path.iterdir()) == []


def existing(folder):
    (folder / "out").write_bytes(b"old")
    return folder / "out"


def directory(folder):
    (folder / "out").mkdir()
    return folder / "out"


@pytest.mark.parametrize(
    ("place", "overwrite", "error"),
    [
        (existing, False, OutputExistsError),
        (directory, False, NotWritableError),
        (directory, True, NotWritableError),
        (lambda folder: folder / "nosuch" / "out", True, NotWritableError),
        (lambda folder: existing(folder) / "below a file", True, NotWritableError),
    ],
    ids=["exists", "folder", "folder to overwrite", "no folder", "below a file"],
)
def test_an_output_that_cannot_be_is_refused_before_and_while_writing(
    place, overwrite, error, tmp_path
):
    path = place(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for attempt in (
        lambda: check_writable(path, overwrite=overwrite),
        lambda: write_whole(path, b"new", overwrite=overwrite),
    ):
        with pytest.raises(error) as caught:
            attempt()
        assert caught.value.path == str(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may write anywhere
    with pytest.raises(NotWritableError) as caught:
        check_writable(tmp_path / "out", overwrite=False)
    assert str(tmp_path) in caught.value.reason


@pytest.mark.parametrize("name", ["nosuch", "."], ids=["missing", "a folder"])
def test_what_cannot_be_read_is_named(name, tmp_path):
    path = Path(tmp_path / name)
    with pytest.raises(FileMissingError) as caught:
        read_bytes(path)
    assert caught.value.path == str(path)
    assert isinstance(caught.value.__cause__, OSError)


# --- folders -------------------------------------------------------------------------------------

FILES = {"marker": b"1", "ours_0": b"new"}
OLD = {"marker": b"0", "ours_0": b"old", "ours_1": b"older"}


def is_ours(name):
    return name == "marker" or name.startswith("ours_")


def write(path, *, overwrite=False, files=FILES):
    write_folder(path, files, "marker", is_ours, overwrite=overwrite)


def fill(folder, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("before", [None, {}], ids=["new", "empty"])
def test_a_folder_is_written_with_the_users_own_permissions(before, tmp_path):
    path = tmp_path / "out"
    if before is not None:
        path.mkdir()
    write(path)
    (tmp_path / "by hand").mkdir()
    (tmp_path / "by hand" / "file").touch()
    assert content(path) == FILES
    for left, right in ((path, "by hand"), (path / "marker", "by hand/file")):
        assert stat.S_IMODE(left.stat().st_mode) == stat.S_IMODE((tmp_path / right).stat().st_mode)
    assert {p.name for p in tmp_path.iterdir()} == {"out", "by hand"}


def test_overwrite_replaces_a_folder_of_ours_whole(tmp_path):
    path = fill(tmp_path / "out", OLD)
    write(path, overwrite=True)
    assert content(path) == FILES
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "out").symlink_to(fill(tmp_path / "there", OLD))
    write(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out").is_symlink()
    assert content(tmp_path / "there") == FILES


def test_an_interruption_between_two_renames_brings_the_old_folder_back(tmp_path, monkeypatch):
    path = fill(tmp_path / "out", OLD)
    rename = Path.rename

    def interrupted(self, target):
        if self.name == "new":
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr("hybridx.storage.renames._renaming", lambda: None)
        patch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(path, overwrite=True)
    assert content(path) == OLD
    assert list(tmp_path.iterdir()) == [path]


REFUSED = {
    "exists": (lambda folder: fill(folder / "out", OLD), False, OutputExistsError),
    "a file": (existing, True, NotWritableError),
    "without the marker": (
        lambda folder: fill(folder / "out", {"ours_0": b""}),
        True,
        NotWritableError,
    ),
    "with a file of the user": (
        lambda folder: fill(folder / "out", OLD | {"thesis.tex": b"years"}),
        True,
        NotWritableError,
    ),
    "no folder above": (lambda folder: folder / "nosuch" / "out", True, NotWritableError),
    "below a file": (lambda folder: existing(folder) / "out", True, NotWritableError),
}


@pytest.mark.parametrize(("place", "overwrite", "error"), REFUSED.values(), ids=REFUSED)
def test_a_folder_that_cannot_be_is_refused_before_and_while_writing(
    place, overwrite, error, tmp_path
):
    path = place(tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for attempt in (
        lambda: check_folder_writable(path, "marker", is_ours, overwrite=overwrite),
        lambda: write(path, overwrite=overwrite),
    ):
        with pytest.raises(error) as caught:
            attempt()
        assert caught.value.path == str(path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("inside", [".", "ours_2"], ids=["in it", "below it"])
def test_nobody_is_left_in_a_folder_that_is_gone(inside, tmp_path, monkeypatch):
    path = fill(tmp_path / "out", OLD)
    (path / inside).mkdir(exist_ok=True)
    monkeypatch.chdir(path / inside)
    for name in (path, Path(os.path.relpath(path))):
        with pytest.raises(NotWritableError) as caught:
            check_folder_writable(name, "marker", is_ours, overwrite=True)
        assert caught.value.reason == "it is the folder that you are in"


def test_a_parent_without_permission_is_refused(tmp_path, monkeypatch):
    path = fill(tmp_path / "out", OLD)
    # The superuser may write anywhere.
    monkeypatch.setattr(os, "access", lambda place, _: place != tmp_path)
    with pytest.raises(NotWritableError) as caught:
        check_folder_writable(path, "marker", is_ours, overwrite=True)
    assert str(tmp_path) in caught.value.reason


def make_pipe(path):
    os.mkfifo(path)


def make_device(path):
    path.symlink_to("/dev/zero")


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize(
    ("make", "kind"),
    [(make_pipe, "a pipe"), (make_device, "a device"), (make_socket, "a socket")],
    ids=["pipe", "device", "socket"],
)
@pytest.mark.parametrize("read", [check_readable, open_file, read_bytes])
def test_what_may_never_end_is_not_read(make, kind, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    make(Path("here"))
    with pytest.raises(NotAFileError) as refused:
        read(Path("here"))
    assert refused.value.kind == kind
    assert "- is the name" in refused.value.help


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="the system has no such names")
def test_a_pipe_that_the_process_was_given_is_read():
    reading, writing = os.pipe()
    os.write(writing, b"a,b\n1,2\n")
    os.close(writing)
    try:
        with open_data(f"/dev/fd/{reading}", format="csv") as table:
            assert table.columns == ("a", "b")
    finally:
        os.close(reading)


def test_a_folder_and_a_name_that_no_file_has_are_refused(tmp_path):
    for name in (tmp_path, tmp_path / "none", Path("a\0b"), tmp_path / ("x" * 5000)):
        with pytest.raises(FileMissingError):
            read_bytes(name)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="the system has no such file")
def test_a_file_of_the_system_that_cannot_be_read_is_refused():
    with pytest.raises(FileMissingError):
        read_bytes(Path("/proc/self/mem"))
    with pytest.raises(FileMissingError), open_data("/proc/self/mem", format="csv"):
        pass


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="the system has no such names")
def test_a_pipe_is_read_up_to_what_is_held():
    reading, writing = os.pipe()
    os.write(writing, bytes(1000))
    os.close(writing)
    try:
        with hybridx.limits(held_bytes=100), pytest.raises(TooLargeError, match="held_bytes"):
            read_bytes(Path(f"/dev/fd/{reading}"))
    finally:
        os.close(reading)
