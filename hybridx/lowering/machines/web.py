"""A browser, onnxruntime-web: WebAssembly on one thread."""

from __future__ import annotations

from typing import Final

from hybridx.lowering.machines.machine import Machine

WEB: Final = Machine(
    name="web",
    measured="not measured: the times of `cpu`, with steps and products that take longer",
    ns_per_call=30_000.0,
    ns_per_step=2000.0,
    ns_per_multiply_add=((1, 0.1), (256, 0.06)),
    ns_per_element=4.0,
    ns_per_number=0.0,
    far_bytes=4e6,
    far=1.35,
    near_bytes=None,
)
