"""What is private in PennyLane, as functions of our own; seen with PennyLane 0.45.1.

Each function has a canary in `tests/capture/test_internals.py`.
"""

from __future__ import annotations

from typing import Any

import pennylane as qml

# --- What is replaced while a model is traced: the object and the name of its attribute ---------


def call_of_layer() -> tuple[Any, str]:
    """Where a TorchLayer calls its QNode with a batch: `(layer, x)`, x of shape `(batch, n)`."""
    return qml.qnn.TorchLayer, "_evaluate_qnode"


def preparation_of_state() -> tuple[Any, str]:
    """Where `StatePrep` pads and normalises: `(state, wires, pad_with, normalize, validate_norm)`.

    It is a static method.
    """
    return qml.StatePrep, "_preprocess"
