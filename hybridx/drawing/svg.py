"""A picture as SVG, whose bytes depend on what it shows alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never
from xml.sax.saxutils import escape

from hybridx.circuit import Circuit
from hybridx.drawing.scene import INK, PAPER, Box, Disc, Label, Line, Run, Scene, Shape, scene
from hybridx.errors import printable

_UNIT: Final = 20.0  # pixels in a unit of a scene
_SERIF: Final = "'STIX Two Text', 'Times New Roman', 'DejaVu Serif', serif"
SANS: Final = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_SMALLER: Final = 0.72  # letters above and below the line
_SHIFT: Final = {"sub": 0.22, "sup": -0.35, "line": 0.0}  # of these letters, in heights of a letter


def draw_svg(circuit: Circuit, title: str = "", notes: Sequence[str] = ()) -> bytes:
    """Return a circuit as SVG: equal circuits, titles and notes, equal bytes.

    Wire 0 is at the top, time goes to the right. Boxes of gates are grey without an angle, blue
    with a constant one and orange with a parameter. Notes stand below the circuit.
    """
    return write_svg(scene(circuit, title, notes), title or "a quantum circuit", _SERIF)


def write_svg(drawn: Scene, title: str, font: str) -> bytes:
    """Return a scene as SVG.

    Args:
        drawn: the scene.
        title: for those who do not see it; it is not drawn.
        font: names of fonts, the best first.
    """
    size = f"{_pixels(drawn.width)} {_pixels(drawn.height)}"
    width, height = size.split()
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{width}" '
        f'height="{height}" font-family="{font}" fill="{INK}" role="img">',
        f"<title>{_text(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        *map(_element, drawn.shapes),
        "</svg>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _element(shape: Shape) -> str:
    match shape:
        case Line():
            return (
                f'<line x1="{_pixels(shape.x)}" y1="{_pixels(shape.y)}" x2="{_pixels(shape.to_x)}" '
                f'y2="{_pixels(shape.to_y)}" stroke="{shape.color}" stroke-width="1.2"/>'
            )
        case Box():
            x, y = shape.x - shape.width / 2, shape.y - shape.height / 2
            return (
                f'<rect x="{_pixels(x)}" y="{_pixels(y)}" width="{_pixels(shape.width)}" '
                f'height="{_pixels(shape.height)}" rx="3" fill="{shape.fill}" '
                f'stroke="{shape.edge}"/>'
            )
        case Disc():
            return (
                f'<circle cx="{_pixels(shape.x)}" cy="{_pixels(shape.y)}" '
                f'r="{_pixels(shape.radius)}" fill="{shape.fill}" stroke="{INK}"/>'
            )
        case Label():
            return _label(shape)
        case _:
            assert_never(shape)


def _label(label: Label) -> str:
    spans, level = [], 0.0
    for run in label.runs:
        shift = _SHIFT[run.level] * label.size
        spans.append(_span(run, shift - level, label.size))
        level = shift
    # The middle of a capital letter is about a third of its size above the line of the text.
    y = label.y + 0.34 * label.size * 1.25
    return (
        f'<text x="{_pixels(label.x)}" y="{_pixels(y)}" font-size="{_pixels(1.25 * label.size)}" '
        f'text-anchor="{label.anchor}">{"".join(spans)}</text>'
    )


def _span(run: Run, shift: float, size: float) -> str:
    attributes = ""
    if shift:
        attributes += f' dy="{_pixels(1.25 * shift)}"'
    if run.level != "line":
        attributes += f' font-size="{_pixels(1.25 * _SMALLER * size)}"'
    if run.italic:
        attributes += ' font-style="italic"'
    return f"<tspan{attributes}>{_text(run.text)}</tspan>"


def _text(text: str) -> str:
    return escape(printable(text))


def _pixels(value: float) -> str:
    return f"{_UNIT * value:.2f}".rstrip("0").rstrip(".")
