"""Prints reports, for people with rich and for programs as JSON.

Results go to stdout; notes, progress and errors go to stderr.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import indent
from typing import TYPE_CHECKING, Self

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from hybridx.api import (
    CheckReport,
    CircuitSummary,
    Conversion,
    Diagnosis,
    Evaluation,
    ExportReport,
    InputSummary,
    Inspection,
    Prediction,
    VerifyReport,
)
from hybridx.artifact import Verification
from hybridx.errors import HybridxError
from hybridx.runtime import Usage, scrub
from hybridx.storage import PIPE, as_lists

if TYPE_CHECKING:
    from hybridx.models import Epoch, TrainingReport

_ROWS_SHOWN = 10


def talk() -> Console:
    """Return the console for notes, progress and errors, on stderr."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def data() -> Console:
    """Return the console for results, on stdout."""
    return Console(highlight=False, soft_wrap=True)


def fail(error: HybridxError) -> None:
    """Print a known error: what happened, and what to do."""
    summary, _, remedy = str(error).partition("\n")
    console = talk()
    console.print(Text.assemble(("error ", "bold red"), summary))
    if remedy:
        console.print(Text(remedy, style="dim"))


def defect(error: Exception) -> None:
    """Print a defect of hybridx with its traceback."""
    import traceback

    sys.stderr.write(scrub("".join(traceback.format_exception(error))))
    talk().print(Text("This is a defect of hybridx: report it with the lines above.", "bold red"))


def note(text: str) -> None:
    """Print a note on stderr."""
    talk().print(Text.assemble(("note ", "yellow"), text))


class _Notes(logging.Handler):
    """Prints what hybridx logs as notes for people."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        note(record.getMessage())


@contextmanager
def notes_from_log() -> Iterator[None]:
    """Print what the packages of hybridx log meanwhile as notes."""
    logger, handler = logging.getLogger("hybridx"), _Notes(logging.INFO)
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates


def as_json(value: object) -> None:
    """Print a report as one JSON object."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=2)
    sys.stdout.write(text.decode() + "\n")


def exported(report: ExportReport) -> None:
    """Print what an export did."""
    for text in report.notes:
        note(text)
    console = data()
    lengths = "open axes" if report.is_dynamic else "fixed shapes"
    console.print(f"[bold]{report.path}[/]  {size(report.size)}, {report.dtype}, {lengths}")
    for circuit in report.circuits:
        console.print(f"  {_one_line(circuit)}")
    console.print(f"  {_verified(report.verification)}")
    console.print(f"  {report.seconds:.1f} s")


def checked(report: CheckReport) -> None:
    """Print what an export would come to, or all that stands in its way."""
    for text in report.notes:
        note(text)
    console = data()
    if report.refusals:
        count = len(report.refusals)
        found = "one place stands" if count == 1 else f"{count} places stand"
        console.print(f"[bold red]{found}[/] in the way of an export")
        for refusal in report.refusals:
            console.print(Text.assemble("  ", (refusal.code, "bold"), f" {refusal.reason}"))
            console.print(Text(f"    help: {refusal.remedy}", style="dim"))
        return
    console.print("[green]can be exported[/]; nothing was written")
    _print_signature(console, report.inputs, report.outputs)
    for circuit in report.circuits:
        console.print(f"  circuit {_one_line(circuit)}")
    console.print(f"  {_verified(report.verification)}")


def converted(report: Conversion) -> None:
    """Print what a conversion wrote."""
    console = data()
    console.print(f"[bold]{report.path}[/]  {report.format}, {size(report.size)}")
    for name in report.files:
        console.print(f"  {name}")


def verified(report: VerifyReport) -> None:
    """Print a comparison that passed."""
    for text in report.notes:
        note(text)
    compared = (
        f"compared with {report.against} {_at(report.batches)}: "
        f"worst error {report.worst:.1e}, tolerance {report.tolerance:.0e}"
    )
    found = report.consistency
    if found is None:
        data().print(f"[green]verified[/]  {report.path} on {report.device}, {compared}")
        return
    shots = report.usage.shots if report.usage is not None else None
    data().print(
        f"[green]consistent[/]  {report.path} on {report.device}: {found.tests} results of "
        f"{shots:,} shots differ from the exact values by no more than sampling explains; smallest "
        f"p-value {found.p_value:.2g} (corrected for {found.tests} tests), significance "
        f"{found.significance:g}"
    )
    if found.untested:
        note(
            f"{found.untested} results have no test and were not compared: variances of Pauli sums"
        )
    data().print(f"  its exact values, {compared}")


