"""A paid run that is killed at one of its steps, and what is found and sent afterwards.

The run is a forked process that kills itself before a line of the files that send, keep and write.
The device keeps an account on the disk, which nothing of hybridx reads.
"""

from __future__ import annotations

import numpy as np

import hybridx
from hybridx.errors import UnansweredError
from tests.runtime.models import GRAPHS
from tests.runtime.remote import Account, Service, rows
from tests.storage.steps import killed

FILES = (
    "hybridx/runtime/submission/journal.py",
    "hybridx/runtime/submission/retry.py",
    "hybridx/runtime/executor.py",
    "hybridx/api/work/predicting.py",
    "hybridx/storage/files.py",
)
SUBMISSIONS = 3  # of "side by side, unlike depths"


def prepare(folder):
    """Write the model and the data, and return the outputs of a run that is not killed."""
    artifact = GRAPHS["side by side, unlike depths"]()
    (folder / "model.onnx").write_bytes(artifact.content)
    np.save(folder / "x.npy", rows(3))
    return hybridx.predict(folder / "model.onnx", folder / "x.npy", device=Service()).outputs


def run(folder, **options):
    hybridx.predict(
        folder / "model.onnx",
        folder / "x.npy",
        folder / "y.npz",
        device=Account(folder / "account.txt"),
        **options,
    )


def in_child(folder, kill_at):
    """Run in a process that is killed before its step `kill_at`; return how many steps it made."""
    return killed(lambda: run(folder), kill_at, FILES)


def check(folder, expected, kill_at):
    """Kill a run, go on as its user would, and check that all is there and paid for once."""
    for name in ("y.npz", "y.npz.partial", "account.txt"):
        (folder / name).unlink(missing_ok=True)
    in_child(folder, kill_at)
    again = 0
    partial = folder / "y.npz.partial"
    if partial.exists() or not (folder / "y.npz").exists():
        options = {"resume": partial.exists(), "overwrite": True}
        try:
            run(folder, **options)
        except UnansweredError:
            again = 1
            run(folder, **options, resend=True)
    with np.load(folder / "y.npz") as found:
        np.testing.assert_array_equal(found["y"], expected["y"])
    sent = len((folder / "account.txt").read_text().splitlines())
    # What was sent when the run was killed may be sent again, but only on request.
    assert SUBMISSIONS <= sent <= SUBMISSIONS + again, kill_at
    left = {path.name for path in folder.iterdir()}
    assert left == {"model.onnx", "x.npy", "y.npz", "account.txt"}, kill_at
