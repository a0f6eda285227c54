"""A slice that several processes get, killed at one of its steps; a service counts what it has.

What a scheduler does that runs a task at least once: a process with a slice is killed, and another
one is given the same slice. Both write one journal.
"""

from __future__ import annotations

import numpy as np

import hybridx
from hybridx.errors import UnansweredError
from hybridx.runtime import run_slice, share_results
from tests.runtime.models import GRAPHS
from tests.runtime.remote import Account, JobAccount, Service, rows
from tests.storage.steps import killed

FILES = (
    "hybridx/runtime/submission/journal.py",
    "hybridx/runtime/submission/shared_journal.py",
    "hybridx/runtime/submission/jobs.py",
    "hybridx/runtime/executor.py",
    "hybridx/storage/locks.py",
)
SUBMISSIONS = 3  # of "side by side, unlike depths"
SLICE = 100  # rows that stand in front of it
DEVICES = {"without names": Account, "with names of jobs": JobAccount}
ROWS = rows(3)


def prepare(folder):
    """Write the model, and return the outputs of the slice from a device that never failed."""
    (folder / "model.onnx").write_bytes(GRAPHS["side by side, unlike depths"]().content)
    session = hybridx.load(folder / "model.onnx", device=Service())
    return run_slice(session, {"x": ROWS}, SLICE)


def run(folder, device, **options):
    """Run the slice and save its outputs, as a worker of a cluster does."""
    session = hybridx.load(folder / "model.onnx", device=device(folder / "account.txt"))
    share_results(session, folder / "journal", data="all rows", **options)
    np.savez(folder / "y.npz", **run_slice(session, {"x": ROWS}, SLICE))


def steps_of(folder, device):
    """Return how many steps a run that is not killed makes."""
    clean(folder)
    return killed(lambda: run(folder, device), 0, FILES)


def clean(folder):
    for name in ("y.npz", "journal", "account.txt"):
        (folder / name).unlink(missing_ok=True)


def check(folder, expected, device, kill_at):
    """Kill a process, give its slice to two others, and return how often nobody knew what was."""
    clean(folder)
    killed(lambda: run(folder, device), kill_at, FILES)
    before = sent(folder)
    refused = [is_refused(folder, device) for _ in range(2)]
    is_unknown = refused[0]
    if is_unknown:
        assert refused == [True, True], kill_at
        assert before == sent(folder), kill_at
        assert not (folder / "y.npz").exists(), kill_at
        run(folder, device, resend_below=2**62)
    with np.load(folder / "y.npz") as found:
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)
    assert SUBMISSIONS <= sent(folder) <= SUBMISSIONS + is_unknown, kill_at
    return is_unknown


def is_refused(folder, device):
    """Run the slice, and return whether it is not known what became of a submission of it."""
    try:
        run(folder, device)
    except UnansweredError:
        return True
    return False


def sent(folder):
    """Return how many submissions the service has had."""
    path = folder / "account.txt"
    return len(path.read_text().splitlines()) if path.exists() else 0