def predicted(report: Prediction) -> None:
    """Print the outputs of a run, or where they were written."""
    if report.is_dry:
        return
    for text in report.notes:
        note(text)
    console = talk()
    milliseconds = 1e3 * report.seconds
    console.print(
        f"{report.rows} rows of {report.path} on {report.device} in {milliseconds:.1f} ms; "
        f"{_ran_on(report.usage)}",
        markup=False,
    )
    if report.written is not None:
        if report.written != PIPE:
            console.print(f"written to {report.written}", markup=False)
        return
    console = data()
    for name, array in report.outputs.items():
        console.print(Text.assemble((name, "bold"), f"  {array.dtype} {tuple(array.shape)}"))
        shown = array[:_ROWS_SHOWN] if array.ndim else array
        text = np.array2string(shown, precision=6, suppress_small=True, threshold=200)
        console.print(text, markup=False)
        if array.ndim and len(array) > _ROWS_SHOWN:
            console.print(f"… {len(array) - _ROWS_SHOWN} more rows; -o FILE writes all of them")


def drawn(pictures: Sequence[str]) -> None:
    """Print where pictures were written."""
    for picture in pictures:
        talk().print(f"written to {picture}")


def written_as_qasm(programs: Mapping[str, str]) -> None:
    """Print OpenQASM 3 programs, each under the name of its circuit."""
    sys.stdout.write("\n".join(f"// {name}\n{text}" for name, text in programs.items()))


def evaluated(report: Evaluation) -> None:
    """Print the metrics of an evaluation, and the confusion of classes."""
    for text in report.notes:
        note(text)
    console = data()
    if report.usage is not None:
        talk().print(_ran_on(report.usage))
    console.print(f"[bold]{report.path}[/] on {report.device}, {report.rows} rows")
    for name, value in report.metrics.items():
        console.print(f"  {name.replace('_', ' ')}  [bold]{value:.4f}[/]")
    if report.confusion:
        table = Table(title="true class by row, predicted by column", title_justify="left")
        table.add_column("")
        for name in report.classes:
            table.add_column(name, justify="right")
        for name, row in zip(report.classes, report.confusion, strict=True):
            table.add_row(name, *map(str, row))
        console.print(table)


def inspected(report: Inspection) -> None:
    """Print what is in a file."""
    console = data()
    console.print(
        f"[bold]{report.path}[/]  {report.format}, {size(report.size)}, "
        + (f"opset {report.opset}, " if report.opset is not None else "")
        + f"written by hybridx {report.version}"
    )
    _print_signature(console, report.inputs, report.outputs)
    _print_names(console, "columns", report.columns)
    _print_names(console, "classes", report.classes)
    for sentence in report.assumed:
        console.print(f"  assumed {sentence}")
    if report.weights:
        console.print(Text(f"  weights {report.weights}"))
    for key, value in report.metadata.items():
        console.print(Text(f"  {key}: {value}"))
    if report.nodes:
        console.print(f"  nodes   {_counts(report.nodes)}")
    for circuit in report.circuits:
        console.print(f"  circuit {_one_line(circuit)}")
        console.print(Text(indent(circuit.picture or circuit.text, "    "), style="dim"))
        for candidate in circuit.candidates:
            mark = "*" if candidate.strategy == circuit.strategy else " "
            console.print(Text(f"    {mark} {candidate.strategy}: {candidate.reason}", style="dim"))
            if candidate.strategy == circuit.strategy:
                console.print(Text(indent(candidate.plan, "        "), style="dim"))
    console.print(f"  {_verified(report.verification)}")
    console.print(f"  self-test {'included' if report.self_test else 'not included'}")


