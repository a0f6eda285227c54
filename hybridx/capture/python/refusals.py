"""Refuse what no file can hold, and name the place in the model that asks for it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from hybridx.capture.python.branches import is_raised_by_user
from hybridx.capture.python.patches import current, intercepting
from hybridx.capture.python.removed_in_pennylane import removed_idiom
from hybridx.capture.python.source_location import is_users, place, place_of, text_of_line
from hybridx.capture.torch_internals import is_data_branch
from hybridx.errors import (
    BitsOfTextError,
    CaptureError,
    DataBranchError,
    GradientError,
    HybridxError,
    ModelRaisesError,
    NoQubitsError,
    RandomnessError,
    TraceError,
    first_line,
)

_KINDS = {
    "gaussian": "modes of continuous variables",
    "fock": "modes of continuous variables",
    "qutrit": "qutrits",
}


class Collector:
    """What was refused in a model, and what stands in for it.

    A QNode call gives what the eager model's call returned, an operator is left out, and of a
    branch whose sides do not fit each other one side is taken.

    Attributes:
        errors: in the order in which they were met, each once.
        answers: what each QNode call of the eager model returned, in order.
    """

    def __init__(self) -> None:
        self.errors: list[HybridxError] = []
        self.answers: list[Any] = []

    def note(self, error: HybridxError) -> None:
        """Add an error, unless it is there already."""
        if str(error) not in map(str, self.errors):
            self.errors.append(error)


@contextmanager
def collecting() -> Iterator[Collector]:
    """While active, refusals in this thread are collected, as far as stand-ins go."""
    collector = Collector()
    with intercepting(collector=collector):
        yield collector


def refuse(error: HybridxError) -> None:
    """Raise an error, or note it where all are collected: the caller then takes a stand-in."""
    collector = current().collector
    if collector is None:
        raise error
    collector.note(error)


def refuse_device(device: Any, layer: str) -> None:
    """Refuse a device that does not work with qubits.

    Raises:
        NoQubitsError: the device does not.
    """
    for word, kind in _KINDS.items():
        if word in device.name:
            raise NoQubitsError(layer, device.name, kind)


def refuse_unseeded(tape: Any, layer: str) -> None:
    """Refuse a template that draws its gates and has no seed.

    Raises:
        RandomnessError: the tape has one.
    """
    for operator in tape.operations:
        if operator.hyperparameters.get("seed", 0) is None:
            raise RandomnessError(f"{operator.name} without a seed", f"quantum layer {layer}")


@contextmanager
def gradients_refused(model: nn.Module) -> Iterator[None]:
    """While active, a model that asks torch for a gradient is refused."""

    def refuse() -> Any:
        lines = traceback.walk_stack(sys._getframe(1))
        users = next((line for line in lines if is_users(line[0].f_code.co_filename)), None)
        raise GradientError(place(model, users) if users else "an unknown place")

    with intercepting(refuse_gradient=refuse):
        yield


def untraceable(model: nn.Module, error: Exception) -> CaptureError:
    """Return the error that says why torch.export cannot follow a model."""
    removed = removed_idiom(error)
    if removed is not None:
        return removed
    where = place_of(model, error)
    text = text_of_line(error)
    cause: BaseException | None = error
    while cause is not None:
        if is_data_branch(cause):
            writer = next((name for name in _WRITERS if f"{name}(" in text), None)
            if writer is not None:
                return BitsOfTextError(f"{writer}()", where)
            return DataBranchError(where, "Python needs its value")
        cause = cause.__cause__
    if is_raised_by_user(error):
        return ModelRaisesError(f"{type(error).__name__}: {first_line(error)}", where)
    return TraceError(f"{type(error).__name__} at {text!r}" if text else first_line(error), where)


_WRITERS = ("bin", "oct", "hex", "format", "bit_length", "bit_count")
"""What writes a whole number as digits, or counts its bits."""
