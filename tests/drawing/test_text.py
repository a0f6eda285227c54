"""Circuits as text: what the lines show."""

from __future__ import annotations

from hypothesis import given, settings

from hybridx.circuit import Apply
from hybridx.drawing import draw_text
from tests.circuits import circuits, entropies, noisy
from tests.drawing.circuits import BELL, NOISE


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
    assert "ℰ:0" in draw_text(NOISE)


def test_a_wide_circuit_continues_below():
    lines = draw_text(BELL, width=14).splitlines()
    assert sum(line.startswith("0: ") for line in lines) == 3
    assert sum("⟨Z⟩" in line for line in lines) == 1
    assert draw_text(BELL).count("0: ") == 1


@settings(max_examples=50)
@given(circuits() | noisy() | circuits(measured=entropies))
def test_any_circuit_has_a_text_with_lines_of_one_picture(circuit):
    text = draw_text(circuit)
    assert text.count("0: ") >= 1
    letters = sum(isinstance(op, Apply) for op in circuit.operations)
    assert len(text) > letters
