"""On what a model runs: one record, so that every function which runs a model takes the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, TypedDict

from hybridx.runtime.devices import ONNX

ENGINES: Final = ("split", "custom-op")

Tell: TypeAlias = Callable[[str], None]


def _tell_nobody(_: str) -> None:
    return


@dataclass(frozen=True)
class Execution:
    """On what a model runs.

    Attributes:
        device: `onnx` for the compiled circuits, the name of a PennyLane device for them, or such
            a device itself.
        shots: samples per circuit on that device; None for exact values.
        seed: for a device that samples.
        provider: of ONNX Runtime, for the classical parts.
        engine: how circuits reach a device: `split` runs the parts between them one after another,
            `custom-op` the whole model in one session that calls back.
        options: further keyword arguments of the PennyLane device; never credentials.
        fallback: the device to take if the first one's plug-in or credentials are missing.
        max_circuits: how many circuits a session may send in all.
        max_shots: how many samples a session may ask for in all.
        retries: how often a submission is repeated after an error that may pass.
        dry_run: send nothing, and count what would be sent; results of circuits are zeros.
        tell: is told, in words for people, what happens meanwhile.
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
    tell: Tell = _tell_nobody


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
    tell: Tell
