"""A file is written whole or not at all, and what stood there before is safe."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hybridx.errors import FileMissingError, NotWritableError, OutputExistsError
from hybridx.storage import check_writable, read_bytes, write_whole


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


@pytest.mark.parametrize("step", ["pathlib.Path.chmod", "pathlib.Path.replace"])
@pytest.mark.parametrize("before", [b"old", None], ids=["over a file", "new"])
def test_a_failure_on_the_way_leaves_the_folder_as_it_was(step, before, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    if before is not None:
        path.write_bytes(before)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(step, full)
        with pytest.raises(NotWritableError) as caught:
            write_whole(path, b"new", overwrite=True)
    assert caught.value.facts() == {"path": str(path), "reason": "No space left on device"}
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == (
        {} if before is None else {"model.onnx": before}
    )


def test_an_interruption_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", interrupted)
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
