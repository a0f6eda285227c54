"""A model whose circuits are nodes of a custom operator, in one session of ONNX Runtime."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from typing import Final

import numpy as np
import onnx
from onnx import helper

from hybridx.artifact import DOMAIN, OnnxArtifact, is_circuit_node, walk_nodes
from hybridx.circuit import Circuit
from hybridx.errors import StoppedRunError
from hybridx.runtime import onnx as onnx_runtime
from hybridx.runtime import onnxruntime_internals
from hybridx.runtime.customop.run import Run, call_operator, numbered
from hybridx.runtime.devices import check_custom_op
from hybridx.runtime.executor import Executor
from hybridx.storage import Array

_OPERATOR: Final = "RunCircuit_"  # followed by a dtype
_PLACE: Final = "place"  # the attribute that distinguishes a circuit node from all others
_DTYPES: Final = ("float32", "float64")

_LOCK = threading.Lock()
_LIBRARIES: list[str] = []


class CustomOpModel:
    """A model in one session of ONNX Runtime that calls an executor for each circuit.

    Attributes:
        provider: of ONNX Runtime, for the classical parts.
    """

    def __init__(self, artifact: OnnxArtifact, provider: str, threads: int | None = None) -> None:
        """Start the session.

        Args:
            artifact: the file.
            provider: of ONNX Runtime.
            threads: of each operator.

        Raises:
            MissingExtraError: onnxruntime-extensions is not installed.
        """
        model = onnx.ModelProto()
        model.CopyFrom(artifact.model)
        self._circuits = _call_the_operator(model, artifact.circuits)
        # No node calls a compiled body any more.
        del model.functions[:]
        self._run_input = _add_run_input(model)
        self._outputs = artifact.outputs
        self._session = onnx_runtime.start(
            model.SerializeToString(),
            artifact.path,
            provider,
            library=_library(),
            threads=threads,
        )
        self.provider = onnx_runtime.provider_of(self._session)

    def run(self, inputs: Mapping[str, Array], executor: Executor) -> dict[str, Array]:
        """Return the outputs by name.

        Args:
            inputs: by name.
            executor: runs the circuits.

        Raises:
            BaseException: whatever the executor or the handler of a signal raised.
        """
        run = Run(self._circuits, executor)
        with numbered(run) as number, run.gate.installed():
            fed = {**inputs, self._run_input: np.array([number], np.int64)}
            try:
                outputs = onnx_runtime.run(self._session, self._outputs, fed)
            except StoppedRunError:
                # If a circuit failed, an operator behind it may have refused its NaN.
                if run.error is None:
                    raise
        if run.error is not None:
            raise run.error
        return outputs


def _call_the_operator(
    model: onnx.ModelProto, circuits: Mapping[str, Circuit]
) -> Mapping[str, Circuit]:
    """Make every circuit node a node of the operator, and return the circuits by place."""
    typed = onnx.shape_inference.infer_shapes(model)
    graph = typed.graph
    values = (*graph.input, *graph.output, *graph.value_info)
    elements = {value.name: value.type.tensor_type.elem_type for value in values}
    elements |= {weight.name: weight.data_type for weight in graph.initializer}
    places = {}
    for number, node in enumerate(filter(is_circuit_node, walk_nodes(model.graph))):
        # The name of the circuit will not do: ONNX Runtime may merge two nodes that are equal in
        # everything, and then their samples would be the same (1.31 never merges custom operators).
        place = str(number)
        places[place] = circuits[node.op_type]
        dtype = helper.tensor_dtype_to_np_dtype(elements[node.input[0]])
        node.op_type = f"{_OPERATOR}{dtype.name}"
        del node.attribute[:]
        node.attribute.append(helper.make_attribute(_PLACE, place))
    return places


def _add_run_input(model: onnx.ModelProto) -> str:
    """Add the number of the run to the graph and to every circuit node.

    Because it is an input, no circuit depends on constants only. ONNX Runtime may compute such
    nodes when the session starts (1.31 never does that for custom operators).
    """
    names = {name for node in walk_nodes(model.graph) for name in (*node.input, *node.output)}
    name = next(n for n in map("run_{}".format, itertools.count()) if n not in names)
    model.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.INT64, [1]))
    for node in walk_nodes(model.graph):
        if node.domain == DOMAIN:
            node.input.append(name)
    return name


def _library() -> str:
    """Return the library that has the operator, which is registered at the first call.

    There is one operator for each dtype, for the whole process and for good.
    """
    with _LOCK:
        if not _LIBRARIES:
            check_custom_op()
            _LIBRARIES.extend(
                onnxruntime_internals.register_operator(
                    call_operator, f"{DOMAIN}::{_OPERATOR}{dtype}", dtype, _PLACE
                )
                for dtype in _DTYPES
            )
        return _LIBRARIES[0]
