"""A circuit as a wire diagram in plain Unicode text."""

from __future__ import annotations

from collections.abc import Sequence

from hybridx.circuit import Circuit
from hybridx.drawing.layout import Column, Mark, columns, measured, wrap

_SIGN = {"control": "●", "anticontrol": "○", "not": "⊕", "swap": "×"}


def draw_text(circuit: Circuit, width: int = 100) -> str:
    """Return a circuit as text: a line a wire, time to the right, wire 0 at the top.

    ● and ○ are controls on 1 and 0, ⊕ is a controlled X, × marks the wires of a swap. `:0` and `:1`
    number the wires of a gate if their order matters. A circuit wider than `width` continues below.

    Example:
        >>> from hybridx.circuit import parse
        >>> print(draw_text(parse("RY 0 p[0]; CNOT 0 2; Hadamard 1; expval Z2")))
        0: ─RY(p[0])─●───
                     │
        1: ──────────┼─H─
                     │
        2: ──────────⊕───┤ ⟨Z⟩
    """
    packed = columns(circuit)
    ends, legend = measured(circuit)
    labels = [f"{wire}: " for wire in range(circuit.wires)]
    gutter = max(map(len, labels))
    room = width - gutter - max(map(len, ends)) - len("──┤ ")
    rendered = [_render(column, circuit.wires) for column in packed]
    runs = list(wrap([len(lines[0]) for lines in rendered], room))
    systems = []
    for run in runs:
        is_last = run is runs[-1]
        lines = [
            _line(row, labels, gutter, [rendered[i][row] for i in run], ends if is_last else ())
            for row in range(2 * circuit.wires - 1)
        ]
        systems.append("\n".join(lines))
    return "\n\n".join(filter(None, [*systems, "\n".join(legend)]))


def _line(
    row: int, labels: Sequence[str], gutter: int, cells: Sequence[str], ends: Sequence[str]
) -> str:
    wire, is_between = divmod(row, 2)
    if is_between:
        return (" " * gutter + " " + "".join(cells)).rstrip()
    end = f"┤ {ends[wire]}" if ends and ends[wire] else ""
    return f"{labels[wire].rjust(gutter)}─{''.join(cells)}{end}"


def _render(column: Column, wires: int) -> tuple[str, ...]:
    """Return a column as lines of one length: wires at even rows, the gaps between at odd ones."""
    texts = {mark.wire: _text(mark) for glyph in column for mark in glyph}
    width = max(map(len, texts.values()))
    rows = [" " * width + " " if row % 2 else "─" * (width + 1) for row in range(2 * wires - 1)]
    for glyph in column:
        for row in range(2 * glyph[0].wire + 1, 2 * glyph[-1].wire):
            rows[row] = "│".center(width) + " " if row % 2 else "┼".center(width, "─") + "─"
    for wire, text in texts.items():
        rows[2 * wire] = text.center(width, "─") + "─"
    return tuple(rows)


def _text(mark: Mark) -> str:
    if mark.kind != "box":
        return _SIGN[mark.kind]
    name = mark.name if mark.place is None else f"{mark.name}:{mark.place}"
    return f"{name}({mark.angle})" if mark.angle else name
