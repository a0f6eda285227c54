"""Lines of `doctor` and `train`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hybridx.cli.printer import Line, bold, dim, green, line, table, yellow

if TYPE_CHECKING:
    from hybridx.api import Diagnosis
    from hybridx.models import TrainingReport


def diagnosed(report: Diagnosis) -> Iterator[Line]:
    """Yield what can be run on this machine, and what to install for the rest."""
    providers = ", ".join(report.providers)
    yield line(
        bold(f"hybridx {report.version}"),
        f", Python {report.python}, {report.platform}; providers of ONNX Runtime: {providers}",
    )
    for part in report.parts:
        known = part.version or yellow("missing")
        hint = [yellow(f"  {part.install}")] if part.install else []
        yield line(f"  {part.package} ", known, "  ", dim(part.purpose), *hint)
    yield line(bold("devices"))
    for device in report.devices:
        mark = green("ready    ") if device.is_ready else yellow("not ready")
        told = "; ".join(filter(None, (device.needs, device.note)))
        yield line("  ", mark, f" {device.name}  ", dim(told))


def trained(report: TrainingReport) -> Iterator[Line]:
    """Yield the scores of a training run."""
    yield line(f"epoch {report.best_epoch}, the best of {report.epochs_run}")
    scores = (("train", report.train), ("validation", report.validation), ("held out", report.test))
    yield from table(
        ("rows", "accuracy", "loss"),
        [(name, f"{score.accuracy:.4f}", f"{score.loss:.4f}") for name, score in scores],
    )
