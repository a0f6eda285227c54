"""What steps of training should reach, and whether a run does."""

from __future__ import annotations

from collections.abc import Callable, Collection

from benchmarks.records import FLOOR, HYBRIDX, PENNYLANE, Cell, Results
from benchmarks.targets import Figures, Target
from benchmarks.training.cells import MEMORY_LAYERS, MEMORY_WIRES

NEAR = 2.0  # times the floor: a cell that takes no longer is won, whatever the ratios are
CIRCUITS = ("W1", "W2", "W4")
AGAINST_PENNYLANE = {6: 100, 8: 30, 10: 20, 12: 10, 14: 5, 16: 3}  # up to so many wires
FEW = 32  # rows; with more, half of that
AGAINST_THE_BEST = {12: 2.0, 16: 1.3}
MODELS = {"classifier": 10.0, "QLSTM": 30.0, "quanvolution": 30.0}  # against PennyLane


def over_floor(results: Results, cell: Cell) -> float | None:
    """Return the time of a step over that of the same script with a Linear."""
    ours, floor = results.median(cell, HYBRIDX), results.median(cell, FLOOR)
    return ours / floor if ours and floor else None


def against(results: Results, cell: Cell, among: Collection[str] = ()) -> float | None:
    """Return how many times faster hybridx is than the fastest of some peers."""
    best = results.best(cell, among)
    return results.ratio(cell, best[0]) if best else None


def is_near(results: Results, cell: Cell) -> bool:
    """Return whether a step is so close to the floor that no ratio matters."""
    over = over_floor(results, cell)
    return over is not None and over <= NEAR


def ratios(
    where: Callable[[Cell], bool], among: Collection[str] = ()
) -> Callable[[Results], Figures]:
    """Return the ratios of the cells with one thread for which `where` holds.

    Those near the floor are left out.
    """

    def figures(results: Results) -> Figures:
        found = {
            cell: against(results, cell, among)
            for cell in results.cells
            if cell.threads == 1 and where(cell) and not is_near(results, cell)
        }
        return {cell: ratio for cell, ratio in found.items() if ratio is not None}

    return figures


def growth(results: Results) -> Figures:
    """Return the peak of memory of a step with many layers over that with few."""
    few, many = ((HYBRIDX, layers) for layers in MEMORY_LAYERS)
    peaks = [results.memory.get(key, {}).get("step_bytes") for key in (few, many)]
    return {f"W1, {MEMORY_WIRES} wires": peaks[1] / peaks[0]} if all(peaks) else {}


def _of_size(least: int, most: int, *, many: bool) -> Callable[[Cell], bool]:
    return lambda cell: (
        cell.workload in CIRCUITS and least < cell.wires <= most and (cell.batch > FEW) == many
    )


def _against_pennylane() -> tuple[Target, ...]:
    targets, least = [], 0
    for most, times in AGAINST_PENNYLANE.items():
        sizes = f"up to {most} wires" if not least else f"{most} wires"
        for many, bound, rows in (
            (False, float(times), f"batch up to {FEW}"),
            (True, times / 2, f"batch over {FEW}"),
        ):
            sentence = f"{sizes}, {rows}: {bound:g} times faster than PennyLane"
            where = _of_size(least, most, many=many)
            targets.append(Target(sentence, bound, "times", ratios(where, PENNYLANE)))
        least = most
    return tuple(targets)


def _is_model(name: str) -> Callable[[Cell], bool]:
    return lambda cell: cell.workload == name


TARGETS = (
    *_against_pennylane(),
    *(
        Target(
            f"{name}: {bound:g} times faster than PennyLane",
            bound,
            "times",
            ratios(_is_model(name), PENNYLANE),
        )
        for name, bound in MODELS.items()
    ),
    Target(
        "up to 12 wires: 2 times faster than the best peer",
        AGAINST_THE_BEST[12],
        "times",
        ratios(lambda cell: cell.wires <= 12),
    ),
    Target(
        "14 and 16 wires: 1.3 times faster than the best peer",
        AGAINST_THE_BEST[16],
        "times",
        ratios(lambda cell: cell.wires > 12),
    ),
    Target(
        f"memory with {MEMORY_LAYERS[1]} layers: at most 1.2 times that with {MEMORY_LAYERS[0]}",
        1.2,
        "times",
        growth,
        is_most=True,
    ),
)
