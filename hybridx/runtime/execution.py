"""Where and how a model runs: one record, so that all functions that run a model take the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypedDict

from hybridx.runtime.devices import ONNX

ENGINES: Final = ("split", "custom-op")


@dataclass(frozen=True)
class Execution:
    """Where and how a model runs.

    Attributes:
        device: `onnx` runs the compiled circuits of the file; otherwise the name of a PennyLane
            device, or a device object, that runs the circuits.
        shots: samples per circuit on that device; None for exact values.
        seed: for a device that samples.
        provider: of ONNX Runtime, for the classical parts.
        engine: how circuits reach a device. `split` runs the parts between the circuits one after
            another, `custom-op` runs the whole model in one session that calls back.
        options: further keyword arguments of the PennyLane device; never credentials.
        fallback: the device that is used if the first one's plug-in or credentials are missing.
        max_circuits: how many circuits a session may send in total.
        max_shots: how many samples a session may ask for in total.
        retries: how often a submission is repeated after an error that may pass.
        dry_run: send nothing, and count what would be sent; results of circuits are zeros.
    """

    device: Any = ONNX
    shots: int | None = None
    seed: int | None = None
    provider: str = "auto"
    engine: Literal["split", "custom-op"] = "split"
    options: Mapping[str, object] = field(default_factory=dict)
    fallback: str | None = None
    max_circuits: int | None = None
    max_shots: int | None = None
    retries: int = 3
    dry_run: bool = False


class Options(TypedDict, total=False):
    """The attributes of an `Execution` as keyword arguments."""

    device: Any
    shots: int | None
    seed: int | None
    provider: str
    engine: Literal["split", "custom-op"]
    options: Mapping[str, object]
    fallback: str | None
    max_circuits: int | None
    max_shots: int | None
    retries: int
    dry_run: bool
