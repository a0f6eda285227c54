"""A device that behaves as a service may: it fails, refuses, is stopped, and remembers its mail."""

from __future__ import annotations

import numpy as np
import pennylane as qml


class Service(qml.devices.Device):
    """default.qubit behind a bad line.

    Attributes:
        got: number of circuits in each submission that it answered.
        calls: submissions that reached it at all.
        mishaps: what to raise at which call, counted from 1.
    """

    name = "some.service"

    def __init__(self, wires=4, mishaps=None, seed=None):
        super().__init__(wires=wires)
        self._inner = qml.device("default.qubit", wires=wires, seed=seed)
        self.mishaps = dict(mishaps or {})
        self.got = []
        self.calls = 0

    def preprocess_transforms(self, execution_config=None):
        return self._inner.preprocess_transforms(execution_config)

    def setup_execution_config(self, config=None, circuit=None):
        return self._inner.setup_execution_config(config, circuit)

    def execute(self, circuits, execution_config=None):
        self.calls += 1
        mishap = self.mishaps.pop(self.calls, None)
        if mishap is not None:
            raise mishap
        self.got.append(len(circuits))
        return self._inner.execute(circuits, execution_config)


class Account(Service):
    """A service that writes down what it is sent, as soon as it has it."""

    def __init__(self, path, **options):
        super().__init__(**options)
        self._path = path

    def execute(self, circuits, execution_config=None):
        with self._path.open("a") as account:
            account.write(f"{len(circuits)}\n")
        return super().execute(circuits, execution_config)


class JobAccount(Account):
    """One whose jobs have names, by which their results can be fetched later."""

    def submit_jobs(self, circuits, config):
        with self._path.open("a") as account:
            place = account.tell()
            account.write(f"{len(circuits)}\n")
        return [f"job-{place}"]

    def fetch_jobs(self, names, circuits, config):
        (name,) = names
        place = int(name.removeprefix("job-"))
        sent = self._path.read_text()
        assert sent[place:].split("\n")[0] == str(len(circuits)), "no such job"
        return Service.execute(self, circuits, config)


def rows(count, seed=6):
    return np.random.default_rng(seed).uniform(-3, 3, (count, 2)).astype(np.float32)
