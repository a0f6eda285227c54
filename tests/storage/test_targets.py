"""Odd targets: links, modes, long names, files of others; each is written or refused, whole."""

from __future__ import annotations

import os
import stat
import threading

import numpy as np
import pytest

from hybridx.errors import NotWritableError, OutputExistsError, ResultsInUseError
from hybridx.storage import (
    InMemory,
    KeptRows,
    recover,
    temporaries,
    write_data,
    write_folder,
    write_from,
    write_together,
    write_whole,
)
from tests.storage.steps import in_child
from tests.storage.writes import NEW, OLD, found, is_ours, put

ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has other modes and links")
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
DEAD = ".hybridx-0123456789abcdef.tmp"


def write_file(path, *, overwrite=True):
    write_whole(path, b"new", overwrite=overwrite)


def write_bundle(path, *, overwrite=True):
    write_folder(path, NEW, "marker", is_ours, overwrite=overwrite)


def write_pair(path, *, overwrite=True):
    write_together(
        {path: b"new", path.with_name("other"): b"new"},
        overwrite=overwrite,
    )


KINDS = {
    "file": (write_file, b"old", b"new"),
    "pair": (write_pair, b"old", b"new"),
    "folder": (write_bundle, OLD, NEW),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# --- links -----------------------------------------------------------------------------------


@ON_POSIX
@pytest.mark.parametrize("there", [True, False], ids=["a file", "nothing"])
def test_what_a_link_names_is_written_and_the_link_stays(kind, there, tmp_path):
    write, old, new = kind
    (tmp_path / "elsewhere").mkdir()
    put(tmp_path / "elsewhere", {"target": old} if there else {})
    link = tmp_path / "link"
    link.symlink_to("elsewhere/target")
    write(link)
    assert link.readlink().as_posix() == "elsewhere/target"
    assert found(tmp_path / "elsewhere") == {"target": new}


@ON_POSIX
@pytest.mark.parametrize("to", ["link", "nowhere/target", "file/target"])
def test_a_link_to_nowhere_is_refused(kind, to, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(to)
    with pytest.raises(NotWritableError):
        kind[0](tmp_path / "link")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@ON_POSIX
def test_other_names_of_a_file_keep_the_old_content(tmp_path):
    put(tmp_path, {"one": b"old"})
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    write_file(tmp_path / "one")
    assert found(tmp_path) == {"one": b"new", "two": b"old"}


# --- modes -----------------------------------------------------------------------------------


@ON_POSIX
@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o666, 0o755])
def test_a_file_keeps_its_mode(permissions, tmp_path):
    for name in ("file", "a", "b"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(permissions)
    write_file(tmp_path / "file")
    write_together({tmp_path / "a": b"new", tmp_path / "b": b"new"}, overwrite=True)
    assert {mode(path) for path in tmp_path.iterdir()} == {permissions}


@ON_POSIX
def test_a_folder_and_its_files_keep_their_modes(tmp_path):
    put(tmp_path, {"out": OLD})
    (tmp_path / "out").chmod(0o750)
    for path in (tmp_path / "out").iterdir():
        path.chmod(0o640)
    files = NEW | {"part_2": b"that was not there"}
    write_folder(tmp_path / "out", files, "marker", is_ours, overwrite=True)
    assert mode(tmp_path / "out") == 0o750
    assert {mode(path) for path in (tmp_path / "out").iterdir()} == {0o640}


@FORKS
@pytest.mark.parametrize("umask", [0o077, 0o027, 0o002])
def test_a_new_file_has_what_the_umask_says_which_nobody_sets(umask, kind, tmp_path):
    write, _, _ = kind

    def under(_):
        os.umask(umask)
        os.umask = None

    assert in_child(lambda: write(tmp_path / "out"), under)[0] == 0
    for path in tmp_path.rglob("*"):
        assert mode(path) == (0o777 if path.is_dir() else 0o666) & ~umask


@ON_POSIX
def test_what_nobody_may_write_to_is_not_replaced(kind, tmp_path):
    write, old, _ = kind
    put(tmp_path, {"out": old})
    (tmp_path / "out").chmod(0o555)
    with pytest.raises(NotWritableError) as caught:
        write(tmp_path / "out")
    assert caught.value.reason == "it is read-only"
    assert found(tmp_path) == {"out": old}
    (tmp_path / "out").chmod(0o755)


# --- names -----------------------------------------------------------------------------------


@ON_POSIX
def test_a_name_may_be_as_long_as_the_system_allows(kind, tmp_path):
    write, _, new = kind
    write(tmp_path / ("x" * 255))
    assert found(tmp_path)["x" * 255] == new


@ON_POSIX
@pytest.mark.parametrize("name", ["x" * 256, "a\0b", "y" * 5000])
def test_a_name_that_no_file_can_have_is_refused(kind, name, tmp_path):
    with pytest.raises(NotWritableError):
        kind[0](tmp_path / name)
    assert found(tmp_path) == {}


@FORKS
def test_a_name_need_not_be_text(kind, tmp_path):
    write, _, new = kind
    name = os.fsdecode(b"caf\xe9")
    write(tmp_path / name)
    assert found(tmp_path)[name] == new


# --- others ----------------------------------------------------------------------------------


def test_nothing_is_replaced_that_another_process_has_made_meanwhile(tmp_path):
    def fill(file):
        file.write(b"mine")
        (tmp_path / "out").write_bytes(b"theirs")

    with pytest.raises(OutputExistsError):
        write_from(tmp_path / "out", fill, overwrite=False)
    assert found(tmp_path) == {"out": b"theirs"}


def test_a_file_that_somebody_puts_into_a_folder_meanwhile_stays(tmp_path, monkeypatch):
    put(tmp_path, {"out": OLD})
    exchange = temporaries.sync_file

    def late(opened):
        (tmp_path / "out" / "thesis.tex").write_bytes(b"years")
        exchange(opened)

    with monkeypatch.context() as patch:
        patch.setattr("hybridx.storage.renames.sync_file", late)
        with pytest.raises(NotWritableError, match=r"thesis\.tex"):
            write_bundle(tmp_path / "out")
    assert found(tmp_path) == {"out": OLD | {"thesis.tex": b"years"}}


def test_a_folder_in_a_folder_is_not_removed(tmp_path):
    put(tmp_path, {"out": OLD | {"part_3": {"thesis.tex": b"years"}}})
    with pytest.raises(NotWritableError, match="part_3"):
        write_bundle(tmp_path / "out")
    assert found(tmp_path)["out"]["part_3"] == {"thesis.tex": b"years"}


def test_writers_of_one_name_do_not_mix(kind, tmp_path):
    write, old, new = kind
    put(tmp_path, {"out": old})
    threads = [threading.Thread(target=write, args=[tmp_path / "out"]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found(tmp_path).pop("out") == new
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())


def test_rows_of_two_runs_do_not_mix(tmp_path):
    first, second = (KeptRows(tmp_path / "kept", {}, resume=False) for _ in range(2))
    first.keep({"y": np.ones((2, 1))}, "")
    with pytest.raises(ResultsInUseError):
        second.keep({"y": np.zeros((2, 1))}, "")
    with pytest.raises(ResultsInUseError):
        KeptRows(tmp_path / "kept", {}, resume=True)
    second.remove()
    np.testing.assert_array_equal(next(first.parts("y")), np.ones((2, 1)))
    first.close()
    again = KeptRows(tmp_path / "kept", {}, resume=True)
    assert again.count == 2
    again.remove()
    assert found(tmp_path) == {}


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="only Linux opens files without a name")
def test_on_linux_a_file_has_no_name_before_it_is_complete(tmp_path, monkeypatch):
    made = temporaries.NewFile(tmp_path, 0o600)
    has_a_name = bool(found(tmp_path))
    made.discard()
    if has_a_name:
        pytest.skip("this file system has no files without a name")
    # Nor is it copied to get one, which takes as long as writing it.
    monkeypatch.delattr(temporaries.NewFile, "_copy")

    def fill(file):
        file.write(b"new")
        assert "out" not in found(tmp_path) or found(tmp_path) == {"out": b"new"}

    for overwrite in (False, True):
        write_from(tmp_path / "out", fill, overwrite=overwrite)
        assert found(tmp_path) == {"out": b"new"}
    write_pair(tmp_path / "out")


# --- what is left of others ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [".out.tmp", ".hybridx-1.tmp", ".hybridx-0123.tmp.bak", "x" + DEAD]
)
def test_a_file_of_somebody_else_stays(name, tmp_path):
    put(tmp_path, {name: b"theirs"})
    write_file(tmp_path / "out")
    assert found(tmp_path) == {name: b"theirs", "out": b"new"}


