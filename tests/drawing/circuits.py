"""Circuits that are drawn in both ways."""

from hybridx.circuit import parse

BELL = parse("Hadamard 0; ctrl[0] RX 1 p[0]; CNOT 0 2; expval Z0; probs 1")
LAYERS = parse(
    "RY 0 0.1; RY 1 0.2; CNOT 0 1; RZ 0 0.3; RZ 1 0.4; CNOT 1 2; RX 0 0.5; RX 1 0.6; expval Z0"
)
NOISE = parse("RY 0 p[0]; channel 1 0 [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]; purity 0")
