"""What is private in PennyLane, as functions of our own; seen with PennyLane 0.45.1.

Each function has a canary in `tests/capture/test_internals.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pennylane as qml

# --- What is replaced while a model is traced: the object and the name of its attribute ---------


def call_of_layer() -> tuple[Any, str]:
    """Where a TorchLayer calls its QNode with a batch: `(layer, x)`, x of shape `(batch, n)`."""
    return qml.qnn.TorchLayer, "_evaluate_qnode"


def active_queues() -> tuple[Any, str]:
    """Where the queues stand that operators are added to: a list of all threads."""
    return qml.QueuingManager, "_active_contexts"


def pause_of_recording() -> tuple[Any, str]:
    """What `QueuingManager.stop_recording` does, also where it already decorates a function.

    A generator function of the class; it puts another list in the place of `active_queues`.
    """
    return qml.QueuingManager.stop_recording.__func__.__wrapped__, "__code__"


def paused(cls: Any) -> Iterator[None]:
    """Record no operators meanwhile, by emptying the list of queues in place."""
    queues = cls._active_contexts
    kept = list(queues)
    queues.clear()
    try:
        yield
    finally:
        queues[:] = kept


def preparation_of_state() -> tuple[Any, str]:
    """Where `StatePrep` pads and normalises: `(state, wires, pad_with, normalize, validate_norm)`.

    It is a static method.
    """
    return qml.StatePrep, "_preprocess"
