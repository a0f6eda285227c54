"""What each quantum layer of a file gives, compiled and on a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx as onnx_package
import onnxruntime
from onnx import helper, numpy_helper

from hybridx.artifact import PARAMETERS, RESULTS, OnnxArtifact
from hybridx.runtime import onnx
from hybridx.runtime.circuits.alone import body_model, circuit_calls
from hybridx.runtime.engines import check_bodies
from hybridx.runtime.session import Session, execution_of, record_circuits
from hybridx.storage import Array


def layer_names(artifact: OnnxArtifact) -> tuple[str, ...]:
    """Return the names of the nodes of the quantum layers, in the order in which they run."""
    return tuple(call.node for call in circuit_calls(artifact))


def compiled_layers(session: Session, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return the results of each compiled circuit in a run of the whole file, in order.

    Args:
        session: of an ONNX file or a bundle.
        inputs: that fit the model.

    Raises:
        NoBodyError: a circuit is not compiled.
        StoppedRunError: ONNX Runtime stopped.
    """
    artifact = session.artifact
    assert isinstance(artifact, OnnxArtifact)
    check_bodies(artifact)
    calls = circuit_calls(artifact)
    wanted = {call.results: call.dtype for call in calls}
    model = _returning(artifact.model, wanted)
    running = onnx.start(model.SerializeToString(), artifact.path)
    values = onnx.run(running, [*wanted], inputs)
    return tuple(values[call.results] for call in calls)


def _returning(
    model: onnx_package.ModelProto, values: Mapping[str, np.dtype[Any]]
) -> onnx_package.ModelProto:
    """Return a copy of a model that returns further values, given with their dtypes."""
    copy = onnx_package.ModelProto()
    copy.CopyFrom(model)
    given = {value.name for value in model.graph.output}
    copy.graph.output.extend(
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), None)
        for name, dtype in values.items()
        if name not in given
    )
    return copy


def device_layers(session: Session, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return the results of each circuit on the device of a session, in the same order.

    Raises as `Session.run`.
    """
    return tuple(run.results for run in record_circuits(session, inputs))


def circuits_alone(
    session: Session,
) -> Callable[[Mapping[str, Array]], Callable[[], None]]:
    """Return what makes a call that runs the compiled circuits of a file, and nothing else of it.

    Args:
        session: of an ONNX file or a bundle, without a device.

    Returns:
        A function of inputs that fit the model; the circuits get what they get for them.

    Raises:
        StoppedRunError: ONNX Runtime stopped; the function raises it too.
    """
    artifact, chosen = session.artifact, execution_of(session)
    assert isinstance(artifact, OnnxArtifact)

    def start(content: bytes) -> onnxruntime.InferenceSession:
        return onnx.start(content, artifact.path, chosen.provider, threads=chosen.threads)

    calls, graph = circuit_calls(artifact), artifact.model.graph
    weights = {one.name: one for one in graph.initializer}
    given = weights.keys() | {value.name for value in graph.input}
    computed = {call.parameters: call.dtype for call in calls if call.parameters not in given}
    model = _returning(artifact.model, computed)
    whole, returned = start(model.SerializeToString()), [one.name for one in model.graph.output]
    fixed = {
        call.parameters: numpy_helper.to_array(weights[call.parameters])
        for call in calls
        if call.parameters in weights
    }
    parts = [(start(body_model(artifact.model, call.function, call.dtype)), call) for call in calls]

    def with_inputs(inputs: Mapping[str, Array]) -> Callable[[], None]:
        values = {**fixed, **inputs, **onnx.run(whole, returned, inputs)}

        def run() -> None:
            for part, call in parts:
                onnx.run(part, [RESULTS], {PARAMETERS: values[call.parameters]})

        return run

    return with_inputs
