"""A circuit as PNG or PDF, drawn by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never

from hybridx.circuit import Circuit
from hybridx.drawing.scene import INK, Box, Disc, Label, Line, Run, Shape, scene
from hybridx.errors import MissingExtraError, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCH: Final = 0.28  # a unit of a scene
_POINTS: Final = 1.25 * 72 * _INCH  # a unit of a height of letters
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "serif",
    "font.serif": ["STIXGeneral", "DejaVu Serif"],
    "mathtext.fontset": "stix",
    "pdf.fonttype": 42,
}
_SYMBOLS: Final = {
    "⟨": r"\langle ",
    "⟩": r"\rangle ",
    "ψ": r"\psi ",
    "π": r"\pi ",
    "†": r"\dagger ",
}


def draw_figure(
    circuit: Circuit, format: Literal["png", "pdf"], title: str = "", notes: Sequence[str] = ()
) -> bytes:
    """Return a circuit as a PNG picture of 200 dots an inch, or as a PDF page of its size.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a picture as PNG or PDF", "matplotlib", "draw") from error
    drawn = scene(circuit, title, notes)
    content = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(drawn.width * _INCH, drawn.height * _INCH))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, drawn.width), ylim=(drawn.height, 0))
        axes.axis("off")
        for order, shape in enumerate(drawn.shapes):
            _add(axes, shape, order)
        undated = {"CreationDate": None} if format == "pdf" else {}
        figure.savefig(content, format=format, dpi=200, metadata={**undated, "Creator": None})
    return content.getvalue()


def _add(axes: Axes, shape: Shape, order: int) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    match shape:
        case Line(x, y, to_x, to_y, color):
            axes.plot([x, to_x], [y, to_y], color=color, linewidth=1.0, zorder=order)
        case Box(x, y, width, height, fill, edge):
            corner, style = (x - width / 2, y - height / 2), "round,pad=0,rounding_size=0.14"
            colors: dict[str, Any] = {"facecolor": fill, "edgecolor": edge, "zorder": order}
            axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, **colors))
        case Disc(x, y, radius, fill):
            axes.add_patch(Circle((x, y), radius, facecolor=fill, edgecolor=INK, zorder=order))
        case Label(x, y, runs, size, anchor):
            side = {"start": "left", "middle": "center", "end": "right"}[anchor]
            places: dict[str, Any] = {"ha": side, "va": "center_baseline", "zorder": order}
            text = "".join(map(_text, runs))
            axes.text(x, y, text, color=INK, fontsize=_POINTS * size, **places)
        case _:
            assert_never(shape)


def _text(run: Run) -> str:
    """Return letters in matplotlib's notation of formulas, those of plain text as they are."""
    shown = printable(run.text)
    if run.level == "line" and not run.italic:
        return shown.replace("$", r"\$")
    inside = "".join(_SYMBOLS.get(letter, letter) for letter in shown)
    styled = inside if run.italic or "\\" in inside else rf"\mathrm{{{inside}}}"
    mark = {"sub": "_", "sup": "^", "line": ""}[run.level]
    return f"${mark}{{{styled}}}$"
