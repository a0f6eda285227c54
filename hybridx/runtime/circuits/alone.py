"""The circuits of a file, and one compiled circuit as a model of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from hybridx.artifact import (
    DOMAIN,
    PARAMETERS,
    RESULTS,
    Artifact,
    CircuitCall,
    OnnxArtifact,
    TorchArtifact,
    split,
)
from hybridx.runtime.onnx import run, start
from hybridx.storage import Array


@dataclass(frozen=True)
class CompiledCircuit:
    """A compiled circuit of a file.

    Attributes:
        circuit: its name.
        dtype: of its parameters and results.
        place: which of the compiled bodies of the circuit it is, in an archive of torch.
    """

    circuit: str
    dtype: np.dtype
    place: int = 0


def compiled_circuits(artifact: Artifact) -> Sequence[CompiledCircuit]:
    """Return the compiled circuits of a file; of an old archive of torch they are not known."""
    if isinstance(artifact, TorchArtifact):
        return [
            CompiledCircuit(name, np.dtype(body.dtype), place)
            for name, bodies in artifact.bodies.items()
            for place, body in enumerate(bodies)
        ]
    bodies = {function.name for function in artifact.model.functions}
    dtypes = {call.function: call.dtype for call in circuit_calls(artifact)}
    return [
        CompiledCircuit(name, dtypes[name])
        for name in artifact.circuits
        if name in bodies and name in dtypes
    ]


def run_onnx_body(artifact: OnnxArtifact, compiled: CompiledCircuit, parameters: Array) -> Array:
    """Return what a compiled circuit of an ONNX file gives for parameters of shape `(batch, P)`.

    Raises:
        StoppedRunError: ONNX Runtime stopped.
    """
    model = body_model(artifact.model, compiled.circuit, compiled.dtype)
    return run_body_model(model, artifact.path, parameters)


def run_body_model(model: bytes, path: str, parameters: Array) -> Array:
    """Return what a model of `body_model` gives; `path` is for messages."""
    results: Array = run(start(model, path), [RESULTS], {PARAMETERS: parameters})[RESULTS]
    return results


def circuit_calls(artifact: OnnxArtifact) -> list[CircuitCall]:
    """Return the circuit nodes of a file, in the order in which they run."""
    return [call for stage in split(artifact.model, artifact.path) for call in stage.circuits]


def body_model(model: onnx.ModelProto, function: str, dtype: np.dtype) -> bytes:
    """Return a model of one call of a circuit's function.

    Args:
        model: that has the function.
        function: its name.
        dtype: of the parameters, shape `(batch, P)`, and of the results, shape `(batch, M)`.
    """
    element = helper.np_dtype_to_tensor_dtype(dtype)
    graph = helper.make_graph(
        [helper.make_node(function, [PARAMETERS], [RESULTS], domain=DOMAIN)],
        "circuit",
        [helper.make_tensor_value_info(PARAMETERS, element, [None, None])],
        [helper.make_tensor_value_info(RESULTS, element, [None, None])],
    )
    alone = helper.make_model(
        graph,
        functions=model.functions,
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    return bytes(alone.SerializeToString())
