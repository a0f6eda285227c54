"""Circuits as SVG: equal circuits are equal bytes."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hybridx.circuit import parse
from hybridx.drawing import draw_svg
from tests.drawing.circuits import BELL, NOISE


def test_the_picture_is_svg_and_repeats():
    first, second = draw_svg(BELL), draw_svg(BELL)
    assert first == second
    assert ET.fromstring(first).tag.endswith("svg")
    assert b"<dc:date>" not in first
    assert draw_svg(parse("Hadamard 0; expval Z0")) != first


def test_noise_is_drawn():
    assert ET.fromstring(draw_svg(NOISE)).tag.endswith("svg")
