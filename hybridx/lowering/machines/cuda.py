"""A data centre's GPU, torch in a CUDA graph; on ONNX Runtime's CUDA provider steps take longer."""

from __future__ import annotations

from typing import Final

from hybridx.lowering.machines.machine import Machine

# Products: the GEMM of 243 x 2430 numbers of the circuit W1 on 10 wires, and a matrix times a
# vector at the speed of memory. Passes: eight bytes a number, read and written. Calls and steps
# were chosen so that predictions of W1 and W2 are near the times in `docs/gpu.md`.
CUDA: Final = Machine(
    name="cuda",
    measured="NVIDIA H200, float32 without TF32, torch 2.11",
    ns_per_call=5000.0,
    ns_per_step=1300.0,
    ns_per_multiply_add=((1, 0.001), (256, 0.000258), (4096, 5.33e-05)),
    ns_per_element=0.0,
    ns_per_number=0.00192,
    far_bytes=5e7,
    far=1.0,
    near_bytes=None,
)
