"""Access to private parts of PennyLane, one function each; checked with PennyLane 0.45.1.

Each function has a test in `tests/capture/test_internals.py` that fails when PennyLane changes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pennylane as qml

# --- What is replaced while a model is traced: the object and the name of its attribute ---------


def call_of_layer() -> tuple[Any, str]:
    """The method in which a TorchLayer calls its QNode: `(layer, x)`, x of shape `(batch, n)`."""
    return qml.qnn.TorchLayer, "_evaluate_qnode"


def active_queues() -> tuple[Any, str]:
    """The list of the queues that operators are added to; all threads share it."""
    return qml.QueuingManager, "_active_contexts"


def pause_of_recording() -> tuple[Any, str]:
    """The body of `QueuingManager.stop_recording`, also where it already decorates a function.

    It is a generator function of the class that replaces the list `active_queues` by another one.
    """
    return qml.QueuingManager.stop_recording.__func__.__wrapped__, "__code__"


def paused(cls: Any) -> Iterator[None]:
    """While active, record no operators, by emptying the list of queues in place."""
    queues = cls._active_contexts
    kept = list(queues)
    queues.clear()
    try:
        yield
    finally:
        queues[:] = kept


def preparation_of_state() -> tuple[Any, str]:
    """The static method in which `StatePrep` pads and normalises amplitudes.

    Its arguments are `(state, wires, pad_with, normalize, validate_norm)`.
    """
    return qml.StatePrep, "_preprocess"
