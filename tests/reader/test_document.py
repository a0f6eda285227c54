"""The page of the file format has what a reader needs: its gate table is that of hybridx."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hybridx.circuit import GATES
from tests.fresh_machine import ROOT
from tests.tolerances import EXACT

PAGE = (ROOT / "docs" / "file-format.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| `(\w+)` \| (\d) \| ([\d, ]*) \| (?:`(.*)`)? \| `(.*)` \|")
ROWS = {name: rest for name, *rest in ROW.findall(PAGE)}


def numbers(text, theta):
    """Return a formula of the page as an array."""
    names = {"i": 1j, "c": np.cos(theta / 2), "s": np.sin(theta / 2), "r": np.sqrt(0.5)}
    names |= {"h": np.exp(0.5j * theta), "e": np.exp(1j * theta)}
    return np.array(eval(text, {"__builtins__": {}}, names), np.complex128)


def test_it_has_every_gate():
    assert [*ROWS] == [*GATES]


@pytest.mark.parametrize("gate", GATES.values(), ids=lambda gate: gate.name)
def test_a_gate_has_the_matrix_of_its_row(gate):
    wires, states, block, others = ROWS[gate.name]
    chosen = [int(state) for state in states.split(",") if state.strip()]
    assert int(wires) == gate.wires
    assert gate.takes_angle == bool(re.search(r"\b[cshe]\b", block + others))
    for theta in (0.0, 0.7, -2.9, 11.0):
        matrix = numbers(others, theta) * np.eye(2**gate.wires, dtype=np.complex128)
        if chosen:
            matrix[np.ix_(chosen, chosen)] = numbers(block, theta)
        expected = gate.matrix(theta if gate.takes_angle else None)
        np.testing.assert_allclose(matrix, expected, rtol=0, atol=EXACT)
