"""Circuits as pictures: plain text for a terminal, SVG for a paper."""

from hybridx.drawing.svg import draw_svg
from hybridx.drawing.text import draw_text

__all__ = ["draw_svg", "draw_text"]
