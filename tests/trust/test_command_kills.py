"""Commands that write, killed at random moments: the old result or the new one, and nothing else.

`TRUST_KILLS` is how many kills there are of each command.
"""

from __future__ import annotations

import collections
import os
import random
import shutil
import signal
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import hybridx
from hybridx import api
from hybridx.storage import recover
from tests import sample_models
from tests.storage.steps import killed
from tests.storage.writes import found, put

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

KILLS = int(os.environ.get("TRUST_KILLS", "20"))
EXPORTED = Path(__file__).resolve().parents[2] / "exported"
SEED = 20


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two models as files, rows for one of them, and an experiment with its table."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("two_heads", "sandwich"):
        model, x = sample_models.make(name)
        for ending in ("onnx", "bundle"):
            hybridx.export(model, (x,), folder / f"{name}.{ending}")
    (name,) = hybridx.load(folder / "two_heads.onnx").input_names
    _, x = sample_models.make("two_heads")
    rows = np.random.default_rng(0).random((20_000, x.shape[1]), "float32")
    np.savez(folder / "rows.npz", **{name: rows})
    text = (EXPORTED / "iris.toml").read_text()
    text = text.replace("epochs = 100", "epochs = 1").replace("n_layers = 2", "n_layers = 1")
    for seed in (1, 2):
        (folder / f"{seed}.toml").write_text(text.replace("seed = 1936", f"seed = {seed}"))
    shutil.copy(EXPORTED / "iris.csv", folder)
    return folder


def export(ending):
    def action(files):
        model, x = sample_models.make("two_heads")
        hybridx.export(model, (x,), f"model.{ending}", overwrite=True)

    return action


def convert(ending):
    source = "onnx" if ending == "bundle" else "bundle"

    def action(files):
        hybridx.convert(files / f"two_heads.{source}", f"model.{ending}", overwrite=True)

    return action


def run(ending):
    def action(files):
        rows = files / "rows.npz"
        hybridx.predict(files / "two_heads.onnx", rows, f"model.{ending}", overwrite=True)

    return action


def train(files):
    for name, copy in (("2.toml", "model.toml"), ("iris.csv", "iris.csv")):
        shutil.copy(files / name, copy)
    api.train("model.toml", overwrite=True)


def page(files):
    api.html(files / "two_heads.onnx", "model.html", overwrite=True)


def pictures(files):
    api.draw(files / "two_heads.onnx", "model.svg", overwrite=True)


COMMANDS = {
    **{f"export {ending}": export(ending) for ending in ("onnx", "bundle", "pt", "pt2")},
    **{f"convert to {ending}": convert(ending) for ending in ("onnx", "bundle")},
    **{f"run to {ending}": run(ending) for ending in ("npz", "csv", "json", "parquet")},
    "page": page,
    "pictures": pictures,
    "train": train,
}


def before(command, files, names):
    """Return what stands in the folder before a command that writes these names."""
    if command == "train":
        shutil.copy(files / "1.toml", "model.toml")
        child(lambda: api.train("model.toml", overwrite=True))
        return found(Path())
    old = found(files / "sandwich.bundle")
    return {name: dict(old) if name.endswith(".bundle") else b"old" for name in names}


def child(action):
    """Start an action in a process of its own, and wait for it."""
    pid = start(action)
    _, status = os.waitpid(pid, 0)
    assert status == 0


def start(action):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of threads
        pid = os.fork()
    if pid == 0:
        code = 9
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    return pid


def results(content):
    """Return what a command wrote, without what it reads and what a kill leaves."""
    return {
        name: inside
        for name, inside in content.items()
        if (not name.startswith(".hybridx-") and not name.endswith((".partial", ".toml", ".csv")))
        or name == "model.csv"
    }


@pytest.fixture
def measured(request, files, tmp_path, monkeypatch):
    """The action, what stands there before and after it, and how many seconds it takes."""
    command = request.param
    monkeypatch.chdir(tmp_path)

    def action():
        COMMANDS[command](files)

    child(action)
    new = found(tmp_path)
    old = before(command, files, new)
    put(tmp_path, old)
    started = time.monotonic()
    child(action)
    seconds = time.monotonic() - started
    assert found(tmp_path) == new != old
    return action, old, new, seconds


@pytest.mark.parametrize("measured", COMMANDS, indirect=True)
def test_a_kill_at_any_moment_leaves_the_old_or_the_new(measured, tmp_path):
    action, old, new, seconds = measured
    draw = random.Random(SEED)
    counts = collections.Counter()
    for _ in range(KILLS):
        put(tmp_path, old)
        pid = start(action)
        time.sleep(draw.uniform(0, 1.1 * seconds))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        now = results(found(tmp_path))
        is_of = {"old": results(old), "new": results(new)}
        counts[next((which for which, one in is_of.items() if one == now), "neither")] += 1
    child(action)
    assert found(tmp_path) == new
    assert counts["neither"] == 0
    print(f"{KILLS} kills in {seconds:.2f} s: {dict(counts)}")


@pytest.mark.parametrize(
    "measured", ["convert to onnx", "convert to bundle", "pictures", "run to npz"], indirect=True
)
def test_a_kill_before_any_line_that_writes_leaves_the_old_or_the_new(measured, tmp_path):
    action, old, new, _ = measured
    put(tmp_path, old)
    steps = killed(action, 0)
    several = len(new) > 1
    for kill_at in range(1, steps + 1, 1 + steps // 100):
        put(tmp_path, old)
        killed(action, kill_at)
        now = results(found(tmp_path))
        assert now in (results(old), new) or several, kill_at
        recover(tmp_path / "any")
        assert results(found(tmp_path)) in (old, new), kill_at
        child(action)
        assert found(tmp_path) == new, kill_at
