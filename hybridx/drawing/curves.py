"""Curves in a picture with two logarithmic axes, drawn by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from hybridx.errors import MissingExtraError


def draw_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    format: Literal["svg", "png", "pdf"],
    *,
    title: str,
    x: str,
    y: str,
) -> bytes:
    """Return a picture of curves through points, the same bytes for the same points.

    Args:
        curves: points by the name of the curve; their coordinates are larger than 0.
        format: of the picture.
        title: above it.
        x: the label of the horizontal axis.
        y: the label of the vertical axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a picture of timings", "matplotlib", "draw") from error
    content = io.BytesIO()
    style: dict[Any, Any] = {"svg.hashsalt": "hybridx", "svg.fonttype": "none"}
    with mpl.rc_context(style):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.add_subplot(xscale="log", yscale="log", title=title, xlabel=x, ylabel=y)
        for name, points in curves.items():
            axes.plot(*zip(*points, strict=True), marker="o", label=name)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(format, {})
        figure.savefig(content, format=format, dpi=200, metadata={**undated, "Creator": None})
    return content.getvalue()
