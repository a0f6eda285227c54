"""What the reports are made of: figures and tables in Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.paces import CANNOT_WIN, TOO_SLOW
from benchmarks.records import BOUNDS, Cell, Results


def machine(results: Results) -> str:
    """Return the section that says what the figures were measured with."""
    run = results.run
    rows = [
        (peer, ", ".join(f"{name} {version}" for name, version in versions.items()))
        for peer, versions in results.versions.items()
        if peer not in BOUNDS
    ]
    machine = f"{run['cpu']}, {run['cores']} cores; {run['system']}; Python {run['python']}."
    if run.get("clock") == "cpu":
        machine += " The machine did other work as well: times are those of the processor."
    return f"## Machine and versions\n\n{machine} Compiler: tree {run['hybridx']}.\n\n" + grid(
        ("peer", "packages"), rows
    )


def refusals(results: Results) -> str:
    """Return which peers could not run and why, and which were left out of which cells."""
    cells_of: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    for cell, peers in results.cells.items():
        for peer, entry in peers.items():
            if "refused" in entry:
                cells_of[entry["refused"].splitlines()[0], peer, cell.workload].append(cell)
    for cell, why in results.cuts.items():
        cells_of[why, "all", cell.workload].append(cell)
    failures, left_out = [], []
    for (why, peer, workload), cells in sorted(cells_of.items()):
        for threads in (1, 2):
            if where := places(cell for cell in cells if cell.threads == threads):
                row = (peer, workload, str(threads), where, why)
                (left_out if why in (CANNOT_WIN, TOO_SLOW) else failures).append(row)
    heads = ("peer", "workload", "threads", "wires (batches)", "why")
    sections = (("What could not be run", failures), ("Peers that were left out", left_out))
    return "\n".join(f"## {title}\n\n{grid(heads, rows)}" for title, rows in sections if rows)


def places(cells: Iterable[Cell]) -> str:
    """Return wires with their batches; wires with the same batches are listed together.

    >>> places(Cell("W1", *place, 1) for place in ((4, 3, 1), (4, 3, 32), (6, 3, 1), (6, 3, 32)))
    '4, 6 (1, 32)'
    """
    batches: dict[int, set[int]] = defaultdict(set)
    for cell in cells:
        batches[cell.wires].add(cell.batch)
    wires: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for one in sorted(batches):
        wires[tuple(sorted(batches[one]))].append(one)
    return "; ".join(
        f"{', '.join(map(str, some))} ({', '.join(map(str, sizes))})"
        for sizes, some in wires.items()
    )


def percent(part: float | None) -> str:
    """Return a share as a percentage."""
    return "–" if part is None else f"{100 * part:.0f} %"


def milliseconds(seconds: float | None) -> str:
    """Return seconds in milliseconds."""
    return figure(None if seconds is None else 1e3 * seconds)


def figure(value: float | None) -> str:
    """Return three significant digits without an exponent.

    >>> figure(0.012345), figure(12345.6), figure(None)
    ('0.0123', '12346', '–')
    """
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; columns of numbers are aligned to the right."""
    rows = [[text.replace("|", "\\|") for text in row] for row in rows]
    rules = [
        "---:" if all(map(_is_number, column)) else "---" for column in zip(*rows, strict=True)
    ]
    return "".join(_lines([list(heads), rules or ["---"] * len(heads), *rows]))


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        yield f"| {' | '.join(row)} |\n"


def _is_number(text: str) -> bool:
    return text in ("", "–") or text.removesuffix(" %").replace(".", "", 1).isdigit()
