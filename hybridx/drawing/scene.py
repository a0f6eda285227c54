"""A circuit as lines, boxes and labels with places: what SVG, PNG and PDF show alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hybridx.circuit import Circuit
from hybridx.drawing.layout import Column, Glyph, Mark, balanced, columns, measured

# Lengths in units of half the distance between wires.
PITCH: Final = 2.0  # between wires
BOX: Final = 1.34  # height of a box, and its least width
WIDEST: Final = 3.2  # that all boxes have if one needs it; what needs more has it alone
LETTER: Final = 0.30  # width of a letter
GAP: Final = 0.62  # between columns
LEFT: Final = 2.2  # of the wires, for their labels
RIGHT: Final = 1.8  # beside the measurements
TITLE: Final = 1.4  # height of the title
BETWEEN: Final = 0.6  # between two systems, beside the distance of wires
LINE: Final = 0.9  # of the legend
SYSTEM: Final = 40.0  # width after which a circuit continues below
FONT: Final = 0.52  # height of letters

INK: Final = "#1f2933"
WIRE: Final = "#7b8794"
PAPER: Final = "#ffffff"
FIXED: Final = ("#f5f7fa", "#3e4c59")  # fill and edge of gates without an angle,
CONSTANT: Final = ("#e6f0fa", "#2b6cb0")  # with a constant one,
VARIABLE: Final = ("#fdf0e1", "#c05621")  # and with a parameter


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line; `y` points down, in units of half the distance between wires."""

    x: float
    y: float
    to_x: float
    to_y: float
    color: str


