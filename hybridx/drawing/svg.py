"""A circuit as a figure: SVG whose bytes depend on the circuit and on matplotlib alone."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final

from hybridx.circuit import Circuit
from hybridx.drawing.layout import Column, Glyph, Mark, columns, measured, wrap
from hybridx.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lengths in units of half the distance between wires; one unit is 0.28 inch.
INCH: Final = 0.28
PITCH: Final = 2.0  # between wires
BOX: Final = 1.34  # height of a box
LETTER: Final = 0.30  # width of a letter of a name
GAP: Final = 0.62  # between columns
LEFT: Final = 2.2  # of the wires, for their labels
RIGHT: Final = 1.8  # beside the measurements
BETWEEN: Final = 0.6  # between two systems, beside the distance of wires
LINE: Final = 0.9  # of the legend
SYSTEM: Final = 40.0  # width after which a circuit continues below
FONT: Final = 10.5  # points

INK: Final = "#1f2933"
WIRE: Final = "#7b8794"
PAPER: Final = "#ffffff"
FIXED: Final = ("#f5f7fa", "#3e4c59")  # fill and edge of gates without an angle,
CONSTANT: Final = ("#e6f0fa", "#2b6cb0")  # with a constant one,
TRAINED: Final = ("#fdf0e1", "#c05621")  # and with a parameter

_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "hybridx",
    "svg.fonttype": "path",
    "font.family": "serif",
    "font.serif": ["STIXGeneral", "DejaVu Serif"],
    "mathtext.fontset": "stix",
}


def draw_svg(circuit: Circuit) -> bytes:
    """Return a circuit as SVG: equal circuits, equal bytes with one version of matplotlib.

    Wire 0 is at the top, time goes to the right. Boxes of gates are grey without an angle, blue
    with a constant one and orange with a parameter.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("drawing a circuit", "matplotlib", "draw") from error
    content = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure(circuit).savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    return content.getvalue()


def figure(circuit: Circuit) -> Figure:
    """Return the picture of a circuit as a figure whose size fits it."""
    from matplotlib.figure import Figure

    packed = columns(circuit)
    widths = [_width(column) + GAP for column in packed]
    runs = list(wrap(widths, SYSTEM))
    ends, legend = measured(circuit)
    length = max(sum(widths[i] for i in run) for run in runs) + GAP
    right = LETTER * max(map(len, ends)) + RIGHT
    height = circuit.wires * PITCH + BETWEEN
    size = (LEFT + length + right, len(runs) * height + LINE * len(legend))
    drawn = Figure(figsize=(size[0] * INCH, size[1] * INCH))
    axes = drawn.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(-size[1], 0))
    axes.axis("off")
    for number, run in enumerate(runs):
        top = -number * height - (PITCH + BETWEEN) / 2
        end = LEFT + sum(widths[i] for i in run) + GAP
        _wires(axes, circuit.wires, top, end, is_first=number == 0)
        left = LEFT + GAP
        for index in run:
            for glyph in packed[index]:
                _glyph(axes, glyph, left + (widths[index] - GAP) / 2, top)
            left += widths[index]
        if run is runs[-1]:
            _ends(axes, ends, top, end)
    _legend(axes, legend, -len(runs) * height)
    return drawn


def _width(column: Column) -> float:
    return max(_box_width(mark) for glyph in column for mark in glyph)


def _box_width(mark: Mark) -> float:
    if mark.kind != "box":
        return 0.9
    # The angle stands below the name, in smaller letters.
    return max(BOX, 0.7 + LETTER * max(1.25 * len(mark.name), len(mark.angle)))


def _wires(axes: Axes, count: int, top: float, end: float, *, is_first: bool) -> None:
    for wire in range(count):
        y = top - wire * PITCH
        axes.plot([LEFT, end], [y, y], color=WIRE, linewidth=0.9, zorder=1)
        label = rf"$|0\rangle_{{{wire}}}$" if is_first else rf"${wire}$"
        axes.text(LEFT - 0.3, y, label, color=INK, fontsize=FONT, va="center", ha="right")


