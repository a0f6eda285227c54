"""Export one workload in its own process and print what the export cost.

`python -m benchmarks.exports NAME WIRES LAYERS FOLDER` writes FOLDER/model.onnx,
FOLDER/gemm.onnx and FOLDER/floor.onnx and prints one JSON object. The second file is a plain matrix
product with the largest constant factor of the first, on random rows. It shows the speed that ONNX
Runtime reaches on this machine. The third takes the inputs of the first and returns constants: it
shows what ONNX Runtime takes for no work.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch._dynamo  # torch.export imports these at its first call, which takes about a second
import torch.onnx._internal.exporter._core
from onnx import AttributeProto, TensorProto, helper, numpy_helper

import hybridx
import hybridx.capture
import hybridx.targets
from benchmarks.memory import peak, restart_peak
from benchmarks.modules import torch_model
from benchmarks.workloads import make
from hybridx.artifact import walk_nodes
from hybridx.lowering.machines.cpu import CPU


def export(name: str, wires: int, layers: int, folder: Path) -> dict[str, Any]:
    """Export a workload; return seconds, bytes and the counts of the compiler."""
    workload = make(name, wires, layers)
    model = torch_model(workload, "default.qubit")
    path = folder / "model.onnx"
    example = torch.from_numpy(workload.inputs(2))
    held = restart_peak()
    started = time.perf_counter()
    report = hybridx.export(model, (example,), path, overwrite=True)
    seconds = time.perf_counter() - started
    most = peak()
    model_file = onnx.load(path)
    scopes = _scopes(model_file)
    _write_floor(model_file, folder / "floor.onnx")
    (circuit,) = report.circuits
    cost = next(one.cost for one in circuit.candidates if one.strategy == circuit.strategy)
    return {
        "seconds": seconds,
        "bytes": report.size,
        "peak_bytes": None if held is None or most is None else most - held,
        "constant_bytes": max(
            (array.nbytes for arrays in scopes for array in arrays.values()), default=0
        ),
        "strategy": circuit.strategy,
        "nodes": circuit.nodes,
        "multiply_adds": None if cost is None else cost.multiply_adds,
        "starting": None if cost is None else 1e-9 * CPU.ns_per_step * cost.steps,
        "elementwise": None if cost is None else 1e-9 * CPU.ns_per_element * cost.elements,
        "gemm": _write_gemm(_factors(model_file, scopes), folder / "gemm.onnx"),
    }


def _scopes(model: onnx.ModelProto) -> list[dict[str, Any]]:
    """Return the constants of each function by name, also under the names of their reshapes."""
    scopes = []
    for function in model.functions:
        arrays: dict[str, Any] = {}
        for node in walk_nodes(function):
            if node.op_type == "Constant" and node.attribute[0].type == AttributeProto.TENSOR:
                arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            elif node.op_type == "Reshape" and arrays.keys() >= set(node.input):
                array, shape = (arrays[name] for name in node.input)
                arrays[node.output[0]] = array.reshape(shape)
        scopes.append(arrays)
    return scopes


def _factors(model: onnx.ModelProto, scopes: list[dict[str, Any]]) -> list[Any]:
    """Return the constants that are operands of matrix products."""
    return [
        arrays[name]
        for function, arrays in zip(model.functions, scopes, strict=True)
        for node in walk_nodes(function)
        if node.op_type == "MatMul"
        for name in node.input
        if name in arrays
    ]


def _write_gemm(factors: list[Any], path: Path) -> tuple[int, int] | None:
    """Write `x @ C` for the largest matrix C; return the shape of C, or None if there is none."""
    matrices = [array.reshape(-1, *array.shape[-2:])[0] for array in factors if array.size]
    if not matrices:
        return None
    largest = max(matrices, key=lambda matrix: matrix.size)
    rows, columns = largest.shape
    write_product(largest, path)
    return rows, columns


def write_product(matrix: Any, path: Path) -> None:
    """Write `x @ C` for a matrix C, any number of rows."""
    rows, columns = matrix.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "C"], ["y"])],
        "gemm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", columns])],
        [numpy_helper.from_array(matrix, "C")],
    )
    _save(graph, path)


def _write_floor(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph without a node: the inputs of a model, and a row of zeros for each output."""
    zeros = []
    for output in model.graph.output:
        kind = output.type.tensor_type
        shape = [axis.dim_value or 1 for axis in kind.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        zeros.append(numpy_helper.from_array(np.zeros(shape, dtype), output.name))
    outputs = [helper.make_tensor_value_info(z.name, z.data_type, z.dims) for z in zeros]
    _save(helper.make_graph([], "floor", model.graph.input, outputs, zeros), path)


def _save(graph: onnx.GraphProto, path: Path) -> None:
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("wires", type=int)
    parser.add_argument("layers", type=int)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    try:
        said = export(arguments.name, arguments.wires, arguments.layers, arguments.folder)
    except (hybridx.HybridxError, MemoryError, RuntimeError) as error:
        said = {"refused": str(error).splitlines()[0][:300]}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
