"""`Session`: a model file that runs, wherever its circuits are executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper

from hybridx.artifact import Artifact, is_circuit_node, read_artifact
from hybridx.errors import InputDtypeError, InputNamesError, InputShapeError, NoBodyError
from hybridx.runtime import devices, onnx
from hybridx.runtime.split import Stage, split

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Signature:
    """What an input takes: its name, its dtype, and a length or a name for each axis."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str, ...]


class _Engine(Protocol):
    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]: ...


class Session:
    """A loaded model.

    Attributes:
        artifact: the file it came from.
        device: where circuits run: `onnx` or a PennyLane device.
        inputs: what each input takes.
        input_names: their names, in order.
        output_names: names of the outputs, in order.
    """

    def __init__(self, artifact: Artifact, device: str, engine: _Engine) -> None:
        self.artifact = artifact
        self.device = device
        graph = artifact.model.graph
        self.inputs = signatures(artifact.model)
        self.input_names = tuple(signature.name for signature in self.inputs)
        self.output_names = tuple(value.name for value in graph.output)
        self._engine = engine

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model on named arrays and return its named outputs.

        Floating-point and integer arrays are converted to the model's floating-point dtype.

        Raises:
            InputNamesError: the names are not the model's.
            InputShapeError: an array has a shape that the model does not take.
            InputDtypeError: an array has a dtype that does not convert.
            DeviceFailedError: the quantum device raised.
        """
        if set(inputs) != set(self.input_names):
            raise InputNamesError(_listed(inputs), _listed(self.input_names))
        ready = {s.name: _fit(np.asarray(inputs[s.name]), s) for s in self.inputs}
        return self._engine.run(ready)


def load(
    path: str | Path,
    *,
    device: str = devices.ONNX,
    shots: int | None = None,
    seed: int | None = None,
    provider: str = "auto",
) -> Session:
    """Load a model file; `session.run({name: array})` gives `{name: array}`.

    Args:
        path: a file that hybridx wrote.
        device: `onnx`, or the name of a PennyLane device for the circuits.
        shots: samples per circuit on that device; None for exact values.
        seed: for a device that samples.
        provider: of ONNX Runtime, for the classical parts.

    Raises:
        ArtifactError: the file cannot be read or breaks its contract.
        NoBodyError: the file is for devices only, and `device` is `onnx`.
        DeviceError: there is no such device.
    """
    devices.check_device_name(device)
    artifact = read_artifact(Path(path))
    return start_session(artifact, device=device, shots=shots, seed=seed, provider=provider)


def start_session(
    artifact: Artifact,
    *,
    device: str = devices.ONNX,
    shots: int | None = None,
    seed: int | None = None,
    provider: str = "auto",
) -> Session:
    """Return a session on an artifact that was read already; arguments as `load`."""
    if device == devices.ONNX:
        _check_bodies(artifact)
        engine: _Engine = _Whole(artifact, provider)
    else:
        engine = _Stitched(artifact, device, shots, seed, provider)
    return Session(artifact, device, engine)


def _check_bodies(artifact: Artifact) -> None:
    bodies = {function.name for function in artifact.model.functions}
    missing = sorted(artifact.circuits.keys() - bodies)
    if missing:
        raise NoBodyError(artifact.path, ", ".join(missing))


class _Whole:
    """Everything in one ONNX Runtime session: circuits run as their compiled bodies."""

    def __init__(self, artifact: Artifact, provider: str) -> None:
        self._session = onnx.start(artifact.content, artifact.path, provider)
        outputs = self._session.get_outputs()
        self._outputs = [output.name for output in outputs]
        # Outputs that do not depend on the batch.
        self._whole = {o.name for o in outputs if not o.shape or isinstance(o.shape[0], int)}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if all(len(array) for array in inputs.values() if array.ndim):
            return onnx.run(self._session, self._outputs, inputs)
        # ONNX Runtime's MatMul does not broadcast against an empty batch: run one row, keep none.
        row = {
            name: np.zeros((1, *array.shape[1:]), array.dtype) if array.shape[:1] == (0,) else array
            for name, array in inputs.items()
        }
        outputs = onnx.run(self._session, self._outputs, row)
        return {
            name: output if name in self._whole else output[:0] for name, output in outputs.items()
        }


class _Stitched:
    """Classical segments in ONNX Runtime, circuits on a PennyLane device."""

    def __init__(
        self, artifact: Artifact, device: str, shots: int | None, seed: int | None, provider: str
    ) -> None:
        self._circuits = artifact.circuits
        self._outputs = [output.name for output in artifact.model.graph.output]
        self._shots = shots
        wires = max((circuit.wires for circuit in self._circuits.values()), default=1)
        self._device = devices.make_device(device, wires, seed)
        # A circuit without data takes its (empty) parameters from the file itself.
        self._constants = {
            weight.name: numpy_helper.to_array(weight)
            for weight in artifact.model.graph.initializer
            if weight.name in self._wanted(artifact.model)
        }
        self._stages = [
            (stage, _start_segment(stage, artifact.path, provider))
            for stage in split(artifact.model)
        ]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        from hybridx.runtime.pennylane import execute

        values: dict[str, Array] = self._constants | dict(inputs)
        for stage, session in self._stages:
            if session is not None:
                fed = {name: values[name] for name in stage.segment.inputs}
                values |= onnx.run(session, stage.segment.outputs, fed)
            for call in stage.circuits:
                parameters = values[call.parameters]
                exact = execute(
                    self._circuits[call.function], parameters, self._device, self._shots
                )
                values[call.results] = exact.astype(parameters.dtype)
        return {name: values[name] for name in self._outputs}

    def _wanted(self, model: ModelProto) -> set[str]:
        parameters = {node.input[0] for node in model.graph.node if is_circuit_node(node)}
        return parameters | set(self._outputs)


def _start_segment(stage: Stage, path: str, provider: str) -> Any:
    content = stage.segment.content
    return onnx.start(content, path, provider) if content else None


def signatures(model: ModelProto) -> tuple[Signature, ...]:
    """Return what the inputs of a model take, in order."""
    return tuple(_signature(value) for value in model.graph.input)


def _signature(value: ValueInfoProto) -> Signature:
    tensor = value.type.tensor_type
    shape = tuple(
        axis.dim_param if axis.HasField("dim_param") else int(axis.dim_value)
        for axis in tensor.shape.dim
    )
    return Signature(value.name, helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape)


def _fit(array: Array, signature: Signature) -> Array:
    """Return the array in the dtype of the model, or refuse it."""
    fits = array.ndim == len(signature.shape) and all(
        isinstance(length, str) or length == found
        for length, found in zip(signature.shape, array.shape, strict=True)
    )
    if not fits:
        expected = f"({', '.join(map(str, signature.shape))})"
        raise InputShapeError(signature.name, str(array.shape), expected)
    if array.dtype == signature.dtype:
        return array
    to_float = signature.dtype.kind == "f" and array.dtype.kind in "fiub"
    to_int = signature.dtype.kind == "i" and array.dtype.kind in "iub"
    if not (to_float or to_int):
        raise InputDtypeError(signature.name, str(array.dtype), str(signature.dtype))
    return array.astype(signature.dtype)


def _listed(names: Mapping[str, Array] | tuple[str, ...]) -> str:
    return ", ".join(sorted(names)) or "none"
