"""The text of a circuit is the circuit, and the document shows what can be written."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings

from hybridx.circuit import parse, show
from tests.circuits import circuits, entropies, noisy

DOCUMENT = Path(__file__).parents[2] / "docs" / "circuit.md"
FORM = DOCUMENT.read_text().partition("## The text form")[2].partition("\n## ")[0]
# A statement, and behind three spaces or more what it means.
STATEMENTS = [line.split("   ")[0] for line in re.findall(r"^    (\S.*)$", FORM, re.MULTILINE)]


@settings(max_examples=200)
@given(circuits() | noisy() | circuits(measured=entropies))
def test_a_circuit_comes_back_from_its_text(circuit):
    assert parse(show(circuit)) == circuit


@pytest.mark.parametrize("text", STATEMENTS)
def test_the_document_shows_statements_that_are_read(text):
    circuit = parse(text)
    assert parse(show(circuit)) == circuit
    # Numbers may be written without a fraction, and are shown with one.
    assert whole_numbers(show(circuit)).endswith(whole_numbers(text))


def whole_numbers(text):
    return re.sub(r"\b(\d+)\.0\b", r"\1", text)


def test_every_statement_of_the_document_is_found():
    assert len(STATEMENTS) == 18
    words = {re.split(r"[ \[;]", text)[0] for text in STATEMENTS}
    measured = {"expval", "var", "probs", "state", "entropy", "mutual", "shots"}
    assert measured | {"adj", "ctrl", "unitary", "prepare", "channel"} <= words


@pytest.mark.parametrize("text", ["RX", "RX a", "expval Q0", "RX 0 p[0"])
def test_text_that_is_no_statement_is_refused(text):
    with pytest.raises(ValueError, match=r"\S"):
        parse(text)
