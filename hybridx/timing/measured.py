"""What was measured of a file."""

from __future__ import annotations

from dataclasses import dataclass

from hybridx.report import Shown
from hybridx.timing.side_by_side import Pace


@dataclass(frozen=True)
class Runner:
    """One way to run the model, measured.

    Attributes:
        name: `onnx`, `torch` for a file of torch, the name of a device, or `eager`.
        load: seconds in which the file was read, checked and started; None for the eager model.
        paces: one for each batch size at which it runs.
    """

    name: str
    load: float | None
    paces: tuple[Pace, ...]


@dataclass(frozen=True)
class BenchReport(Shown):
    """How fast a file runs, and what it was compared with in the same run.

    Attributes:
        path: of the file.
        provider: what runs the classical parts: a provider of ONNX Runtime, or torch.
        threads: of each operator, or None for the default.
        seconds: that each runner was given at each batch size.
        runners: the file as it is, then the others.
        plot: the picture that was written, if one was.
        notes: what the user should know.
    """

    path: str
    provider: str
    threads: int | None
    seconds: float
    runners: tuple[Runner, ...]
    plot: str | None
    notes: tuple[str, ...]
