"""What it costs to take whole turns from angles: bodies with and without it, timed in turns.

`python -m benchmarks.wrapping` lowers circuits of the workloads as an export does, and prints for
each batch size the median time of a call on one thread of ONNX Runtime, the same without the wraps
of the program (`hybridx/program/wrapping.py`), and the ratio. Without them large angles are wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper

import hybridx
from benchmarks.modules import torch_model
from benchmarks.workloads import Workload, make
from hybridx.circuit import Circuit, parse
from hybridx.lowering import choose
from hybridx.passes import run_passes
from hybridx.program import Program, Wrap
from hybridx.program.to_onnx import emit_body
from hybridx.timing import percentile, side_by_side

CELLS = (("W1", 4, 3), ("W1", 8, 3), ("W2", 8, 1), ("W4", 6, 3), ("W5", 12, 2))
BATCHES = (1, 32, 256)


def circuit_of(workload: Workload) -> Circuit:
    """Return the circuit of a workload, as captured."""
    model = torch_model(workload, "default.qubit")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        example = torch.from_numpy(workload.inputs(2))
        (circuit,) = hybridx.export(model, (example,), path, verify=False).circuits
    return parse(circuit.text)


def unwrapped(program: Program) -> Program:
    """Return a program whose columns stay as they are."""

    def changed(step: Any) -> Any:
        if not isinstance(step, Wrap):
            return step
        return dataclasses.replace(step, columns=tuple((column, 0.0) for column, _ in step.columns))

    return dataclasses.replace(program, steps=tuple(map(changed, program.steps)))


def session_of(program: Program) -> onnxruntime.InferenceSession:
    """Return a session of a program in float32."""
    nodes = emit_body(program, dtype=np.dtype(np.float32), parameters="x", results="y")
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
        for name, shape in (("x", program.shapes[0]), ("y", program.shapes[-1]))
    ]
    graph = helper.make_graph(nodes, "body", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each call")
    args = parser.parse_args()
    for name, wires, layers in CELLS:
        choice = choose(run_passes(circuit_of(make(name, wires, layers))))
        program = choice.plan.build()
        wrapped, plain = session_of(program), session_of(unwrapped(program))
        for batch in BATCHES:
            rows = np.random.default_rng(0).standard_normal((batch, program.shapes[0][1] or 0))
            feed = {"x": rows.astype(np.float32)}
            calls = {
                "wrapped": partial(wrapped.run, None, feed),
                "plain": partial(plain.run, None, feed),
            }
            taken = side_by_side(calls, seconds=args.seconds, clock=time.perf_counter)
            one, other = (percentile(taken[call], 50) for call in ("wrapped", "plain"))
            print(
                f"{name} {wires:2} wires batch {batch:3}  {choice.strategy:12} "
                f"{1e6 * one:8.1f} us, without {1e6 * other:8.1f} us, ratio {one / other:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
