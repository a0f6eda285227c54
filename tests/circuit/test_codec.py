"""The JSON of a circuit is the circuit, and other JSON is refused."""

import json

import pytest
from hypothesis import given, settings

from hybridx.circuit import decode, encode, parse, underived
from hybridx.errors import BeyondReadingError, IllFormedCircuitError, TooLargeError
from tests.circuits import circuits, entropies, noisy


@settings(max_examples=200)
@given(circuits() | noisy() | circuits(measured=entropies))
def test_a_circuit_comes_back_from_its_json(circuit):
    assert decode(encode(circuit)) == circuit


def document():
    return json.loads(encode(parse("RX 0 p[0]; CNOT 0 1; expval Z0; expval X1")))


def test_the_document_says_where_results_lie():
    assert document()["results"] == [{"offset": 0, "shape": []}, {"offset": 1, "shape": []}]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format=2),
        lambda d: d["circuit"].update(derivative=1),
        lambda d: d.update(derivative=1),
        lambda d: d.update(derivative=0),
        lambda d: d.update(format=2, derivative=1),  # its results are others
        lambda d: d.update(format=2, derivative=0),
        lambda d: d.update(format=2, derivative=-1),
        lambda d: d.update(format=2, derivative=None),
        lambda d: d.update(format=3),
        lambda d: d.update(extra=1),
        lambda d: d.pop("circuit"),
        lambda d: d["circuit"].update(wires="two"),
        lambda d: d["circuit"].update(note="hello"),
        lambda d: d["circuit"]["operations"][0].update(type="exec"),
        lambda d: d["circuit"]["operations"][0].update(gate="__import__"),
        lambda d: d["circuit"]["operations"][0].update(angle=None),
        lambda d: d["circuit"]["operations"][0].update(wires=[7]),
        lambda d: d["results"].pop(),
        lambda d: d["results"][0].update(offset=1),
    ],
)
def test_a_changed_document_is_refused(change):
    changed = document()
    change(changed)
    with pytest.raises(IllFormedCircuitError):
        decode(json.dumps(changed))


def test_a_derivative_has_a_format_of_its_own_and_says_its_blocks():
    circuit = parse("derivative 2; RX 0 p[0]; RY 1 p[1]; expval Z0")
    text = encode(circuit)
    assert decode(text) == circuit
    found = json.loads(text)
    assert found["format"] == 2
    assert found["results"] == [{"offset": 0, "shape": [2]}, {"offset": 2, "shape": [1]}]
    assert found["derivative"] == 2
    assert found["circuit"] == json.loads(encode(underived(circuit)))["circuit"]
    with pytest.raises(IllFormedCircuitError, match="if its format is 2, and only then"):
        decode(json.dumps(found | {"format": 1}))


@pytest.mark.parametrize("times", [50, 10**30])
def test_a_crafted_order_is_refused_before_anything_is_counted(times):
    changed = document() | {"format": 2, "derivative": times}
    with pytest.raises((BeyondReadingError, IllFormedCircuitError)):
        decode(json.dumps(changed))


def test_an_entropy_is_not_differentiated():
    with pytest.raises(IllFormedCircuitError, match="I16"):
        encode(parse("derivative 1; RX 0 p[0]; CNOT 0 1; entropy 0"))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "NaN", "[" * 100_000, '{"format": 1}'])
def test_foreign_text_is_refused(text):
    with pytest.raises((IllFormedCircuitError, TooLargeError, BeyondReadingError)):
        decode(text)


def test_nan_cannot_be_written():
    with pytest.raises(IllFormedCircuitError):
        encode(parse("RX 0 nan; expval Z0"))
