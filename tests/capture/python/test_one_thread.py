"""What is written does not depend on threads or hash seeds, and their limits end with an export."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import hybridx
from hybridx.capture import one_thread
from hybridx.errors import UnsupportedMeasurementError
from tests.same_bytes import MODELS

# Number of threads and hash seed of each process. With 1 and 2 threads the products and sums of
# these models had other last bits; OpenBLAS and OpenMP make two threads on one core too.
PROCESSES = (("1", "0"), ("2", "1"))


@pytest.fixture
def two_threads():
    """Two threads for BLAS and torch, whatever the machine has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpool_limits(limits=2, user_api="blas"):
        yield
    torch.set_num_threads(threads)


def _threads():
    blas = {one["filepath"]: one["num_threads"] for one in threadpool_info()}
    return torch.get_num_threads(), *(blas[path] for path in sorted(blas) if "blas" in path.lower())


def _elsewhere():
    """Return a thread that limits its threads, and the list to which it appends their number."""
    seen = []

    def limit():
        with one_thread():
            seen.append(_threads())

    return threading.Thread(target=limit), seen


@pytest.mark.slow  # exports in processes of their own
def test_the_same_bytes_on_any_number_of_threads_and_with_any_hash_seed():
    root = Path(__file__).parents[3]
    printed = []
    for threads, seed in PROCESSES:
        variables = {
            "OPENBLAS_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OMP_NUM_THREADS": threads,
            "PYTHONHASHSEED": seed,
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.same_bytes"],
            cwd=root,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.splitlines())
    assert [len(lines) for lines in printed] == [len(MODELS)] * len(PROCESSES)
    assert printed[0] == printed[1]


def test_the_number_of_threads_is_one_inside_and_as_before_outside(two_threads):
    before = _threads()
    assert set(before) == {2}
    with one_thread():
        assert set(_threads()) == {1}
        with one_thread():
            assert set(_threads()) == {1}
        assert set(_threads()) == {1}
    assert _threads() == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_it_is_as_before_after_an_error(error, two_threads):
    before = _threads()
    with pytest.raises(error), one_thread():
        raise error
    assert _threads() == before


def test_a_failed_export_leaves_the_number_of_threads(two_threads, tmp_path):
    import pennylane as qml

    @qml.qnode(qml.device("default.qubit", wires=1))
    def counted(inputs, weights):
        qml.RX(inputs[..., 0] * weights, 0)
        return qml.counts()

    before = _threads()
    layer = qml.qnn.TorchLayer(counted, {"weights": ()})
    with pytest.raises(UnsupportedMeasurementError):
        hybridx.export(layer, (torch.zeros(2, 1),), tmp_path / "model.onnx")
    assert _threads() == before


def test_a_second_export_waits_for_the_first(two_threads):
    before = _threads()
    other, seen = _elsewhere()
    with one_thread():
        other.start()
        other.join(0.2)
        assert seen == []
        assert set(_threads()) == {1}
    other.join(60)
    assert [set(numbers) for numbers in seen] == [{1}]
    assert _threads() == before


def test_a_limit_that_another_thread_has_set_does_not_count(two_threads):
    other, seen = _elsewhere()
    other.start()
    other.join(60)
    assert [set(numbers) for numbers in seen] == [{1}]
