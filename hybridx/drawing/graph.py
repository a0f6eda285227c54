"""The graph of a file as a picture: blocks in rows, values going down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from hybridx.artifact import Block, Outline
from hybridx.drawing.scene import (
    CONSTANT,
    FIXED,
    PAPER,
    WIRE,
    Box,
    Label,
    Line,
    Run,
    Scene,
    Shape,
)
from hybridx.drawing.svg import SANS, write_svg

# Lengths in the units of a scene.
_TITLE: Final = 0.52  # height of the letters of a title,
_FONT: Final = 0.44  # and of the lines below it
_WIDE: Final = 0.86  # width of a letter, in its height
_STEP: Final = 0.8  # from line to line
_PAD: Final = 0.35  # inside a box
_BESIDE: Final = 0.9  # between boxes
_BELOW: Final = 1.5  # between rows
_EDGE: Final = 0.5  # around the picture
_MOST_LETTERS: Final = 36
_SWEEPS: Final = 8  # over all rows, to find an order and places

_COLORS: Final[Mapping[str, tuple[str, str]]] = {
    "input": (PAPER, WIRE),
    "output": (PAPER, WIRE),
    "classical": FIXED,
    "circuit": CONSTANT,
}


@dataclass
class _Cell:
    """A block, or a place where a value passes a row; `x` is its middle."""

    block: Block | None
    width: float
    height: float
    x: float = 0.0


def draw_graph(outline: Outline, title: str = "") -> bytes:
    """Return the graph of a file as SVG: equal graphs, equal bytes."""
    return write_svg(graph_scene(outline), title or "the graph of a model", SANS)


def graph_scene(outline: Outline) -> Scene:
    """Return the picture of a graph: inputs at the top, outputs at the bottom, circuits in blue."""
    cells, rows, links = _layered(outline)
    _order(rows, links)
    _place(cells, rows, links)
    left = min(cell.x - cell.width / 2 for cell in cells)
    for cell in cells:
        cell.x += _EDGE - left
    heights = [max(cells[index].height for index in row) for row in rows]
    tops = [_EDGE + sum(heights[:row]) + row * _BELOW for row in range(len(rows))]
    shapes: list[Shape] = []
    row_of = {index: row for row, indices in enumerate(rows) for index in indices}
    for start, end in links:
        top, bottom = tops[row_of[start]], tops[row_of[end]]
        shapes += _link(cells[start], cells[end], (top, top + heights[row_of[start]]), bottom)
    for row, indices in enumerate(rows):
        for index in indices:
            shapes += _box(cells[index], tops[row])
    width = max(cell.x + cell.width / 2 for cell in cells) + _EDGE
    return Scene(width, tops[-1] + heights[-1] + _EDGE, tuple(shapes))


def _layered(outline: Outline) -> tuple[list[_Cell], list[list[int]], list[tuple[int, int]]]:
    """Return cells, the cells of each row, and links that lead from a row to the next one."""
    cells = [_cell(block) for block in outline.blocks]
    row_of = [0] * len(cells)
    for start, end in outline.edges:  # sorted, and a block stands behind what it takes
        row_of[end] = max(row_of[end], row_of[start] + 1)
    last = max(row_of)
    for index, block in enumerate(outline.blocks):
        if block.kind == "output":
            row_of[index] = last
    rows: list[list[int]] = [[] for _ in range(last + 1)]
    for index, row in enumerate(row_of):
        rows[row].append(index)
    links = []
    for start, end in outline.edges:
        before = start
        for row in range(row_of[start] + 1, row_of[end]):
            cells.append(_Cell(None, 0.2, 0.0))
            rows[row].append(len(cells) - 1)
            links.append((before, len(cells) - 1))
            before = len(cells) - 1
        links.append((before, end))
    return cells, rows, links


def _cell(block: Block) -> _Cell:
    texts = _texts(block)
    letters = max(size * len(text) for text, size in texts)
    return _Cell(block, _WIDE * letters + 2 * _PAD, _STEP * len(texts) + _PAD)


def _texts(block: Block) -> list[tuple[str, float]]:
    """Return what stands in a box, with the heights of its letters.

    The title of several blocks stands in two lines. A text that is too long loses its middle.
    """
    first, more, last = block.title.partition(" … ")
    titles = [f"{first} …", last] if more else [first] if first else []
    texts = [*((title, _TITLE) for title in titles), *((line, _FONT) for line in block.lines)]
    half = _MOST_LETTERS // 2
    return [
        (text if len(text) <= _MOST_LETTERS else f"{text[:half]}…{text[1 - half :]}", size)
        for text, size in texts or [("…", _FONT)]
    ]


def _order(rows: list[list[int]], links: Sequence[tuple[int, int]]) -> None:
    """Sort each row by the middle of what its cells are linked to, so that few links cross."""
    place = {index: float(at) for row in rows for at, index in enumerate(row)}
    for row, linked in _sweeps(rows, links):
        middle = {index: _mean(linked.get(index, [index]), place) for index in row}
        row.sort(key=middle.__getitem__)
        place |= {index: float(at) for at, index in enumerate(row)}


def _place(
    cells: Sequence[_Cell], rows: Sequence[list[int]], links: Sequence[tuple[int, int]]
) -> None:
    """Give each cell its x: near what it is linked to, and in order."""
    for row in rows:
        _spread(cells, row, [0.0] * len(row))
    for row, linked in _sweeps(rows, links):
        x = {index: cell.x for index, cell in enumerate(cells)}
        _spread(cells, row, [_mean(linked.get(index, [index]), x) for index in row])


def _sweeps(
    rows: Sequence[list[int]], links: Sequence[tuple[int, int]]
) -> Iterator[tuple[list[int], dict[int, list[int]]]]:
    """Yield each row, down and up in turns, with what its cells are linked to in the row before."""
    for sweep in range(_SWEEPS):
        is_down = sweep % 2 == 0
        linked = _linked(links, is_down=is_down)
        for row in rows if is_down else reversed(rows):
            yield row, linked


def _linked(links: Sequence[tuple[int, int]], *, is_down: bool) -> dict[int, list[int]]:
    """Return what each cell is linked to in the row before it, or in the row behind it."""
    found: dict[int, list[int]] = {}
    for start, end in links:
        here, there = (end, start) if is_down else (start, end)
        found.setdefault(here, []).append(there)
    return found


def _mean(indices: Sequence[int], value: Mapping[int, float]) -> float:
    return sum(value[index] for index in indices) / len(indices)


def _spread(cells: Sequence[_Cell], row: Sequence[int], wanted: Sequence[float]) -> None:
    """Place the cells of a row in order, without overlap, as near to the wanted places as can be.

    That is least squares with an order: neighbours that would overlap move together to the mean of
    what they want (pool adjacent violators).
    """
    offsets = [0.0]
    for before, after in pairwise(row):
        offsets.append(offsets[-1] + (cells[before].width + cells[after].width) / 2 + _BESIDE)
    pools: list[tuple[float, int]] = []  # the sum of what they want, how many they are
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before_total, before_count = pools.pop()
            total, count = total + before_total, count + before_count
        pools.append((total, count))
    bases = [total / count for total, count in pools for _ in range(count)]
    for index, base, offset in zip(row, bases, offsets, strict=True):
        cells[index].x = base + offset


def _link(start: _Cell, end: _Cell, top: tuple[float, float], to: float) -> Iterator[Shape]:
    """Yield the lines from a cell to one of the next row: `top` is the row's top and bottom."""
    begin = top[0] + start.height
    if begin < top[1]:
        yield Line(start.x, begin, start.x, top[1], WIRE)
    yield Line(start.x, top[1], end.x, to, WIRE)
    if end.block is not None:
        yield Line(end.x - 0.16, to - 0.3, end.x, to, WIRE)
        yield Line(end.x + 0.16, to - 0.3, end.x, to, WIRE)


def _box(cell: _Cell, top: float) -> Iterator[Shape]:
    if cell.block is None:
        return
    yield Box(cell.x, top + cell.height / 2, cell.width, cell.height, *_COLORS[cell.block.kind])
    y = top + _PAD / 2 + _STEP / 2
    for text, size in _texts(cell.block):
        yield Label(cell.x, y, (Run(text),), size)
        y += _STEP
