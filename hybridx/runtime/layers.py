"""What each quantum layer of a file gives, compiled and on a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx as onnx_package
from onnx import helper, numpy_helper

from hybridx.artifact import CircuitCall, OnnxArtifact, split
from hybridx.runtime import onnx
from hybridx.runtime.session import Session, execution_of, record_circuits, start_session
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


def circuits_alone(session: Session, inputs: Mapping[str, Array]) -> Callable[[], None]:
    """Return a call that runs the compiled circuits of a file, and nothing else of it.

    Args:
        session: of an ONNX file or a bundle, without a device.
        inputs: that fit the model; the circuits get what they get for them.

    Raises:
        DeviceFailedError: ONNX Runtime stopped.
    """
    artifact = session.artifact
    assert isinstance(artifact, OnnxArtifact)
    chosen = execution_of(session)
    calls = [call for stage in split(artifact.model) for call in stage.circuits]
    weights = {one.name: one for one in artifact.model.graph.initializer}
    model = onnx_package.ModelProto()
    model.CopyFrom(artifact.model)
    there = {value.name for value in (*model.graph.output, *model.graph.input)} | weights.keys()
    for name in dict.fromkeys(call.parameters for call in calls):
        if name not in there:
            dtype = next(call.dtype for call in calls if call.parameters == name)
            element = helper.np_dtype_to_tensor_dtype(dtype)
            model.graph.output.append(helper.make_tensor_value_info(name, element, None))
    whole = onnx.start(
        model.SerializeToString(), artifact.path, chosen.provider, threads=chosen.threads
    )
    computed = [value.name for value in model.graph.output]
    given = {name: numpy_helper.to_array(one) for name, one in weights.items()}
    values = {**given, **inputs, **onnx.run(whole, computed, inputs)}
    parts = [
        (
            onnx.start(
                _alone(call, artifact.model), artifact.path, chosen.provider, threads=chosen.threads
            ),
            call,
        )
        for call in calls
    ]

    def run() -> None:
        for part, call in parts:
            onnx.run(part, [call.results], {call.parameters: values[call.parameters]})

    return run


def _alone(call: CircuitCall, model: onnx_package.ModelProto) -> bytes:
    """Return a model of one circuit node."""
    element = helper.np_dtype_to_tensor_dtype(call.dtype)
    graph = helper.make_graph(
        [node for node in model.graph.node if list(node.output) == [call.results]],
        "circuit",
        [helper.make_tensor_value_info(call.parameters, element, [None, None])],
        [helper.make_tensor_value_info(call.results, element, [None, None])],
    )
    part = helper.make_model(
        graph,
        functions=model.functions,
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    return bytes(part.SerializeToString())
