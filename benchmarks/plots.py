"""Plots of a run as SVG: times over wires, batch and layers, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from benchmarks.records import EAGER, FLOOR, HYBRIDX, Cell, Results
from benchmarks.workloads import WORKLOADS

COLOURS: Mapping[str, str] = {
    HYBRIDX: "#d62728",
    "PennyLane default.qubit": "#7f7f7f",
    "PennyLane lightning.qubit": "#111111",
    "TorchScript": "#8c564b",
    "JAX": "#1f77b4",
    "TensorCircuit": "#17becf",
    "Catalyst": "#2ca02c",
    "DeepQuantum": "#9467bd",
    "TorchQuantum": "#e377c2",
    "Qiskit Aer": "#bcbd22",
    FLOOR: "#d6a5a5",
}
FAR = 10.0  # times the best peer; a peer that is nowhere nearer is not drawn
NAMES = {"wires": "wires", "batch": "rows a call", "layers": "layers"}


def plot_all(results: Results, folder: Path) -> list[tuple[str, Path]]:
    """Write the plots for which there are at least two points; return titles and paths."""
    return _plot(results, folder, _plots(), "call")


def plot_training(results: Results, folder: Path) -> list[tuple[str, Path]]:
    """Write the plot of steps of training; return its title and path."""
    kind = WORKLOADS["W1"]
    panels = {f"batch {batch}": Cell("W1", 0, kind.layers, batch, 1) for batch in (1, 32, 256)}
    title = f"A step of training, W1: {kind.title}; 1 thread"
    return _plot(results, folder, [("training-wires", title, "wires", panels)], "step")


def _plot(
    results: Results,
    folder: Path,
    plots: Iterable[tuple[str, str, str, dict[str, Cell]]],
    unit: str,
) -> list[tuple[str, Path]]:
    # Ids in the file come from this salt, not from a clock: equal results give equal files.
    mpl.rcParams["svg.hashsalt"] = "hybridx"
    written = []
    for stem, title, axis, panels in plots:
        shown = {
            name: cells for name, cell in panels.items() if (cells := _line(results, cell, axis))
        }
        if not shown:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{stem}.svg"
        _figure(results, title, axis, shown, unit).savefig(path, metadata={"Date": None})
        written.append((title, path))
    return written


def _plots() -> Iterator[tuple[str, str, str, dict[str, Cell]]]:
    """Yield file, title, the axis that varies, and a cell of each panel."""
    for name, kind in WORKLOADS.items():
        if len(kind.wires) > 1:
            panels = {
                f"batch {batch}": Cell(name, 0, kind.layers, batch, 1) for batch in (1, 32, 256)
            }
            yield f"{name}-wires", f"{name}: {kind.title}; 1 thread", "wires", panels
            by_batch = {
                f"{wires} wires": Cell(name, wires, kind.layers, 0, 1) for wires in kind.wires[::2]
            }
            yield f"{name}-batch", f"{name} over the batch; 1 thread", "batch", by_batch
    whole = {
        name: Cell(name, WORKLOADS[name].wires[0], WORKLOADS[name].layers, 0, 1)
        for name in ("classifier", "quanvolution")
    }
    yield "models-batch", "Whole models over the batch; 1 thread", "batch", whole
    by_layers = {"8 wires, batch 32": Cell("W1", 8, 0, 32, 1)}
    yield "W1-layers", "W1 over its layers; 1 thread", "layers", by_layers


def _line(results: Results, like: Cell, axis: str) -> list[Cell]:
    """Return the measured cells that differ from `like` along one axis, if two or more."""
    cells = [cell for cell in results.cells if replace(cell, **{axis: getattr(like, axis)}) == like]
    return sorted(cells, key=lambda cell: getattr(cell, axis)) if len(cells) > 1 else []


def _figure(
    results: Results, title: str, axis: str, panels: Mapping[str, list[Cell]], unit: str
) -> Figure:
    figure = Figure(figsize=(2.2 + 3.2 * len(panels), 4), layout="constrained")
    figure.suptitle(title, fontsize=10)
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, cells) in zip(all_axes, panels.items(), strict=True):
        _draw(axes, results, axis, cells)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(NAMES[axis])
    all_axes[0].set_ylabel(f"ms a {unit}")
    lines = {line.get_label(): line for axes in all_axes for line in axes.get_lines()}
    ordered = [name for name in COLOURS if name in lines]
    figure.legend(
        [lines[name] for name in ordered],
        ordered,
        loc="outside right center",
        fontsize=8,
        frameon=False,
    )
    return figure


def _is_near(results: Results, peer: str, cells: list[Cell]) -> bool:
    """Return whether a line is drawn: those of hybridx, eager PennyLane and the best peers are."""
    times = [(results.median(cell, peer), results.best(cell)) for cell in cells]
    return peer in (HYBRIDX, EAGER, FLOOR) or any(
        time is not None and other is not None and time <= FAR * other[1] for time, other in times
    )


def _draw(axes: Axes, results: Results, axis: str, cells: list[Cell]) -> None:
    for peer, colour in COLOURS.items():
        if not _is_near(results, peer, cells):
            continue
        points = [(getattr(cell, axis), results.median(cell, peer)) for cell in cells]
        points = [(x, 1e3 * seconds) for x, seconds in points if seconds is not None]
        if points:
            is_ours = peer == HYBRIDX
            axes.plot(
                *zip(*points, strict=True),
                color=colour,
                label=peer,
                marker="o",
                markersize=4 if is_ours else 2.5,
                linewidth=2.4 if is_ours else 1.1,
                zorder=3 if is_ours else 2,
            )
    # Work doubles with each wire, so the axis of wires is logarithmic already.
    if axis != "wires":
        axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    values = [getattr(cell, axis) for cell in cells]
    axes.set_xticks(values, [str(value) for value in values])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
