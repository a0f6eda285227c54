"""What every test stands on: the environment of a fresh machine, and hypothesis settings."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.fresh_machine import fresh

# Before anything is imported that looks for its configuration: a test must not pass or fail by
# what an earlier run, or the user of this machine, has left in the home folder.
_HOME = tempfile.TemporaryDirectory(prefix="hybridx-tests-home-")
_VARIABLES = dict(os.environ)
os.environ.clear()
os.environ.update(fresh(_VARIABLES, Path(_HOME.name)))
if "PYTEST_XDIST_WORKER" in os.environ:
    # There is a worker for each core, and threads beyond that wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Each file that is written waits for the disk, some 10 ms. No test turns the power off.
_FSYNC = os.fsync
os.fsync = lambda opened: None

# Timings differ between machines, and no test is about time.
settings.register_profile(
    "hybridx", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("hybridx")


# All their tests are slow.
_SLOW = [
    Path(__file__).parent / name for name in ("package", "plugins", "registries", "trust", "web")
]


def pytest_collection_modifyitems(items):
    for item in items:
        if any(folder in item.path.parents for folder in _SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_unconfigure():
    """Give the process its environment back, and remove the home."""
    os.fsync = _FSYNC
    os.environ.clear()
    os.environ.update(_VARIABLES)
    _HOME.cleanup()
