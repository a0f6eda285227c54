"""Circuits as pictures: plain text for a terminal, SVG, PNG and PDF for a paper."""

from hybridx.drawing.figure import draw_figure
from hybridx.drawing.svg import draw_svg
from hybridx.drawing.text import draw_text

__all__ = ["draw_figure", "draw_svg", "draw_text"]
