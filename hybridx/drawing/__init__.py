"""Pictures: circuits as plain text, SVG, PNG and PDF, graphs, and curves of timings."""

from hybridx.drawing.curves import draw_curves
from hybridx.drawing.figure import draw_figure
from hybridx.drawing.graph import draw_graph
from hybridx.drawing.svg import draw_svg
from hybridx.drawing.text import draw_text

__all__ = ["draw_curves", "draw_figure", "draw_graph", "draw_svg", "draw_text"]