@ON_POSIX
def test_a_file_of_a_process_at_work_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(temporaries, "_open_unnamed", lambda *_: None)

    def fill(file):
        file.write(b"new")
        at_work = list(tmp_path.glob(".hybridx-*"))
        write_file(tmp_path / "other")
        write_bundle(tmp_path / "folder")
        assert list(tmp_path.glob(".hybridx-*")) == at_work != []

    write_from(tmp_path / "out", fill, overwrite=False)
    assert found(tmp_path) == {"out": b"new", "other": b"new", "folder": NEW}


@pytest.mark.parametrize("dead", [b"half", {}, {"lock": b"", "new": {"part": b"half"}}])
def test_what_a_dead_process_left_is_removed(kind, dead, tmp_path):
    put(tmp_path, {DEAD: dead})
    kind[0](tmp_path / "out")
    assert DEAD not in found(tmp_path)


@ON_POSIX
def test_where_files_cannot_be_locked_only_old_ones_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(temporaries, "_take", lambda opened: None)
    old = DEAD.replace("0", "f")
    put(tmp_path, {DEAD: b"half", old: b"half"})
    os.utime(tmp_path / old, (1e9, 1e9))
    write_file(tmp_path / "out")
    assert found(tmp_path) == {DEAD: b"half", "out": b"new"}


