"""One core of a processor, ONNX Runtime."""

from __future__ import annotations

from typing import Final

from hybridx.lowering.machines.machine import Machine

CPU: Final = Machine(
    name="cpu",
    measured="one core with AVX-512, ONNX Runtime 1.31, bodies of 4 to 10 wires",
    ns_per_call=6000.0,
    ns_per_step=400.0,
    ns_per_multiply_add=((1, 0.04), (256, 0.014)),  # a matrix times a vector waits for memory
    ns_per_element=2.0,
    ns_per_number=0.0,
    far_bytes=4e6,
    far=1.35,
    near_bytes=2**18,
)
