"""On what a model runs: one record, so that every function which runs a model takes the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from hybridx.runtime.devices import ONNX


@dataclass(frozen=True)
class Execution:
    """On what a model runs.

    Attributes:
        device: `onnx` for the compiled circuits, or the name of a PennyLane device for them.
        shots: samples per circuit on that device; None for exact values.
        seed: for a device that samples.
        provider: of ONNX Runtime, for the classical parts.
    """

    device: str = ONNX
    shots: int | None = None
    seed: int | None = None
    provider: str = "auto"


class Options(TypedDict, total=False):
    """The attributes of an `Execution` as keyword arguments."""

    device: str
    shots: int | None
    seed: int | None
    provider: str
