"""Phrases that several reports share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hybridx.cli.printer import Line, Span, green, line, yellow
from hybridx.report import counted

if TYPE_CHECKING:
    from hybridx.api import CircuitSummary, DigestSummary, InputSummary, OutputSummary
    from hybridx.artifact import Verification
    from hybridx.parity import OutputDifference
    from hybridx.runtime import Usage


def ran_on(usage: Usage) -> str:
    """Return what ran the classical parts, and what was sent to a device."""
    classical = f"classical parts on {usage.provider}"
    if not usage.circuits:
        return classical
    shots = f" with {usage.total_shots:,} shots in all" if usage.total_shots else ""
    return f"sent {usage.circuits:,} circuits{shots}; {classical}"


def circuit(summary: CircuitSummary) -> str:
    """Return a circuit in one line."""
    shots = "" if summary.shots is None else f", {summary.shots} shots on devices"
    body = f"compiled ({summary.strategy})" if summary.strategy else "no body"
    if summary.nodes:
        body = f"{counted(summary.nodes, 'ONNX node')} ({summary.strategy})"
    where = "".join(f"{layer} " for layer in filter(None, summary.layers))
    sizes = ", ".join(
        counted(getattr(summary, f"{noun}s"), noun)
        for noun in ("wire", "gate", "parameter", "result")
    )
    times = "" if summary.derivative < 2 else f" of order {summary.derivative}"
    kind = f"derivative{times}, " if summary.derivative else ""
    return f"{where}{summary.name}: {kind}{sizes}, {body}{shots}"


def verified(verification: Verification | None) -> tuple[Span, ...]:
    """Return what was compared with the eager model at the export."""
    if verification is None:
        return yellow("not verified"), " against eager PyTorch"
    return green("verified"), (
        f" against eager PyTorch {at(verification.batches)}: worst error "
        f"{verification.worst:.1e}, tolerance {verification.tolerance:.0e}"
    )


def intact(digest: DigestSummary) -> tuple[Span, ...]:
    """Return whether a file is as hybridx wrote it."""
    if digest.is_intact is None:
        return yellow("not recorded"), " in a file of this old format: no change is noticed"
    if digest.is_intact:
        return green("as hybridx wrote it"), ""
    return yellow("changed"), f" after hybridx wrote it: {digest.difference}"


def at(batches: Sequence[int]) -> str:
    """Return at which batch sizes something was compared."""
    return f"at batch {', '.join(map(str, batches))}" if batches else "without a batch"


def place(difference: OutputDifference, batches: Sequence[int]) -> str:
    """Return where the largest error is: the row, if there is a batch, and the index in it."""
    if not batches or not difference.index:
        return f"index {[*difference.index]}" if difference.index else "its only number"
    row, *rest = difference.index
    inside = f", index {rest}" if rest else ""
    return f"row {row} of {difference.batch}{inside}"


def counts(nodes: Mapping[str, int]) -> str:
    """Return how many there are of each."""
    return ", ".join(f"{name} x{count}" if count > 1 else name for name, count in nodes.items())


def signature(inputs: Sequence[InputSummary], outputs: Sequence[OutputSummary]) -> Iterator[Line]:
    """Yield the inputs and outputs of a file."""
    values: list[tuple[str, InputSummary | OutputSummary]] = [("input ", one) for one in inputs]
    for what, one in [*values, *(("output", one) for one in outputs)]:
        known = "" if one.shape is None else f": {one.dtype} ({', '.join(map(str, one.shape))})"
        yield line(f"  {what}  {one.name}{known}")
