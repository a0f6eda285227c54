"""A session under load: eight threads for a minute, and a hundred thousand calls in one.

`TRUST_SECONDS` and `TRUST_CALLS` make it shorter or longer.
"""

from __future__ import annotations

import gc
import os
import resource
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import hybridx
from tests import sample_models

SECONDS = float(os.environ.get("TRUST_SECONDS", "60"))
CALLS = int(os.environ.get("TRUST_CALLS", "100000"))
DEVICE_CALLS = CALLS // 20  # each of them takes as long as a hundred of a file
THREADS = 8
# Allocators keep some pages; a leak of 40 bytes a call is more than this.
GROWTH = 4e6

RUNS = {
    "onnx": ("onnx", {}),
    "bundle": ("bundle", {}),
    "torchscript": ("pt", {}),
    "pt2": ("pt2", {}),
    "default.qubit": ("onnx", {"device": "default.qubit"}),
    "lightning.qubit": ("onnx", {"device": "lightning.qubit"}),
    "default.mixed": ("onnx", {"device": "default.mixed"}),
    "lightning.qubit, custom-op": ("onnx", {"device": "lightning.qubit", "engine": "custom-op"}),
    "lightning.qubit, shots": ("onnx", {"device": "lightning.qubit", "shots": 50, "seed": 1}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("load")
    model, x = sample_models.make("two_heads")
    for ending in ("onnx", "bundle", "pt", "pt2"):
        hybridx.export(model, (x,), place / f"model.{ending}")
    return place


@pytest.fixture(scope="module")
def eager():
    model, _ = sample_models.make("two_heads")

    def outputs(array):
        with torch.no_grad():
            found = model(torch.from_numpy(array))
        return [one.numpy() for one in found] if isinstance(found, tuple) else [found.numpy()]

    return outputs


def opened(folder, name):
    ending, options = RUNS[name]
    if "engine" in options:
        pytest.importorskip("onnxruntime_extensions")
    return hybridx.load(folder / f"model.{ending}", **options)


def rows_of(session, count, seed):
    (signature,) = session.inputs
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, *signature.shape[1:])).astype(np.float32)


def resident():
    """The memory of this process, in bytes."""
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("the memory of a process is read in /proc")
    return int(status.read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("name", RUNS)
def test_eight_threads_get_right_answers(name, folder, eager):
    session = opened(folder, name)
    data = [rows_of(session, 1 + index % 5, index) for index in range(10)]
    expected = [eager(one) for one in data]
    # Fifty samples of ±1 have a deviation of 0.14 at most, and five of them are 0.7.
    bound = 1e-4 if session.shots is None else 2.0
    calls, wrong, errors = [0] * THREADS, [], []
    end = time.monotonic() + SECONDS

    def work(number):
        rng = np.random.default_rng(number)
        while time.monotonic() < end and not errors:
            index = int(rng.integers(len(data)))
            try:
                found = session.run({session.input_names[0]: data[index]}).values()
            except Exception as error:
                errors.append(error)
                return
            gaps = [np.abs(a - b).max() for a, b in zip(found, expected[index], strict=True)]
            if not max(gaps) < bound:
                wrong.append(max(gaps))
            calls[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    print(f"{name}: {sum(calls):,} calls of {THREADS} threads in {SECONDS:g} s, {len(wrong)} wrong")
    assert not errors, errors[0]
    assert (len(wrong), min(calls) > 0) == (0, True)


@pytest.mark.parametrize("name", RUNS)
def test_memory_does_not_grow(name, folder):
    session = opened(folder, name)
    data = [{session.input_names[0]: rows_of(session, rows, rows)} for rows in (1, 3, 8, 32)]
    calls = DEVICE_CALLS if "device" in RUNS[name][1] else CALLS
    warm = max(calls // 10, 200)
    for index in range(warm):
        session.run(data[index % len(data)])
    gc.collect()
    before, started = resident(), time.monotonic()
    for index in range(calls):
        session.run(data[index % len(data)])
    gc.collect()
    grown, seconds = resident() - before, time.monotonic() - started
    print(f"{name}: {calls:,} calls in {seconds:.0f} s, {grown / 1e6:+.2f} MB")
    assert grown < GROWTH


@pytest.mark.parametrize("name", RUNS)
def test_sessions_that_are_dropped_leave_nothing(name, folder):
    def use():
        with opened(folder, name) as session, warnings.catch_warnings():
            session.run({session.input_names[0]: rows_of(session, 2, 0)})

    for _ in range(10):
        use()
    gc.collect()
    files, tasks = (len(list(Path(f"/proc/self/{kind}").iterdir())) for kind in ("fd", "task"))
    before = resident()
    count = max(CALLS // 1000, 20)
    for _ in range(count):
        use()
    gc.collect()
    grown = resident() - before
    print(f"{name}: {count} sessions, {grown / count / 1e3:+.1f} kB each")
    # torch keeps the names of the classes of a TorchScript file.
    assert grown < 1e5 * count + GROWTH
    assert len(list(Path("/proc/self/fd").iterdir())) <= files
    assert len(list(Path("/proc/self/task").iterdir())) <= tasks
