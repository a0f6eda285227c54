"""Refusals by name: what no file can hold, and where the model asks for it."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from hybridx.capture.places import place_of
from hybridx.capture.removed import removed_idiom
from hybridx.errors import (
    CaptureError,
    DataBranchError,
    NoQubitsError,
    RandomnessError,
    TraceError,
)

_KINDS = {
    "gaussian": "modes of continuous variables",
    "fock": "modes of continuous variables",
    "qutrit": "qutrits",
}


def refuse_device(device: Any, layer: str) -> None:
    """Refuse devices of other things than qubits.

    Raises:
        NoQubitsError: it is one.
    """
    for word, kind in _KINDS.items():
        if word in device.name:
            raise NoQubitsError(layer, device.name, kind)


def refuse_unseeded(tape: Any, layer: str) -> None:
    """Refuse templates that draw their gates and are given no seed.

    Raises:
        RandomnessError: there is one.
    """
    for operator in tape.operations:
        if operator.hyperparameters.get("seed", 0) is None:
            raise RandomnessError(f"{operator.name} without a seed", f"quantum layer {layer}")


def untraceable(model: nn.Module, error: Exception) -> CaptureError:
    """Return the error that says why torch.export cannot follow a model."""
    removed = removed_idiom(error)
    if removed is not None:
        return removed
    place = place_of(model, error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, GuardOnDataDependentSymNode):
            return DataBranchError(place)
        cause = cause.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return TraceError(lines[0], place)