def test_a_record_leads_to_no_other_folder(tmp_path):
    (tmp_path / "in").mkdir()
    # ../out in base 64; of the second nothing is left to rename, as if the first came next.
    record = b'{"files": [{"name": "Li4vb3V0"}, {"name": "eA=="}]}'
    dead = {"lock": b"", "record.json": record, "new": {}, "out": b"bad"}
    put(tmp_path / "in", {DEAD: dead})
    write_file(tmp_path / "in" / "mine")
    assert found(tmp_path).keys() == {"in"}
    assert found(tmp_path / "in" / DEAD)["out"] == b"bad"


def half_a_pair(folder):
    """What a kill between two renames leaves."""
    put(folder, {"a": b"old", "b": b"old too"})
    b = temporaries._stamp(folder / "b")
    record = (
        f'{{"files": [{{"name": "YQ==", "before": [3, 0]}},'
        f'{{"name": "Yg==", "before": [{b[0]}, {b[1]}]}}]}}'
    )
    inside = {"lock": b"", "record.json": record.encode(), "new": {"b": b"new too"}, "old": {}}
    (folder / DEAD).mkdir()
    put(folder / DEAD, inside)
    (folder / "a").write_bytes(b"new")


def test_the_second_rename_of_a_pair_is_made(tmp_path):
    half_a_pair(tmp_path)
    recover(tmp_path / "a")
    assert found(tmp_path) == {"a": b"new", "b": b"new too"}


def test_what_somebody_has_written_since_is_not_replaced(tmp_path):
    half_a_pair(tmp_path)
    (tmp_path / "b").write_bytes(b"by hand")
    recover(tmp_path / "a")
    assert found(tmp_path) == {"a": b"new", "b": b"by hand"}


# --- full disks ------------------------------------------------------------------------------


@FORKS
@pytest.mark.parametrize("ending", ["npy", "npz", "csv", "csv.gz", "tsv", "json", "parquet"])
def test_a_disk_that_becomes_full_in_a_form_is_a_refusal(ending, tmp_path):
    import resource

    arrays = {"y": np.random.default_rng(0).random((4000, 3))}
    path = tmp_path / f"y.{ending}"

    def write():
        write_data(path, InMemory(arrays), overwrite=True)

    write()
    size = path.stat().st_size
    path.write_bytes(b"old")
    for limit in (0, 1, 100, 4096, size // 2, size - 1):

        def full(_, limit=limit):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        assert in_child(write, full)[0] == 3, limit
        assert found(tmp_path) == {path.name: b"old"}


def is_ours_below(name):
    return name in (
        "marker",
        "below/",
        "below/1/",
        "below/config",
        "below/1/model",
        "gone/",
        "gone/x",
    )


def test_a_folder_with_folders_below_is_written_and_replaced_whole(tmp_path):
    path = tmp_path / "out"
    files = {"marker": b"1", "below/config": b"c", "below/1/model": b"m"}

    def below():
        inside = (one for one in path.rglob("*") if one.is_file())
        return {one.relative_to(path).as_posix(): one.read_bytes() for one in inside}

    write_folder(path, files | {"gone/x": b""}, "marker", is_ours_below, overwrite=False)
    assert below() == files | {"gone/x": b""}
    (path / "below" / "1" / "model").chmod(0o600)
    write_folder(path, files, "marker", is_ours_below, overwrite=True)
    assert below() == files
    assert stat.S_IMODE((path / "below" / "1" / "model").stat().st_mode) == 0o600
    for foreign in ("below/thesis.tex", "below/2/model", "thesis/1"):
        (path / foreign).parent.mkdir(exist_ok=True)
        (path / foreign).write_bytes(b"years")
        with pytest.raises(NotWritableError, match=foreign.split("/")[-2]):
            write_folder(path, files, "marker", is_ours_below, overwrite=True)
        assert (path / foreign).read_bytes() == b"years"
        (path / foreign).unlink()
        if (path / foreign).parent.name != "below":
            (path / foreign).parent.rmdir()
    assert below() == files
