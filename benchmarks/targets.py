"""The targets of the compiler, and whether a run meets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from benchmarks.records import EAGER, HYBRIDX, Cell, Results

MEGABYTE = 1e6
WON = 3.0  # times the best peer
AT_FLOOR = 1.5  # times an empty graph with as many inputs: a call that is won as well

Figures: TypeAlias = Mapping[Cell | str, float]
"""Figures by place: a cell of the tables, or a circuit or export in words."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on one figure in many places.

    Attributes:
        sentence: the target in words.
        bound: the least figure allowed, or the largest if `is_most`.
        unit: of the figure.
        figures: from the results, by place.
        is_most: the bound is an upper bound.
    """

    sentence: str
    bound: float
    unit: str
    figures: Callable[[Results], Figures]
    is_most: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures of a run for a target.

    Attributes:
        target: the target.
        figures: by place; empty if nothing was measured.
        missed: the places that do not meet the bound.
    """

    target: Target
    figures: Figures
    missed: tuple[Cell | str, ...]

    @property
    def word(self) -> str:
        """Return met, missed or not measured."""
        if not self.figures:
            return "not measured"
        return "missed" if self.missed else "met"

    @property
    def worst(self) -> Cell | str | None:
        """Return the place of the worst figure."""
        extreme = max if self.target.is_most else min
        return extreme(self.figures, key=self.figures.__getitem__, default=None)


def judge(target: Target, results: Results) -> Verdict:
    """Compare a target with the results of a run."""
    figures, sign = target.figures(results), 1 if target.is_most else -1
    missed = (place for place in figures if sign * figures[place] > sign * target.bound)
    return Verdict(target, figures, tuple(missed))


def faster(where: Callable[[Cell], bool], than: str | None = None) -> Callable[[Results], Figures]:
    """Return the ratios to the best peer in the cells for which `where` holds."""

    def figures(results: Results) -> Figures:
        ratios = {cell: results.ratio(cell, than) for cell in results.cells if where(cell)}
        return {cell: ratio for cell, ratio in ratios.items() if ratio is not None}

    return figures


def is_at_floor(results: Results, cell: Cell) -> bool:
    """Return whether a call takes hardly more than one of an empty graph with as many inputs."""
    over = results.over_floor(cell)
    return over is not None and over <= AT_FLOOR


def won(where: Callable[[Cell], bool]) -> Callable[[Results], Figures]:
    """Return the ratios to the best peer; a call at the engine's floor counts as won.

    A call at the floor cannot be much faster, so it has at least the ratio that is wanted.
    """

    def figures(results: Results) -> Figures:
        return {
            cell: max(ratio, WON) if is_at_floor(results, cell) else ratio
            for cell, ratio in faster(where)(results).items()
            if isinstance(cell, Cell)
        }

    return figures


def brickwork_milliseconds(results: Results) -> Figures:
    """Return the milliseconds a row of W5 at 32 wires."""
    cells = [cell for cell in results.cells if cell.workload == "W5" and cell.wires == 32]
    times = {cell: results.median(cell, HYBRIDX) for cell in cells}
    return {c: 1e3 * seconds / c.batch for c, seconds in times.items() if seconds is not None}


def choice(results: Results) -> Figures:
    """Return the time of the chosen strategy over that of the best one."""
    ratios: dict[Cell | str, float] = {}
    for line in results.choices:
        sizes = f"{line['wires']} wires, {line['layers']} layers, batch {line['batch']}"
        ratio = line["seconds"][line["strategy"]] / min(line["seconds"].values())
        ratios[f"{line['workload']}, {sizes}"] = ratio
    return ratios


def exported(field: str, unit: float, name: str | None, wires: int) -> Callable[[Results], Figures]:
    """Return a figure of the exports of a workload, or of all, up to so many wires."""

    def figures(results: Results) -> Figures:
        return {
            place: one[field] / unit
            for place, one in _exports(results, name, wires)
            if one.get(field) is not None
        }

    return figures


def memory(results: Results) -> Figures:
    """Return the peak of exports beyond the smallest one's, over the largest constant.

    Only constants of a megabyte or more count, because the memory that every export needs (the
    traced graph, the modules of the exporter) would hide smaller ones.
    """
    peaks = {
        place: one
        for place, one in _exports(results, None, 99)
        if one.get("peak_bytes") is not None
    }
    least = min((one["peak_bytes"] for one in peaks.values()), default=0)
    return {
        place: (one["peak_bytes"] - least) / one["constant_bytes"]
        for place, one in peaks.items()
        if one["constant_bytes"] >= MEGABYTE
    }


def _exports(
    results: Results, name: str | None, most: int
) -> Iterator[tuple[str, dict[str, float]]]:
    for (workload, wires, layers), one in results.exports.items():
        if name in (None, workload) and wires <= most:
            yield f"{workload}, {wires} wires, {layers} layers", one


TARGETS = (
    Target(
        "W1, 8 to 10 wires, batch 256 and more: 10 times faster than the best peer",
        10,
        "times",
        faster(lambda c: c.workload == "W1" and 8 <= c.wires <= 10 and c.batch >= 256),
    ),
    Target(
        f"every cell up to 16 wires: {WON:.0f} times faster than the best peer, or at most "
        f"{AT_FLOOR} times the floor",
        WON,
        "times",
        won(lambda c: c.wires <= 16),
    ),
    Target(
        "20 wires: 1.3 times faster than the best peer",
        1.3,
        "times",
        faster(lambda c: c.wires == 20),
    ),
    Target(
        "up to 10 wires, batch 1 to 32: 100 times faster than eager PennyLane",
        100,
        "times",
        faster(lambda c: c.wires <= 10 and c.batch <= 32, EAGER),
    ),
    Target("W5, 32 wires: under 1 ms a row", 1, "ms", brickwork_milliseconds, is_most=True),
    Target(
        "the chosen strategy: at most 1.3 times the time of the best", 1.3, "times", choice, True
    ),
    Target(
        "export of the reference classifier: at most 3 s",
        3,
        "s",
        exported("seconds", 1, "classifier", 99),
        is_most=True,
    ),
    Target(
        "export of W1 up to 12 wires: at most 20 s",
        20,
        "s",
        exported("seconds", 1, "W1", 12),
        is_most=True,
    ),
    Target(
        "files up to 12 wires: at most 40 MB",
        40,
        "MB",
        exported("bytes", MEGABYTE, None, 12),
        is_most=True,
    ),
    Target(
        "peak memory of export: at most 4 times the largest constant",
        4,
        "times",
        memory,
        is_most=True,
    ),
)
