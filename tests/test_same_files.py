"""Files are the same bytes whoever writes them and wherever, and say nothing of the writer."""

from __future__ import annotations

import getpass
import io
import os
import re
import socket
import subprocess
import sys
import zipfile

import pytest

from tests.fresh_machine import ROOT
from tests.golden.files import every

# Run in the folder in which the files are to lie.
WRITE = """
import warnings
warnings.filterwarnings("ignore")
from pathlib import Path
import torch
import hybridx
from hybridx import api
from tests.golden import models
from tests.same_bytes import classifier
wide, example = classifier()
noisy = models.make(models.noise)
Path("model.py").write_text(Path(models.__file__).read_text())
torch.save(models.make(models.shots).model.state_dict(), "best.pt")
source = api.SourceOptions("model.py:small", checkpoint=Path("best.pt"), shapes=("N,1",))
api.export_source(source, Path("source.onnx"))
for made in ("model.py", "best.pt"):
    Path(made).unlink()
for ending in ("onnx", "bundle", "pt", "pt2"):
    hybridx.export(wide, (example,), Path("wide." + ending))
    hybridx.export(noisy.model, noisy.args, Path("noisy." + ending))
"""
# BLAS shares the products of the wide model among its threads.
WRITERS = (
    {"PYTHONHASHSEED": "0", "TZ": "Asia/Tokyo", "LC_ALL": "C", "USER": "ada-lovelace"},
    {"PYTHONHASHSEED": "4242", "TZ": "America/Lima", "LC_ALL": "C.UTF-8", "USER": "grace-hopper"},
)
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
PATTERNS = {
    "a date": rb"20[2-3]\d-[01]\d-[0-3]\d",
    "a Python file": rb"[\w/]+\.py(?:\"|:\d|, line)",
    "an address": rb"0x7f[0-9a-f]{6,}",
    "a package": rb"site-packages",
}
# What a file says of a check that it leaves out names the line, as docs/file-format.md says.
CHECK = re.compile(rb"the check `[^`]*` at \w+\.py:\d+")
COMMON = ("PWD", "OLDPWD", "SHLVL", "_", "LANG", "LC_ALL", "TERM", "PATH")
_NO_DATE = (1980, 1, 1, 0, 0, 0)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Yield, for each writer, the folder of the files and the environment of its process."""
    found = []
    for number, own in enumerate(WRITERS):
        folder = tmp_path_factory.mktemp(f"writer-{number}") / ("deep-" * number + "folder")
        home = folder / "home-of-the-writer"
        home.mkdir(parents=True)
        variables = {name: str(1 + number) for name in THREADS} | {"HOME": str(home)}
        variables |= {"PYTHONPATH": str(ROOT), "A_KEY": f"not-for-others-{number}"} | own
        subprocess.run(
            [sys.executable, "-c", WRITE], cwd=folder, env=os.environ | variables, check=True
        )
        found.append((folder, variables))
    return found


def files_in(folder):
    return {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}


def needles_of(folder, variables):
    """Return what may not stand in a file, by what it is."""
    found = {"user": getpass.getuser(), "host": socket.gethostname(), "folder": str(folder)}
    found |= {"Python": sys.prefix, "base": sys.base_prefix, "checkout": str(ROOT)}
    environment = {**os.environ, **variables}
    found |= {
        name: value
        for name, value in environment.items()
        if len(value) >= 6 and name not in COMMON and name not in THREADS
    }
    return {what: one for what, one in found.items() if len(one) >= 4}


def traces(name, content, needles):
    """Yield what a file, or a member of it, says of who wrote it, where and when."""
    for what, needle in needles.items():
        if needle.encode() in content or needle.encode("utf-16-le") in content:
            yield f"{name}: {what}"
    for what, pattern in PATTERNS.items():
        seen = re.search(pattern, CHECK.sub(b"", content))
        if seen:
            yield f"{name}: {what}, {seen[0]!r}"
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                if member.date_time != _NO_DATE:
                    yield f"{name}: {member.filename} is dated"
                yield from traces(f"{name} {member.filename}", archive.read(member), needles)


@pytest.mark.slow
def test_writers_with_other_threads_seeds_folders_and_zones_write_the_same_bytes(written):
    first, second = (files_in(folder) for folder, _ in written)
    assert first.keys() == second.keys()
    assert {path.suffix for path in first} >= {".onnx", ".pt", ".pt2", ".json", ".qasm"}
    differ = [str(name) for name in first if first[name].read_bytes() != second[name].read_bytes()]
    assert differ == []


@pytest.mark.slow
def test_a_file_says_nothing_of_its_writer(written):
    for folder, variables in written:
        needles = needles_of(folder, variables)
        assert {"HOME", "A_KEY", "USER"} <= needles.keys()
        for name, path in files_in(folder).items():
            assert [*traces(name, path.read_bytes(), needles)] == []


def test_golden_files_say_nothing_of_their_writers():
    parts = [part for one in every() for part in ([one] if one.is_file() else one.iterdir())]
    assert len(parts) > 100
    for path in parts:
        assert [*traces(path.name, path.read_bytes(), {})] == []


def test_traces_are_found():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a/data", b"by ada-lovelace")
    for content, what in (
        (b"by ada-lovelace", "user"),
        ("by ada-lovelace".encode("utf-16-le"), "user"),
        (b"on 2026-11-28", "a date"),
        (b'in model.py", line 3', "a Python file"),
        (b"the check `x > 0` at /home/model.py:3", "a Python file"),
        (b"at 0x7f12345678", "an address"),
        (archive.getvalue(), "a/data: user"),
        (archive.getvalue(), "a/data is dated"),
    ):
        found = [*traces("file", content, {"user": "ada-lovelace"})]
        assert any(what in one for one in found), (what, found)