class TrainingProgress:
    """A progress bar on stderr, to be called after every epoch."""

    def __init__(self) -> None:
        self._bar = Progress(
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=talk(),
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, epoch: Epoch) -> None:
        """Show an epoch."""
        text = (
            f"epoch {epoch.number} of {epoch.limit}: loss {epoch.train_loss:.4f}, "
            f"validation loss {epoch.validation.loss:.4f}, "
            f"accuracy {epoch.validation.accuracy:.3f}"
        )
        self._bar.update(self._task, completed=epoch.number, total=epoch.limit, description=text)


def trained(report: TrainingReport) -> None:
    """Print the scores of a training run."""
    table = Table(title=f"epoch {report.best_epoch}, the best of {report.epochs_run}")
    for name in ("rows", "accuracy", "loss"):
        table.add_column(name, justify="left" if name == "rows" else "right")
    for name, score in (
        ("train", report.train),
        ("validation", report.validation),
        ("held out", report.test),
    ):
        table.add_row(name, f"{score.accuracy:.4f}", f"{score.loss:.4f}")
    data().print(table)


def size(count: int) -> str:
    """Return a number of bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{count / 1e3:.1f} kB"


def diagnosed(report: Diagnosis) -> None:
    """Print what can be run on this machine, and what to install for the rest."""
    console = data()
    console.print(
        f"[bold]hybridx {report.version}[/], Python {report.python}, {report.platform}; "
        f"providers of ONNX Runtime: {', '.join(report.providers)}"
    )
    for part in report.parts:
        known = part.version or "[yellow]missing[/]"
        hint = Text(f"  {part.install}", style="yellow") if part.install else Text("")
        console.print(f"  {part.package} {known}  [dim]{part.purpose}[/]", hint)
    console.print("[bold]devices[/]")
    for device in report.devices:
        mark = "[green]ready[/]    " if device.is_ready else "[yellow]not ready[/]"
        # As a Text, because the brackets of pip install 'a[b]' would be markup in a str.
        told = Text("; ".join(filter(None, (device.needs, device.note))), style="dim")
        console.print(f"  {mark} {device.name} ", told)


def _ran_on(usage: Usage) -> str:
    classical = f"classical parts on {usage.provider}"
    if not usage.circuits:
        return classical
    shots = f" with {usage.total_shots:,} shots in all" if usage.total_shots else ""
    return f"sent {usage.circuits:,} circuits{shots}; {classical}"


def _one_line(circuit: CircuitSummary) -> str:
    shots = "" if circuit.shots is None else f", {circuit.shots} shots on devices"
    body = f"compiled ({circuit.strategy})" if circuit.strategy else "no body"
    if circuit.nodes:
        body = f"{circuit.nodes} ONNX nodes ({circuit.strategy})"
    return (
        f"{circuit.name}: {circuit.wires} wires, {circuit.gates} gates, "
        f"{circuit.parameters} parameters, {circuit.results} results, "
        f"{body}{shots}"
    )


def _verified(verification: Verification | None) -> str:
    if verification is None:
        return "[yellow]not verified[/] against eager PyTorch"
    return (
        f"[green]verified[/] against eager PyTorch {_at(verification.batches)}: worst error "
        f"{verification.worst:.1e}, tolerance {verification.tolerance:.0e}"
    )


def _at(batches: Sequence[int]) -> str:
    return f"at batch {', '.join(map(str, batches))}" if batches else "without a batch"


def _counts(nodes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} x{count}" if count > 1 else name for name, count in nodes.items())


def _print_signature(
    console: Console, inputs: Sequence[InputSummary], outputs: Sequence[str]
) -> None:
    for summary in inputs:
        shape = ", ".join(map(str, summary.shape))
        console.print(f"  input   {summary.name}: {summary.dtype} ({shape})")
    console.print(f"  output  {', '.join(outputs)}")


def _print_names(console: Console, label: str, names: Sequence[str]) -> None:
    if names:
        console.print(f"  {label} {', '.join(names)}")


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return as_lists(value)
    raise NotImplementedError(type(value).__name__)