def _ends(axes: Axes, ends: tuple[str, ...], top: float, x: float) -> None:
    for wire, text in enumerate(ends):
        if text:
            y = top - wire * PITCH
            axes.plot([x, x], [y - 0.42, y + 0.42], color=INK, linewidth=1.1, zorder=2)
            axes.text(x + 0.3, y, _math(text), color=INK, fontsize=FONT, va="center", ha="left")


def _legend(axes: Axes, lines: tuple[str, ...], top: float) -> None:
    for number, line in enumerate(lines):
        y = top - LINE * number - 0.3
        axes.text(LEFT, y, line, color=INK, fontsize=FONT - 2, va="center", ha="left")


def _glyph(axes: Axes, glyph: Glyph, x: float, top: float) -> None:
    heights = [top - mark.wire * PITCH for mark in glyph]
    if len(glyph) > 1:
        axes.plot([x, x], [heights[0], heights[-1]], color=INK, linewidth=1.1, zorder=2)
    for mark, y in zip(glyph, heights, strict=True):
        _mark(axes, mark, x, y)


def _mark(axes: Axes, mark: Mark, x: float, y: float) -> None:
    from matplotlib.patches import Circle

    line: dict[str, Any] = {"color": INK, "linewidth": 1.1, "zorder": 4}
    match mark.kind:
        case "box":
            _box(axes, mark, x, y)
        case "control":
            axes.add_patch(Circle((x, y), 0.2, facecolor=INK, edgecolor=INK, zorder=4))
        case "anticontrol":
            axes.add_patch(Circle((x, y), 0.2, facecolor=PAPER, edgecolor=INK, zorder=4))
        case "not":
            axes.add_patch(Circle((x, y), 0.4, facecolor=PAPER, edgecolor=INK, zorder=3))
            axes.plot([x - 0.4, x + 0.4], [y, y], **line)
            axes.plot([x, x], [y - 0.4, y + 0.4], **line)
        case "swap":
            axes.plot([x - 0.26, x + 0.26], [y - 0.26, y + 0.26], **line)
            axes.plot([x - 0.26, x + 0.26], [y + 0.26, y - 0.26], **line)


def _box(axes: Axes, mark: Mark, x: float, y: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    width = _box_width(mark)
    fill, edge = TRAINED if "p[" in mark.angle else CONSTANT if mark.angle else FIXED
    corner = (x - width / 2, y - BOX / 2)
    style = "round,pad=0,rounding_size=0.14"
    axes.add_patch(
        FancyBboxPatch(corner, width, BOX, boxstyle=style, facecolor=fill, edgecolor=edge, zorder=3)
    )
    up = 0.24 if mark.angle else 0.0
    centred: dict[str, Any] = {"color": INK, "va": "center_baseline", "ha": "center", "zorder": 5}
    axes.text(x, y + up, _math(mark.name), fontsize=FONT, **centred)
    if mark.angle:
        axes.text(x, y - 0.36, _math(mark.angle), fontsize=FONT - 3, **centred)


def _math(text: str) -> str:
    r"""Return a label in the notation of formulas.

    Example:
        >>> print(_math("RX"), _math("p[0]+π/2"))
        $R_{X}$ $p_{0}+\pi /2$
    """
    rules = (
        (r"^R([XYZ]+)", r"R_{\1}"),
        (r"†", r"^\\dagger"),
        (r"p\[(\d+)\]", r"p_{\1}"),
        (r":(\d+)$", r"_{\1}"),
        (r"^SX", r"\\sqrt{X}"),
        (r"M(\d+)", r"M_{\1}"),
        (r"·", r"\\,"),
        (r"π", r"\\pi "),
        (r"ψ", r"\\psi "),
        (r"⟨", r"\\langle "),
        (r"⟩", r"\\rangle "),
    )
    for pattern, formula in rules:
        text = re.sub(pattern, formula, text)
    # Words are upright, single letters italic.
    text = re.sub(r"(?<![\\A-Za-z])([A-Za-z]{3,})", r"\\mathrm{\1}", text)
    return f"${text}$"
