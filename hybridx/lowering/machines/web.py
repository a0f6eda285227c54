"""A browser: onnxruntime-web."""

from __future__ import annotations

from typing import Final

from hybridx.lowering.machines.machine import Machine

# Products: the GEMM of 243 x 2430 numbers of the circuit W1 on 10 wires. WebGPU was not measured.
WEB: Final = Machine(
    name="web",
    measured="onnxruntime-web 1.30, WebAssembly with SIMD on one thread, in Node.js",
    ns_per_call=7000.0,
    ns_per_step=300.0,
    ns_per_multiply_add=((1, 0.07), (16, 0.055), (256, 0.15)),
    ns_per_element=4.0,
    ns_per_number=0.0,
    far_bytes=4e6,
    far=1.0,
    near_bytes=None,
    lacks=frozenset({"Max", "Round", "Sign"}),  # WebGPU
)
