"""Circuits that are drawn in both ways."""

from hybridx.circuit import parse

BELL = parse("Hadamard 0; ctrl[0] RX 1 p[0]; CNOT 0 2; expval Z0; probs 1")
NOISE = parse("RY 0 p[0]; channel 1 0 [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]; purity 0")
