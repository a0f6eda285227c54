"""Lines of `page` and `serve-config`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hybridx.cli.printer import Line, bold, dim, line, yellow
from hybridx.report import counted, size

if TYPE_CHECKING:
    from hybridx.api import ServerFiles, WebPage

_ORIGINS = {
    "data": "of the data",
    "self-test": "of the self-test; --data ROWS.csv takes that of your rows",
    "nothing": "from -1 to 1, as there is no self-test; --data ROWS.csv takes that of your rows",
}


def page_written(report: WebPage) -> Iterator[Line]:
    """Yield what a page holds, and what to do with it."""
    yield line(bold(report.path), f"  {size(report.size)}, one file that makes no requests")
    circuits = counted(len(report.circuits), "quantum layer")
    yield line(f"  runs {report.model}, {size(report.model_size)}, {circuits}, on {report.runtime}")
    if "table" in report.inputs.values():
        yield line(f"  range of the sliders: {_ORIGINS[report.ranges_from]}")
    yield line(f"next: open {report.path} in a browser")


def server_written(report: ServerFiles) -> Iterator[Line]:
    """Yield what was written for a server, and how it is started."""
    yield line(bold(report.path), f"  model {report.name} for {report.title}")
    for name in report.files:
        yield line(f"  {name}")
    if report.settings:
        told = ", ".join(f"{name} {value}" for name, value in report.settings.items())
        yield line(f"  fixed for all requests: {told}")
    if not report.joins_requests:
        yield line("  requests are not joined: rows depend on each other, or have no common axis")
    for note in report.notes:
        yield line(yellow("note"), f" {note}")
    yield line(dim(f"next: {report.start}"))
