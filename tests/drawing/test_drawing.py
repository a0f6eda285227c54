"""Pictures of circuits: what stands in them, and that they repeat."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings

from hybridx import api
from hybridx.circuit import Apply, parse
from hybridx.drawing import draw_svg, draw_text
from hybridx.errors import OutputExistsError
from tests.circuits import circuits, entropies, noisy
from tests.runtime.models import MIX, TURN, build

BELL = parse("Hadamard 0; ctrl[0] RX 1 p[0]; CNOT 0 2; expval Z0; probs 1")


def test_the_text_shows_every_wire_and_gate():
    lines = draw_text(BELL).splitlines()
    wires = [line for line in lines if line[:2] in ("0:", "1:", "2:")]
    assert len(wires) == 3
    assert "H" in wires[0]
    assert wires[0].count("●") == 2
    assert "RX(p[0])" in wires[1]
    assert "⊕" in wires[2]
    assert "⟨Z⟩" in wires[0]


def test_noise_is_drawn():
    circuit = parse(
        "RY 0 p[0]; channel 1 0 [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]; purity 0"
    )
    assert "ℰ:0" in draw_text(circuit)
    assert draw_svg(circuit)


@settings(max_examples=50)
@given(circuits() | noisy() | circuits(measured=entropies))
def test_any_circuit_has_a_text_with_lines_of_one_picture(circuit):
    text = draw_text(circuit)
    assert text.count("0: ") >= 1
    letters = sum(isinstance(op, Apply) for op in circuit.operations)
    assert len(text) > letters


def test_the_picture_is_svg_and_repeats():
    first, second = draw_svg(BELL), draw_svg(BELL)
    assert first == second
    assert ET.fromstring(first).tag.endswith("svg")
    assert b"<dc:date>" not in first
    assert draw_svg(parse("Hadamard 0; expval Z0")) != first


@pytest.fixture
def model(tmp_path):
    """A file with two circuits."""
    nodes = [(TURN, ("x",), "turned"), (MIX, ("turned",), "y")]
    path = tmp_path / "model.onnx"
    path.write_bytes(build(nodes, [("y", ["batch", 2])]).content)
    return path


def test_several_circuits_are_several_pictures(model):
    written = api.draw(model, model.with_name("c.svg"))
    assert [name.rpartition("/")[2] for name in written] == ["c_0.svg", "c_1.svg"]
    assert all(model.with_name(f"c_{index}.svg").read_bytes() for index in (0, 1))


def test_pictures_are_not_overwritten(model):
    model.with_name("c_1.svg").write_text("precious")
    with pytest.raises(OutputExistsError):
        api.draw(model, model.with_name("c.svg"))
    assert model.with_name("c_1.svg").read_text() == "precious"
    assert not model.with_name("c_0.svg").exists()
    assert len(api.draw(model, model.with_name("c.svg"), overwrite=True)) == 2


def test_circuits_are_printed_as_qasm(model):
    programs = api.qasm(model)
    assert len(programs) == 2
    assert all(text.startswith("OPENQASM 3.0;") for text in programs.values())
