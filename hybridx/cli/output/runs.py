"""Lines of `run`, `verify`, `evaluate` and `bench`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hybridx.cli.output import wording
from hybridx.cli.printer import Line, bold, green, line, lines_of, remark, table, yellow
from hybridx.report import counted, duration, rate
from hybridx.storage import PIPE

if TYPE_CHECKING:
    from hybridx.api import BenchReport, Evaluation, Prediction, Signed, VerifyReport
    from hybridx.parity import OutputDifference
    from hybridx.runtime import Agreement

_ROWS_SHOWN = 10


def verified(report: VerifyReport) -> Iterator[Line]:
    """Yield a comparison that passed."""
    if report.signature is not None and not report.outputs:
        yield from signed(report.signature)
        return
    compared = (
        f"compared with {report.against} {wording.at(report.batches)}: "
        f"worst error {report.worst:.1e}, tolerance {report.tolerance:.0e}"
    )
    found = report.consistency
    if found is None:
        yield line(green("verified"), f"  {report.path} on {report.device}, {compared}")
        yield from _differences("layer", report.layers, report)
        yield from _differences("output", report.outputs, report)
        yield from _agreements(report.circuits)
        return
    shots = report.usage.shots if report.usage is not None else None
    yield line(
        green("consistent"),
        f"  {report.path} on {report.device}: {found.tests} results of "
        f"{shots:,} shots differ from the exact values by no more than sampling explains; smallest "
        f"p-value {found.p_value:.2g} (corrected for {found.tests} tests), significance "
        f"{found.significance:g}",
    )
    if found.untested:
        untested = "results have no test and were not compared: variances of Pauli sums"
        yield remark(yellow("note "), f"{found.untested} {untested}")
    yield line(f"  its exact values, {compared}")
    yield from _differences("output", report.outputs, report)
    yield from _agreements(report.circuits)


def signed(report: Signed) -> Iterator[Line]:
    """Yield a signature that holds."""
    files = "" if len(report.files) == 1 else f", {counted(len(report.files), 'file')}"
    yield line(green("signed"), f"  {report.path}{files}")
    yield line(f"  signature {report.signature}")
    yield line(f"  key       {report.key}")


def _agreements(found: Sequence[Agreement]) -> Iterator[Line]:
    """Yield how many compiled bodies compute their circuits, and what shows it."""
    ways = Counter(one.shown for one in found)
    unchecked = ways.pop("not checked", 0)
    if ways:
        said = ", ".join(f"{count} {way}" for way, count in ways.items())
        yield line(f"  compiled circuits agree with the circuits in the file: {said}")
    if unchecked:
        yield remark(yellow("note "), f"{unchecked} of the compiled circuits not checked")


def _differences(
    what: str, found: Sequence[OutputDifference], report: VerifyReport
) -> Iterator[Line]:
    """Yield how far each output or layer is off, and where."""
    if found:
        rows = [
            (one.output, f"{one.worst:.1e}", f"{one.mean:.1e}", wording.place(one, report.batches))
            for one in found
        ]
        yield from table((what, "worst error", "mean error", "worst at"), rows)


def predicted(report: Prediction) -> Iterator[Line]:
    """Yield the outputs of a run, or where they were written."""
    if report.is_dry:
        return
    rows = counted(report.rows, "row")
    yield remark(
        f"{rows} of {report.path} on {report.device} in {1e3 * report.seconds:.1f} ms; "
        f"{wording.ran_on(report.usage)}"
    )
    for one in report.devices:
        yield remark(f"{one.label}: {counted(one.rows, 'row')}, {counted(one.circuits, 'circuit')}")
    if report.written is not None:
        if report.written != PIPE:
            yield remark(f"written to {report.written}")
        return
    import numpy as np

    for name, array in report.outputs.items():
        yield line(bold(name), f"  {array.dtype} {tuple(array.shape)}")
        shown = array[:_ROWS_SHOWN] if array.ndim else array
        text = np.array2string(shown, precision=6, suppress_small=True, threshold=200)
        yield line(lines_of(text))
        if array.ndim and len(array) > _ROWS_SHOWN:
            yield line(f"… {len(array) - _ROWS_SHOWN} more rows; -o FILE writes all of them")


def evaluated(report: Evaluation) -> Iterator[Line]:
    """Yield the metrics of an evaluation, and the confusion of classes."""
    if report.usage is not None:
        yield remark(wording.ran_on(report.usage))
    yield line(bold(report.path), f" on {report.device}, {counted(report.rows, 'row')}")
    for name, value in report.metrics.items():
        yield line(f"  {name.replace('_', ' ')}  ", bold(f"{value:.4f}"))
    if report.confusion:
        yield line("  true class by row, predicted by column")
        rows = zip(report.classes, report.confusion, strict=True)
        yield from table(("", *report.classes), [(name, *map(str, row)) for name, row in rows])


def benched(report: BenchReport) -> Iterator[Line]:
    """Yield how long calls took."""
    threads = "" if report.threads is None else f", threads {report.threads}"
    yield line(bold(report.path), f"  on {report.provider}{threads}; {report.seconds:g} s each")
    rows = [
        (
            one.name if pace.batch is None else f"{one.name}, batch {pace.batch}",
            *(duration(seconds) for seconds in (pace.p50, pace.p90, pace.p99)),
            rate(pace.rows_per_second),
            "" if pace.circuits is None else f"{pace.circuits:.0%}",
            f"{pace.ratio:,.0f}x" if pace.ratio >= 100 else f"{pace.ratio:.3g}x",
            f"{pace.calls:,}",
        )
        for one in report.runners
        for pace in one.paces
    ]
    header = ("runner", "p50", "p90", "p99", "rows/s", "in circuits", "p50 ratio", "calls")
    yield from table(header, rows)
    for one in report.runners:
        if one.load is not None:
            yield line(f"  {one.name} is loaded in {duration(one.load)}")
    if report.plot is not None:
        yield line(f"written to {report.plot}")
