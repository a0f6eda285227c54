"""The eager model, run for its values: what an export starts from and is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pennylane as qml
import torch


def exact(qnode: Any) -> Any:
    """Return a QNode that gives exact values, whatever shots it was made with."""
    return qml.set_shots(qnode, shots=None) if qnode.shots.total_shots else qnode


@contextmanager
def eagerly() -> Iterator[None]:
    """While active, there are no gradients, every QNode is exact, and torch uses one thread.

    The tensors of small circuits are too short to share: two threads took ten times as long as one
    (4 wires, batch 16, two cores).
    """
    original, threads = qml.QNode.__call__, torch.get_num_threads()

    def call(qnode: Any, *args: Any, **kwargs: Any) -> Any:
        return original(exact(qnode), *args, **kwargs)

    qml.QNode.__call__ = call
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        qml.QNode.__call__ = original
        torch.set_num_threads(threads)
