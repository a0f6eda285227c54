"""The circuit nodes of a file, and one compiled circuit as a model of its own."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from hybridx.artifact import DOMAIN, PARAMETERS, RESULTS, CircuitCall, OnnxArtifact, split


def circuit_calls(artifact: OnnxArtifact) -> list[CircuitCall]:
    """Return the circuit nodes of a file, in the order in which they run."""
    return [call for stage in split(artifact.model) for call in stage.circuits]


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
