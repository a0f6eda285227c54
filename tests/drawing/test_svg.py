"""Circuits as pictures: equal circuits are equal bytes, and every name is only text."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridx.circuit import parse
from hybridx.drawing import draw_figure, draw_svg
from hybridx.drawing.layout import balanced, wrap
from hybridx.drawing.scene import Box, Label, scene
from tests.circuits import circuits, entropies, noisy
from tests.drawing.circuits import BELL, LAYERS, NOISE


def texts(svg):
    return [
        "".join(one.itertext()) for one in ET.fromstring(svg).iter() if one.tag.endswith("text")
    ]


def test_the_picture_is_svg_and_repeats():
    first, second = draw_svg(BELL), draw_svg(BELL)
    assert first == second
    assert ET.fromstring(first).tag.endswith("svg")
    assert draw_svg(parse("Hadamard 0; expval Z0")) != first


def test_the_picture_shows_gates_angles_and_measurements():
    shown = texts(draw_svg(BELL, "net.0"))
    assert shown[0] == "net.0"
    assert {"H", "RX", "p0", "⟨Z⟩", "M1", "M1 = probs 1"} <= set(shown)


@pytest.mark.parametrize("circuit", [BELL, LAYERS, NOISE])
def test_boxes_that_stand_under_each_other_are_equal(circuit):
    boxes = [shape for shape in scene(circuit).shapes if isinstance(shape, Box)]
    assert len(boxes) > 1
    assert len({(box.width, box.height) for box in boxes}) == 1


def test_a_layer_starts_in_one_column():
    places = {}
    labels = [shape for shape in scene(LAYERS).shapes if isinstance(shape, Label)]
    for label in labels:
        places.setdefault("".join(run.text for run in label.runs), set()).add(label.x)
    assert [len(places[name]) for name in ("RY", "RZ", "RX")] == [1, 1, 1]


def test_the_wires_of_a_gate_whose_order_matters_are_numbered():
    shown = texts(draw_svg(parse("SingleExcitation 2 0 0.2; expval Z0")))
    first, second = (index for index, text in enumerate(shown) if text == "G")
    assert [shown[first + 2], shown[second + 2]] == ["1", "0"]
    assert shown[-1] == "G = SingleExcitation"


def test_notes_stand_below_and_are_words_of_the_user():
    svg = draw_svg(BELL, "net.0", ["p[0] = Gemm head_a, x_1"])
    assert texts(svg)[-1] == "p0 = Gemm head_a, x_1"
    assert b"Gemm head_a, x_1</tspan>" in svg


@given(st.lists(st.floats(1.0, 9.0), min_size=1, max_size=30))
def test_systems_are_as_few_as_can_be_and_none_is_much_shorter(widths):
    fewest, found = list(wrap(widths, 20)), balanced(widths, 20)
    assert len(found) == len(fewest)
    assert [index for system in found for index in system] == [*range(len(widths))]
    sizes = [sum(widths[index] for index in system) for system in found]
    assert max(sizes) <= 20
    assert max(sizes) <= max(sum(widths[index] for index in system) for system in fewest)


@given(st.text())
@settings(max_examples=50)
def test_a_title_is_only_text(title):
    svg = ET.fromstring(draw_svg(BELL, title))
    assert {one.tag.rpartition("}")[2] for one in svg.iter()} <= {
        "svg", "title", "rect", "line", "circle", "text", "tspan",
    }  # fmt: skip


@settings(max_examples=50)
@given(circuits() | noisy() | circuits(measured=entropies))
def test_any_circuit_is_inside_its_picture(circuit):
    picture = scene(circuit)
    for shape in picture.shapes:
        assert 0 <= shape.x <= picture.width
        assert 0 <= shape.y <= picture.height
    assert ET.fromstring(draw_svg(circuit)).tag.endswith("svg")


@pytest.mark.parametrize(("format", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_figure_repeats(format, start):
    pytest.importorskip("matplotlib")
    first = draw_figure(NOISE, format, "a $title")
    assert first.startswith(start)
    assert draw_figure(NOISE, format, "a $title") == first
