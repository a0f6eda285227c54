"""Every law of a circuit, each broken once."""

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hybridx.circuit import Circuit, check, faults, parse
from hybridx.errors import IllFormedCircuitError

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "circuit.md"
LAWS = ROOT / "hybridx" / "circuit" / "check.py"
GOOD = "RX 0 p[0]; ctrl[1] RY 0 0.5; expval Z0@X1"


def test_a_good_circuit_has_no_faults():
    assert list(faults(parse(GOOD))) == []
    assert check(parse(GOOD)) == parse(GOOD)


@pytest.mark.parametrize(
    ("law", "text"),
    [
        ("I3", "Nonsense 0; expval Z0"),
        ("I4", "CNOT 0; expval Z0"),
        ("I5", "CNOT 0 0; expval Z0"),
        ("I5", "ctrl[0] RX 0 0.1; expval Z0"),
        ("I5", "wires 2; CNOT 0 5; expval Z0"),
        ("I5", "expval Z0@X0"),
        ("I7", "RX 0; expval Z0"),
        ("I7", "PauliX 0 0.3; expval Z0"),
        ("I7", "PauliX 0 p[0]; expval Z0"),
        ("I7", "parameters 1; RX 0 p[3]; expval Z0"),
        ("I8", "RX 0 0.1"),
        ("I10", "expval Z0; shots 0"),
        ("I11", "channel 0 [1, 0, 0]; expval Z0"),
        ("I11", "channel 0 [1, 0, 0, 1] + i[0, 0]; expval Z0"),
        ("I12", "channel 0 [1, 0, 0, 1]; prepare 0 [1, 0]; expval Z0"),
        ("I13", "channel 0 [1, 0, 0, 1, 0, 0.1, 0, 0]; expval Z0"),
        ("I13", "channel 0 [1, 0, 0, 1e308]; expval Z0"),
        ("I13", f"channel 0 1 2 3 4 [{', '.join(['1'] * 1024)}]; expval Z0"),
        ("I13", f"channel 0 [{', '.join(['0'] * 4 * 257)}]; expval Z0"),
        ("I5", "mutual 0 1 | 1; expval Z0"),
        ("I9", "mutual 0 | ; expval Z0"),
        ("I15", "entropy 0 base 1.0"),
        ("I15", "entropy 0 base 0.0"),
        ("I15", "wires 8; entropy 0 1 2 3"),
        ("I15", "wires 4; channel 0 [1, 0, 0, 1]; entropy 0 1 2 3"),
        ("I14", "channel 0 [1, 0, 0, 1]; state"),
    ],
)
def test_a_broken_law_is_named(law, text):
    circuit = parse(text)
    assert any(f"{law}:" in fault for fault in faults(circuit)), list(faults(circuit))
    with pytest.raises(IllFormedCircuitError):
        check(circuit)


@pytest.mark.parametrize(
    ("law", "change"),
    [
        ("I1", {"wires": 0}),
        ("I2", {"parameters": -1}),
    ],
)
def test_counts_are_sane(law, change):
    broken = msgspec.structs.replace(parse("expval I"), **change)
    assert any(f"{law}:" in fault for fault in faults(broken))


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_numbers_are_finite(number):
    text = f"RX 0 {number}; expval Z0"
    assert any("I7:" in fault for fault in faults(parse(text)))


def test_all_wires_of_a_state_have_an_entropy():
    assert list(faults(parse("wires 7; entropy 0 1 2 3; mutual 0 1 2 3 | 4 5 6"))) == []


def test_kraus_operators_from_float32_are_complete():
    kept, lost = np.sqrt(np.float32([0.9, 0.1])).tolist()
    text = f"channel 0 [{kept}, 0, 0, {kept}, 0, {lost}, {lost}, 0]; expval Z0"
    assert list(faults(parse(text))) == []


def test_all_faults_are_collected():
    circuit = parse("Nonsense 0; RX 0; expval Z0; shots 0")
    assert len(list(faults(circuit))) == 3


def test_controls_have_values():
    circuit = parse("ctrl[1] RX 0 0.1; expval Z0")
    unpaired = msgspec.structs.replace(circuit.operations[0], control_values=())
    broken = Circuit(2, 0, (unpaired,), circuit.measurements)
    assert any("I6:" in fault for fault in faults(broken))


def test_the_document_numbers_the_laws():
    listed = re.findall(r"^\| (I\d+) \|", DOCUMENT.read_text(), re.MULTILINE)
    cited = set(re.findall(r"\bI\d+(?=:)", LAWS.read_text()))
    assert listed == [f"I{number}" for number in range(1, len(cited) + 1)]
    assert set(listed) == cited
