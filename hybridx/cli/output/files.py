"""Lines of `inspect` and `convert`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent
from typing import TYPE_CHECKING, Any

from hybridx.artifact import USUAL_MACHINE
from hybridx.cli.output import wording
from hybridx.cli.printer import Line, bold, dim, line, lines_of, yellow
from hybridx.report import size

if TYPE_CHECKING:
    from hybridx.api import Card, Conversion, Inspection


def converted(report: Conversion) -> Iterator[Line]:
    """Yield what a conversion wrote."""
    yield line(bold(report.path), f"  {report.format}, {size(report.size)}")
    for name in report.files:
        yield line(f"  {name}")


def drawn(report: Mapping[str, Sequence[str]]) -> Iterator[Line]:
    """Yield where pictures were written."""
    for picture in report["pictures"]:
        yield line(f"written to {picture}")


def paged(report: Mapping[str, str]) -> Iterator[Line]:
    """Yield where a page was written."""
    yield line(f"written to {report['page']}")


def listed(report: Mapping[str, Any]) -> Iterator[Line]:
    """Yield a bill of materials, or where it was written."""
    if "written" in report:
        yield line(f"written to {report['written']}")
    else:
        yield line(lines_of(json.dumps(report["bom"], indent=2)))


def carded(report: Card) -> Iterator[Line]:
    """Yield a model card, or where it and its pictures were written."""
    for path in report.written:
        yield line(f"written to {path}")
    if not report.written:
        yield line(lines_of(report.text.removesuffix("\n")))


def written_as_python(report: Mapping[str, str]) -> Iterator[Line]:
    """Yield the source of a module."""
    yield line(lines_of(report["source"].removesuffix("\n")))


def written_as_qasm(report: Mapping[str, Mapping[str, str]]) -> Iterator[Line]:
    """Yield OpenQASM 3 programs, each under the name of its circuit."""
    for number, (name, text) in enumerate(report["programs"].items()):
        if number:
            yield line()
        yield line(f"// {name}")
        yield line(lines_of(text.removesuffix("\n")))


def inspected(report: Inspection) -> Iterator[Line]:
    """Yield what is in a file."""
    opset = f"opset {report.opset}, " if report.opset is not None else ""
    written = size(report.size)
    form = f"{report.format}, inlined" if report.is_inlined else report.format
    yield line(
        bold(report.path),
        f"  {form}, {written}, {opset}written by hybridx {report.version}",
    )
    yield from wording.signature(report.inputs, report.outputs)
    for label, names in (("columns", report.columns), ("classes", report.classes)):
        if names:
            yield line(f"  {label} {', '.join(names)}")
    for sentence in report.assumed:
        yield line(f"  assumed {sentence}")
    if report.weights:
        yield line(f"  weights {report.weights}")
    if report.machine != USUAL_MACHINE:
        yield line(f"  machine {report.machine}")
    for key, value in report.metadata.items():
        yield line(f"  {key}: {value}")
    if report.nodes:
        yield line(f"  nodes   {wording.counts(report.nodes)}")
    for circuit in report.circuits:
        yield line(f"  circuit {wording.circuit(circuit)}")
        yield line(lines_of(indent(circuit.picture or circuit.text, "    "), "dim"))
        if not circuit.candidates:
            yield line(
                dim("    its strategies are not compared: the circuits of the file are long")
            )
        for candidate in circuit.candidates:
            is_chosen = candidate.strategy == circuit.strategy
            mark = "*" if is_chosen else " "
            yield line(dim(f"    {mark} {candidate.strategy}: {candidate.reason}"))
            if is_chosen:
                yield line(lines_of(indent(candidate.plan, "        "), "dim"))
    for layer, reason in report.lost.items():
        yield line("  ", yellow("lost"), f" {layer}: {reason}")
    yield line("  ", *wording.verified(report.verification))
    yield line(f"  self-test {'included' if report.self_test else 'not included'}")
    yield line(f"  digest {report.digest.sha256}  ", *wording.intact(report.digest))
