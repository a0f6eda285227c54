"""`Session`: a model file that runs, wherever its circuits are executed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias, Unpack, assert_never

import numpy as np
from numpy.typing import NDArray

from hybridx.artifact import (
    Artifact,
    OnnxArtifact,
    Signature,
    Stage,
    TorchArtifact,
    read_artifact,
    split,
)
from hybridx.errors import (
    CompiledInError,
    InputDtypeError,
    InputNamesError,
    InputShapeError,
    MissingExtraError,
    NoBodyError,
)
from hybridx.runtime import devices, onnx
from hybridx.runtime.execution import Execution, Options

Array: TypeAlias = NDArray[Any]


class _Engine(Protocol):
    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]: ...


class Session:
    """A loaded model.

    Attributes:
        artifact: the file it came from.
        statement: what that file says of itself.
        device: where circuits run: `onnx` or a PennyLane device.
        inputs: what each input takes.
        input_names: their names, in order.
        output_names: names of the outputs, in order.
    """

    def __init__(self, artifact: Artifact, device: str, engine: _Engine) -> None:
        self.artifact = artifact
        self.statement = artifact.statement
        self.device = device
        self.inputs = artifact.inputs
        self.input_names = tuple(signature.name for signature in self.inputs)
        self.output_names = artifact.outputs
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


def load(path: str | Path, **execution: Unpack[Options]) -> Session:
    """Load a model file; `session.run({name: array})` gives `{name: array}`.

    Args:
        path: a file that hybridx wrote, or the folder of a bundle.
        **execution: on what it runs; see `Execution`.

    Raises:
        ArtifactError: the file cannot be read or breaks its contract.
        NoBodyError: the file is for devices only, and the device is `onnx`.
        DeviceError: there is no such device.
    """
    devices.check_device_name(Execution(**execution).device)
    return start_session(read_artifact(Path(path)), **execution)


def start_session(artifact: Artifact, **execution: Unpack[Options]) -> Session:
    """Return a session on an artifact that was read already; arguments and errors as `load`."""
    chosen = Execution(**execution)
    return Session(artifact, chosen.device, _engine(artifact, chosen))


def _engine(artifact: Artifact, execution: Execution) -> _Engine:
    match artifact:
        case TorchArtifact():
            return _torch_engine(artifact, execution)
        case OnnxArtifact() if execution.device == devices.ONNX:
            _check_bodies(artifact)
            return _Whole(artifact, execution.provider)
        case OnnxArtifact():
            return _Stitched(artifact, execution)
        case _:
            assert_never(artifact)


def _torch_engine(artifact: TorchArtifact, execution: Execution) -> _Engine:
    if execution.device != devices.ONNX:
        raise CompiledInError(artifact.path, artifact.format, execution.device)
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(f"running a {artifact.format} file", "torch", "export")
    from hybridx.runtime.torch import TorchEngine

    return TorchEngine(artifact)


def _check_bodies(artifact: OnnxArtifact) -> None:
    bodies = {function.name for function in artifact.model.functions}
    missing = sorted(artifact.circuits.keys() - bodies)
    if missing:
        raise NoBodyError(artifact.path, ", ".join(missing))


class _Whole:
    """Everything in one ONNX Runtime session: circuits run as their compiled bodies."""

    def __init__(self, artifact: OnnxArtifact, provider: str) -> None:
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

    def __init__(self, artifact: OnnxArtifact, execution: Execution) -> None:
        self._circuits = artifact.circuits
        self._outputs = artifact.outputs
        self._shots = execution.shots
        wires = max((circuit.wires for circuit in self._circuits.values()), default=1)
        self._device = devices.make_device(execution.device, wires, execution.seed)
        self._stages = [
            (stage, _start_segment(stage, artifact.path, execution.provider))
            for stage in split(artifact.model)
        ]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        from hybridx.runtime.pennylane import execute

        values: dict[str, Array] = dict(inputs)
        for stage, session in self._stages:
            if session is not None:
                fed = {name: values[name] for name in stage.segment.inputs}
                values |= onnx.run(session, stage.segment.outputs, fed)
            for call in stage.circuits:
                parameters = values[call.parameters]
                exact = execute(
                    self._circuits[call.function], parameters, self._device, self._shots
                )
                values[call.results] = exact.astype(call.dtype)
        return {name: values[name] for name in self._outputs}


def _start_segment(stage: Stage, path: str, provider: str) -> Any:
    content = stage.segment.content
    return onnx.start(content, path, provider) if content else None


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
