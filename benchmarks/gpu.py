"""Measure a dozen cells on a GPU: `python -m benchmarks.gpu`.

For each cell: the lowered model recorded as a CUDA graph, the module itself, its TorchScript file,
its ONNX file on the CUDA provider, the same circuit in PennyLane jitted by JAX, and a floor, a CUDA
graph of as many launches that do nothing. All are compared with PennyLane in float64 on the CPU,
and take turns. float32 without TF32. JAX and ONNX Runtime are measured where this environment has
them for the GPU. `--device cpu` tries the script without a GPU: nothing is recorded then.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

import hybridx
from benchmarks.machine import Call, Torch, in_turns
from benchmarks.modules import torch_model
from benchmarks.peers.serve import Task
from benchmarks.records import Cell
from benchmarks.reference import evaluate
from benchmarks.tables import figure, grid
from benchmarks.targets import AT_FLOOR, WON
from benchmarks.workloads import WORKLOADS, Array, Workload, make

CELLS = tuple(
    Cell(name, wires, WORKLOADS[name].layers, batch, 1)
    for name, wires, batch in (
        *(("W1", wires, 256) for wires in (4, 10, 14, 16)),
        *(("W1", wires, 4096) for wires in (4, 10, 12, 14)),
        *(("W2", wires, 4096) for wires in (8, 12)),
        *(("W3", wires, 4096) for wires in (8, 12)),
        *(("W4", wires, 4096) for wires in (8, 12)),
    )
)
CHECKED = 64  # rows that are compared
CUDA_PROVIDER = "CUDAExecutionProvider"
GRAPH, MODULE, SCRIPT, FILE, JAX, FLOOR = "graph", "module", ".pt", ".onnx", "JAX", "floor"
VIEWS = {f"aten::{name}" for name in ("detach", "permute", "reshape", "slice", "sym_size")}
ROUNDS, SECONDS = 7, 0.1  # rounds of so many seconds


def contenders(
    workload: Workload, rows: Array, device: torch.device, folder: Path
) -> Iterator[tuple[str, Call, Callable[[Any], Array]]]:
    """Yield the name of each form, a call that ends when its results are there, and its results."""
    model = torch_model(workload, "default.qubit")
    example = torch.from_numpy(workload.inputs(2))
    x = torch.from_numpy(rows).to(device)
    lowered = hybridx.lower(model, (example,), machine="cuda", verify=False).to(device)

    def waiting(run: Call) -> Call:
        def call() -> Any:
            with torch.no_grad():
                result = run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            return result

        return call

    def array(result: torch.Tensor) -> Array:
        return result.cpu().numpy()

    if device.type == "cuda":
        graphed = lowered.graphed(x)
        yield GRAPH, waiting(lambda: graphed(x)), array
    yield MODULE, waiting(lambda: lowered(x)), array
    path = folder / "model.pt"
    hybridx.export(model, (example,), path, machine="cuda", verify=False, overwrite=True)
    script = torch.jit.load(path, map_location=device)
    yield SCRIPT, waiting(lambda: script(x)), array
    if device.type != "cuda" or CUDA_PROVIDER in onnxruntime.get_available_providers():
        yield FILE, *_session(model, example, x, device, folder)
    if find_spec("jax") is not None:
        from benchmarks.peers.jax.peer import prepare

        yield JAX, prepare(Task(workload, rows, path)), np.asarray
    floor = Torch(device).chain("multiply", launches(lowered), 1, 1)
    yield FLOOR, floor, lambda _: np.empty(0)


def launches(lowered: hybridx.Lowered) -> int:
    """Return how many operators of the circuits of a model are kernels, at least."""
    return sum(
        node.op == "call_function" and node.target.name().partition(".")[0] not in VIEWS
        for body in lowered.graph.children()
        for node in body.graph.nodes
    )


def _session(
    model: torch.nn.Module,
    example: torch.Tensor,
    x: torch.Tensor,
    device: torch.device,
    folder: Path,
) -> tuple[Call, Callable[[Any], Array]]:
    """Return a call of the ONNX file with inputs and outputs on the device, and its results."""
    path = folder / "model.onnx"
    hybridx.export(model, (example,), path, machine="cuda", verify=False, overwrite=True)
    providers = [(CUDA_PROVIDER, {"use_tf32": 0})] if device.type == "cuda" else []
    session = onnxruntime.InferenceSession(path, providers=[*providers, "CPUExecutionProvider"])
    binding, kind = session.io_binding(), device.type
    given = onnxruntime.OrtValue.ortvalue_from_numpy(x.cpu().numpy(), kind, device.index or 0)
    binding.bind_ortvalue_input(session.get_inputs()[0].name, given)
    binding.bind_output(session.get_outputs()[0].name, kind)

    def call() -> Any:
        session.run_with_iobinding(binding)
        return binding

    return call, lambda bound: bound.copy_outputs_to_cpu()[0]


def measure(cell: Cell, device: torch.device, seconds: float = SECONDS) -> dict[str, Any]:
    """Return the milliseconds of a call of each form, and the largest error of each."""
    workload = make(cell.workload, cell.wires, cell.layers)
    rows = workload.inputs(cell.batch)
    expected = evaluate(workload, rows[:CHECKED])
    calls: dict[str, Call] = {}
    errors: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, call, array in contenders(workload, rows, device, Path(folder)):
            calls[name] = call
            if name != FLOOR:
                found = array(call()).reshape(len(rows), -1)[:CHECKED]
                errors[name] = float(np.abs(found - expected).max())
        # TorchScript compiles at its second call and again at its third.
        for call in calls.values():
            call()
            call()
        times = in_turns(calls, time.perf_counter, ROUNDS, seconds)
    return {"ms": {name: 1e-6 * ns for name, ns in times.items()}, "errors": errors}


def row(cell: Cell, measured: dict[str, Any]) -> tuple[str, ...]:
    """Return a line of the table."""
    times = measured["ms"]
    ours = times.get(GRAPH, times[MODULE])
    ratio = times[JAX] / ours if JAX in times else None
    is_at_floor = ours <= AT_FLOOR * times[FLOOR]
    won = "floor" if is_at_floor else "–" if ratio is None else "no"
    return (
        cell.workload,
        str(cell.wires),
        str(cell.batch),
        *(figure(times.get(name)) for name in (GRAPH, MODULE, SCRIPT, FILE, JAX, FLOOR)),
        figure(ratio),
        f"{WON:.0f} times" if ratio is not None and ratio >= WON else won,
        f"{max(measured['errors'].values()):.1e}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--cells", type=int, default=len(CELLS), help="only the first so many")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device here")
    device = torch.device(arguments.device, 0)
    card = torch.cuda.get_device_name() if device.type == "cuda" else "no GPU"
    print(f"{card}, torch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}; ms a call\n")
    rows = [row(cell, measure(cell, device)) for cell in CELLS[: arguments.cells]]
    forms = (GRAPH, MODULE, SCRIPT, FILE, JAX, FLOOR)
    print(grid(("", "wires", "batch", *forms, "JAX/ours", "won", "worst error"), rows))


if __name__ == "__main__":
    main()
