"""Graphs as pictures: boxes do not overlap, and values go down beside them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from hybridx.artifact import Block, Outline
from hybridx.drawing import draw_graph
from hybridx.drawing.graph import graph_scene
from hybridx.drawing.scene import Box, Line


@st.composite
def outlines(draw):
    count = draw(st.integers(2, 14))
    kinds = st.sampled_from(["classical", "circuit"])
    blocks = [
        Block(draw(kinds), draw(st.text(max_size=9)), ("two wires",) * draw(st.integers(1, 4)))
        for _ in range(count)
    ]
    blocks[0] = Block("input", "x", ("float32",))
    blocks[-1] = Block("output", "y", ("float32",))
    edges = {(draw(st.integers(0, end - 1)), end) for end in range(1, count) for _ in range(2)}
    return Outline(tuple(blocks), tuple(sorted(edges)))


def goes_through(line, box):
    """Whether a line has points inside a box."""
    top, bottom = box.y - box.height / 2 + 1e-6, box.y + box.height / 2 - 1e-6
    down = line.to_y - line.y
    if not down:
        return top < line.y < bottom
    inside = [max(0.0, (top - line.y) / down), min(1.0, (bottom - line.y) / down)]
    x = [line.x + share * (line.to_x - line.x) - box.x for share in inside]
    return inside[0] < inside[1] and min(map(abs, x)) < box.width / 2


@settings(max_examples=60, deadline=None)
@given(outlines())
def test_boxes_are_inside_and_apart_and_values_go_down_beside_them(outline):
    drawn = graph_scene(outline)
    boxes = [shape for shape in drawn.shapes if isinstance(shape, Box)]
    assert len(boxes) == len(outline.blocks)
    for box in boxes:
        assert box.width / 2 < box.x < drawn.width - box.width / 2
        assert box.height / 2 < box.y < drawn.height - box.height / 2
    for one, other in combinations(boxes, 2):
        across = abs(one.x - other.x) - (one.width + other.width) / 2
        down = abs(one.y - other.y) - (one.height + other.height) / 2
        assert across > 0 or down > 0
    for line in drawn.shapes:
        if isinstance(line, Line):
            assert line.to_y >= line.y
            assert not any(goes_through(line, box) for box in boxes)


def test_the_picture_is_svg_and_its_names_are_texts():
    block = Block("circuit", "</text><script>", ("a" * 80,))
    outline = Outline((Block("input", "x", ("y",)), block), ((0, 1),))
    svg = ET.fromstring(draw_graph(outline))
    assert {one.tag.rpartition("}")[2] for one in svg.iter()} <= {
        "svg", "title", "rect", "line", "text", "tspan",
    }  # fmt: skip
    texts = ["".join(one.itertext()) for one in svg.iter() if one.tag.endswith("text")]
    assert texts[2] == "</text><script>"
    assert len(texts[3]) == 36  # a long text without its middle
    assert draw_graph(outline) == draw_graph(outline)


def test_the_title_of_several_blocks_stands_in_two_lines():
    outline = Outline((Block("circuit", "/q/0 … /q/11", ("2 wires",)),), ())
    svg = ET.fromstring(draw_graph(outline))
    texts = ["".join(one.itertext()) for one in svg.iter() if one.tag.endswith("text")]
    assert texts == ["/q/0 …", "/q/11", "2 wires"]


def test_blocks_are_ordered_so_that_links_do_not_cross():
    blocks = [Block("classical", str(index), ()) for index in range(7)]
    edges = ((0, 1), (0, 2), (1, 4), (2, 3), (3, 6), (4, 5))
    drawn = graph_scene(Outline(tuple(blocks), edges))
    x = [shape.x for shape in drawn.shapes if isinstance(shape, Box)]
    # Boxes are drawn by rows: 0, then 1 and 2, then those below them.
    assert x[0] == (x[1] + x[2]) / 2
    assert x[1:3] == x[3:5] == x[5:7]
