"""What each quantum layer of a file gives, compiled and on a device."""

from __future__ import annotations

from collections.abc import Mapping

import onnx as onnx_package
from onnx import helper

from hybridx.artifact import OnnxArtifact, split
from hybridx.runtime import onnx
from hybridx.runtime.session import Session, record_circuits, start_session
from hybridx.storage import Array


def layer_names(artifact: OnnxArtifact) -> tuple[str, ...]:
    """Return the names of the nodes of the quantum layers, in the order in which they run."""
    return tuple(call.node for stage in split(artifact.model) for call in stage.circuits)


def compiled_layers(session: Session, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return the results of each compiled circuit in a run of the whole file, in order.

    Args:
        session: of an ONNX file or a bundle.
        inputs: that fit the model.

    Raises:
        NoBodyError: a circuit is not compiled.
        DeviceFailedError: ONNX Runtime stopped.
    """
    artifact = start_session(session.artifact).artifact  # refuses a file without bodies
    assert isinstance(artifact, OnnxArtifact)
    calls = [call for stage in split(artifact.model) for call in stage.circuits]
    model = onnx_package.ModelProto()
    model.CopyFrom(artifact.model)
    given = {value.name for value in model.graph.output}
    wanted = dict.fromkeys(call.results for call in calls)
    dtypes = {call.results: helper.np_dtype_to_tensor_dtype(call.dtype) for call in calls}
    model.graph.output.extend(
        helper.make_tensor_value_info(name, dtypes[name], None)
        for name in wanted
        if name not in given
    )
    running = onnx.start(model.SerializeToString(), artifact.path)
    values = onnx.run(running, [*wanted], inputs)
    return tuple(values[call.results] for call in calls)


def device_layers(session: Session, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return the results of each circuit on the device of a session, in the same order.

    Raises as `Session.run`.
    """
    return tuple(run.results for run in record_circuits(session, inputs))