@dataclass(frozen=True, slots=True)
class Box:
    """A box with its centre."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    edge: str


@dataclass(frozen=True, slots=True)
class Disc:
    """A circle with its centre."""

    x: float
    y: float
    radius: float
    fill: str


@dataclass(frozen=True, slots=True)
class Run:
    """Letters of one style: raised above the line, lowered below it, or on it."""

    text: str
    level: Literal["sub", "sup", "line"] = "line"
    italic: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """A text that is centred in height at `y`, and begins, ends or is centred at `x`."""

    x: float
    y: float
    runs: tuple[Run, ...]
    size: float = FONT
    anchor: Literal["start", "middle", "end"] = "middle"


Shape: TypeAlias = Line | Box | Disc | Label


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture: its size, and its shapes from the back to the front."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def scene(circuit: Circuit, title: str = "", notes: Sequence[str] = ()) -> Scene:
    """Return the picture of a circuit: wire 0 at the top, time to the right.

    Boxes of gates are grey without an angle, blue with a constant one and orange with a parameter.
    Digits at the left edge of boxes number the wires of a gate whose order matters. Notes stand
    below the circuit, behind the legend of what is measured.
    """
    packed = columns(circuit)
    common = _common_width(packed)
    widths = [_width(column, common) + GAP for column in packed]
    systems = balanced(widths, SYSTEM)
    ends, legend = measured(circuit)
    length = max(sum(widths[i] for i in system) for system in systems) + GAP
    height = circuit.wires * PITCH + BETWEEN
    head = TITLE if title else 0.0
    shapes: list[Shape] = []
    if title:
        shapes.append(Label(LEFT, TITLE / 2 + 0.2, (Run(title),), FONT, "start"))
    for number, system in enumerate(systems):
        top = head + number * height + (PITCH + BETWEEN) / 2
        end = LEFT + sum(widths[i] for i in system) + GAP
        shapes += _wires(circuit.wires, top, end, is_first=number == 0)
        left = LEFT + GAP
        for index in system:
            for glyph in packed[index]:
                shapes += _glyph(glyph, left + (widths[index] - GAP) / 2, top, common)
            left += widths[index]
        if system is systems[-1]:
            shapes += _ends(ends, top, end)
    below = head + len(systems) * height
    texts = [*map(formula, legend), *map(_equation, notes)]
    for number, runs in enumerate(texts):
        y = below + LINE * number + 0.3
        shapes.append(Label(LEFT, y, runs, 0.8 * FONT, "start"))
    right = LETTER * max(map(len, ends)) + RIGHT
    needed = LEFT + LETTER * max((len(text) for text in (title, *legend, *notes)), default=0)
    return Scene(max(LEFT + length + right, needed), below + LINE * len(texts), tuple(shapes))


def formula(text: str) -> tuple[Run, ...]:
    """Return a text in the notation of formulas.

    Example:
        >>> [(run.text, run.level) for run in formula("2·p[0]")]
        [('2·', 'line'), ('p', 'line'), ('0', 'sub')]
    """
    runs: list[Run] = []
    for part in re.finditer(
        r"^R(?P<axes>[XYZ]+)|p\[(?P<column>\d+)\]|(?P<dagger>†)|M(?P<number>\d+)"
        r"|(?P<letter>(?<![A-Za-z])[A-Za-z](?![A-Za-z]))|(?P<other>.)",
        text,
    ):
        found = part.groupdict()
        if found["axes"]:
            runs += (Run("R", italic=True), Run(found["axes"], "sub", italic=True))
        elif found["column"]:
            runs += (Run("p", italic=True), Run(found["column"], "sub"))
        elif found["number"]:
            runs += (Run("M", italic=True), Run(found["number"], "sub"))
        elif found["dagger"]:
            runs.append(Run("†", "sup"))
        elif found["letter"]:
            runs.append(Run(found["letter"], italic=True))
        elif runs and runs[-1].level == "line" and not runs[-1].italic:
            runs[-1] = Run(runs[-1].text + found["other"])
        else:
            runs.append(Run(found["other"]))
    return tuple(runs)


def _equation(text: str) -> tuple[Run, ...]:
    """Return a text whose left side is a formula, and whose right side has names of the user."""
    left, equals, right = text.partition(" = ")
    return (*formula(left), Run(equals + right))


def _common_width(packed: Sequence[Column]) -> float:
    needed = [_needed(mark) for column in packed for glyph in column for mark in glyph]
    return max((one for one in needed if one <= WIDEST), default=BOX)


def _needed(mark: Mark) -> float:
    if mark.kind != "box":
        return 0.0
    # The angle stands below the name, in smaller letters.
    beside = 0.7 if mark.place is None else 1.3
    return max(BOX, beside + LETTER * max(1.25 * len(mark.name), len(mark.angle)))


def _box_width(mark: Mark, common: float) -> float:
    return max(common, _needed(mark))


def _width(column: Column, common: float) -> float:
    boxes = [mark for glyph in column for mark in glyph if mark.kind == "box"]
    return max((_box_width(mark, common) for mark in boxes), default=0.9)


def _wires(count: int, top: float, end: float, *, is_first: bool) -> Iterator[Shape]:
    for wire in range(count):
        y = top + wire * PITCH
        yield Line(LEFT, y, end, y, WIRE)
        label = (Run("|0⟩"), Run(str(wire), "sub")) if is_first else (Run(str(wire)),)
        yield Label(LEFT - 0.3, y, label, FONT, "end")


def _ends(ends: Sequence[str], top: float, x: float) -> Iterator[Shape]:
    for wire, text in enumerate(ends):
        if text:
            y = top + wire * PITCH
            yield Line(x, y - 0.42, x, y + 0.42, INK)
            yield Label(x + 0.3, y, formula(text), FONT, "start")


def _glyph(glyph: Glyph, x: float, top: float, common: float) -> Iterator[Shape]:
    heights = [top + mark.wire * PITCH for mark in glyph]
    if len(glyph) > 1:
        yield Line(x, heights[0], x, heights[-1], INK)
    for mark, y in zip(glyph, heights, strict=True):
        yield from _mark(mark, x, y, common)


def _mark(mark: Mark, x: float, y: float, common: float) -> Iterator[Shape]:
    match mark.kind:
        case "box":
            yield from _box(mark, x, y, _box_width(mark, common))
        case "control":
            yield Disc(x, y, 0.2, INK)
        case "anticontrol":
            yield Disc(x, y, 0.2, PAPER)
        case "not":
            yield Disc(x, y, 0.4, PAPER)
            yield Line(x - 0.4, y, x + 0.4, y, INK)
            yield Line(x, y - 0.4, x, y + 0.4, INK)
        case "swap":
            yield Line(x - 0.26, y - 0.26, x + 0.26, y + 0.26, INK)
            yield Line(x - 0.26, y + 0.26, x + 0.26, y - 0.26, INK)


def _box(mark: Mark, x: float, y: float, width: float) -> Iterator[Shape]:
    fill, edge = VARIABLE if "p[" in mark.angle else CONSTANT if mark.angle else FIXED
    yield Box(x, y, width, BOX, fill, edge)
    up = 0.22 if mark.angle else 0.0
    yield Label(x, y - up, formula(mark.name))
    if mark.angle:
        yield Label(x, y + 0.36, formula(mark.angle), 0.72 * FONT)
    if mark.place is not None:
        yield Label(x - width / 2 + 0.14, y, (Run(str(mark.place)),), 0.62 * FONT, "start")
