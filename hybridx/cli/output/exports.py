"""Lines of `export` and `check`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hybridx.cli.output import wording
from hybridx.cli.printer import Line, bold, dim, green, line, red, remark
from hybridx.report import size

if TYPE_CHECKING:
    from hybridx.api import CheckReport, ExportReport


def exported(report: ExportReport) -> Iterator[Line]:
    """Yield what an export did, and the command that runs the file."""
    lengths = "open axes" if report.is_dynamic else "fixed shapes"
    written = size(report.size)
    yield line(bold(report.path), f"  {written}, {report.dtype}, {lengths}")
    for circuit in report.circuits:
        yield line("  ", wording.circuit(circuit))
    yield line("  ", *wording.verified(report.verification))
    yield line(f"  {report.seconds:.1f} s")
    name = shlex.quote(report.path)
    if all(circuit.strategy for circuit in report.circuits):
        yield remark(dim("next: "), f"hybridx run {name}", dim("  (add -i for data of yours)"))
    else:
        yield remark(dim("next: "), f"hybridx run {name} --device default.qubit -i FILE")


def checked(report: CheckReport) -> Iterator[Line]:
    """Yield what an export would come to, or all that stands in its way."""
    if report.refusals:
        count = len(report.refusals)
        found = "one place stands" if count == 1 else f"{count} places stand"
        yield line(red(found), " in the way of an export")
        for refusal in report.refusals:
            yield line("  ", bold(refusal.code), f" {refusal.reason}")
            yield line(dim(f"    help: {refusal.remedy}"))
        return
    yield line(green("can be exported"), "; nothing was written")
    yield from wording.signature(report.inputs, report.outputs)
    for circuit in report.circuits:
        yield line(f"  circuit {wording.circuit(circuit)}")
    yield line("  ", *wording.verified(report.verification))
