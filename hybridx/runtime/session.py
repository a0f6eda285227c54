"""`Session`: a model file that is loaded and runs, and what the rest of hybridx does with one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, Unpack

import numpy as np

from hybridx.artifact import Artifact, Signature, TorchArtifact, decode_artifact, read_artifact
from hybridx.errors import (
    CompiledInError,
    DeviceError,
    InputDtypeError,
    InputNamesError,
    InputRangeError,
    InputShapeError,
    MissingExtraError,
    MissingOptionError,
    SessionClosedError,
    UnequalAxesError,
    UnknownDeviceError,
    first_line,
)
from hybridx.report import Shown
from hybridx.runtime import devices
from hybridx.runtime.engines import DeviceEngine, Engine, start_engine
from hybridx.runtime.execution import ONNX, Execution, Options, check_execution
from hybridx.runtime.executor import (
    CircuitRun,
    DeviceExecutor,
    RecordingExecutor,
    Tally,
    check_bounds,
)
from hybridx.runtime.given import as_array, by_name
from hybridx.runtime.journal import Journal, RunIdentity, digest
from hybridx.storage import Array

log = logging.getLogger(__name__)

# Errors that another device would not mend.
_NOT_MISSING = (UnknownDeviceError, CompiledInError, MissingOptionError)


@dataclass(frozen=True)
class Usage:
    """Where a session ran so far, and how much it sent to the device.

    Attributes:
        device: the device that ran the circuits.
        requested: the device that was asked for, if the fallback was used instead.
        provider: what ran the classical parts: a provider of ONNX Runtime, or torch.
        shots: samples of each circuit.
        seed: of the device.
        submissions: calls of the device.
        circuits: circuits that were sent to it.
        total_shots: samples that were asked of it.
        resumed: submissions whose results an earlier run had kept.
    """

    device: str
    requested: str | None
    provider: str
    shots: int | None
    seed: int | None
    submissions: int
    circuits: int
    total_shots: int
    resumed: int


class Session(Shown):
    """A model file that is loaded and runs.

    A session is called with what its inputs are, by position or by name: `session(x)`. It is a
    context manager, which closes it at the end, and can be pickled, with its file's content.

    Attributes:
        artifact: the file.
        metadata: what the file says of itself.
        device: where circuits run: `onnx`, `torch` for a file of torch, or a PennyLane device.
        inputs: name, dtype and shape of each input.
        input_names: names of the inputs, in order.
        output_names: names of the outputs, in order.
        shots: samples of each circuit on the device; None for exact values.
    """

    def __init__(
        self,
        artifact: Artifact,
        execution: Execution,
        engine: Engine,
        requested: str | None = None,
    ) -> None:
        is_torch = isinstance(artifact, TorchArtifact)
        self.artifact = artifact
        self.metadata = artifact.metadata
        self.device = "torch" if is_torch else devices.device_name(execution.device)
        self.inputs = artifact.inputs
        self.input_names = tuple(signature.name for signature in self.inputs)
        self.output_names = artifact.outputs
        self.shots = execution.shots if isinstance(engine, DeviceEngine) else None
        self._execution = execution
        self._open: Engine | None = engine
        self._requested = requested

    def __call__(self, *args: Any, **kwargs: Any) -> Array | dict[str, Array]:
        """Run the model on inputs by position or by name.

        Args:
            *args: arrays, tensors of torch, nested lists, or a table with named columns, in the
                order of `input_names`; or one mapping of all.
            **kwargs: likewise, by the name of the input.

        Returns:
            The output, if the model has one; otherwise the outputs by name.

        Raises:
            HybridxError: as `run`.
        """
        outputs = self.run(named_arrays(self, *args, **kwargs))
        return outputs[self.output_names[0]] if len(self.output_names) == 1 else outputs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the model's memory; a closed session does not run."""
        self._open = None

    def __repr__(self) -> str:
        inputs = ", ".join(map(str, self.inputs))
        outputs = ", ".join(self.output_names)
        state = "closed" if self._open is None else f"on {self.device}"
        return f"<hybridx.Session {self.artifact.path} {state}: ({inputs}) -> ({outputs})>"

    def _attributes(self) -> Mapping[str, Any]:
        return {
            "file": self.artifact.path,
            "device": self.device if self._open is not None else "closed",
            "shots": self.shots,
            "inputs": [str(one) for one in self.inputs],
            "outputs": self.output_names,
            "circuits": tuple(self.artifact.circuits),
        }

    def __reduce__(self) -> tuple[Callable[..., Session], tuple[Any, ...]]:
        artifact, execution = self.artifact, self._execution
        given = {field.name: getattr(execution, field.name) for field in fields(execution)}
        return _restart, (artifact.content, artifact.path, given)

    @property
    def _engine(self) -> Engine:
        if self._open is None:
            raise SessionClosedError(self.artifact.path)
        return self._open

    @property
    def usage(self) -> Usage:
        """Where this session ran so far, and how much it sent to the device."""
        executor = self._engine.executor if isinstance(self._engine, DeviceEngine) else None
        sent = executor.sent if executor else Tally()
        return Usage(
            device=self.device,
            requested=self._requested,
            provider=self._engine.provider,
            shots=self._execution.shots,
            seed=self._execution.seed,
            submissions=sent.submissions,
            circuits=sent.circuits,
            total_shots=sent.shots,
            resumed=executor.kept if executor else 0,
        )

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """Run the model on named arrays and return its named outputs.

        Arrays may be tensors of torch or nested lists. Floating-point and integer arrays are
        converted to the model's floating-point dtype.

        Raises:
            InputNamesError: the names are not the model's.
            InputShapeError: an array has a shape that the model does not take.
            InputDtypeError: an array has a dtype that does not convert.
            DeviceFailedError: the quantum device raised.
            OverBudgetError: a bound would be exceeded; nothing was sent.
            SessionClosedError: the session was closed.
        """
        ready = self._ready(inputs)
        bounded = self._execution.max_circuits is not None or self._execution.max_shots is not None
        if bounded and isinstance(self._engine, DeviceEngine):
            counting = self._engine.counting()
            if counting is not self._engine:
                counting.run(ready)
                sent = self._engine.executor.sent + counting.executor.sent
                check_bounds(self._execution, self.device, sent)
        return self._engine.run(ready)

    def _ready(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        if set(inputs) != set(self.input_names):
            raise InputNamesError(_listed(inputs), _listed(self.input_names))
        ready = {s.name: _fit(as_array(inputs[s.name], s.name), s) for s in self.inputs}
        if len(ready) > 1:
            _check_axes(ready, self.inputs)
        return ready


# --- for the rest of hybridx ---------------------------------------------------------------------


def named_arrays(session: Session, *args: Any, **kwargs: Any) -> dict[str, Array]:
    """Return what a session is called with as arrays by the names of its inputs.

    Raises:
        InputNamesError: there are more values than inputs, a name twice, or another name.
        InputDtypeError: a value is no array.
    """
    return by_name(session.input_names, session.metadata.columns, args, kwargs)


def model_digest(session: Session) -> str:
    """Return the hash of the file of a session."""
    return digest(session.artifact.content)


def uses_device(session: Session) -> bool:
    """Return whether circuits go to a quantum device, and are not the compiled ones."""
    return isinstance(session._engine, DeviceEngine)


def execution_of(session: Session) -> Execution:
    """Return where and how a session runs."""
    return session._execution


def is_dry(session: Session) -> bool:
    """Return whether a session sends nothing; results of circuits are zeros then."""
    return session._execution.dry_run


def counting_session(session: Session) -> Session:
    """Return a session that counts what the given one would send, and sends nothing.

    Results of circuits are zeros in it, except for those that are kept from an earlier run.
    """
    if not isinstance(session._engine, DeviceEngine):
        return session
    engine = session._engine.counting()
    return Session(session.artifact, session._execution, engine, session._requested)


def probing_session(session: Session) -> Session:
    """Return a session that sends nothing and counts nothing; itself if it uses no device.

    Results of circuits are zeros in it.
    """
    if not isinstance(session._engine, DeviceEngine):
        return session
    return Session(
        session.artifact, session._execution, session._engine.probing(), session._requested
    )


def check_budget(session: Session, tally: Tally) -> None:
    """Refuse what would exceed a bound of a session.

    Raises:
        OverBudgetError: it names the bound.
    """
    check_bounds(session._execution, session.device, tally)


def keep_results(session: Session, path: Path, *, data: str, resume: bool) -> Journal | None:
    """Keep the results of a session's device in a file from now on.

    Args:
        session: the session.
        path: of the file.
        data: hash of the inputs.
        resume: use the results that the file has already.

    Returns:
        None if the session sends nothing to a device.

    Raises:
        ForeignResultsError: the results in the file belong to another run.
        BrokenResultsError: the file cannot be read.
    """
    engine, execution = session._engine, session._execution
    if not isinstance(engine, DeviceEngine) or not isinstance(engine.executor, DeviceExecutor):
        return None
    run = RunIdentity(
        model=engine.fingerprint,
        device=session.device,
        shots=execution.shots,
        seed=execution.seed,
        options=digest({key: repr(value) for key, value in execution.options.items()}),
        data=data,
    )
    engine.executor.journal = Journal(path, run, resume=resume)
    return engine.executor.journal


def record_circuits(session: Session, inputs: Mapping[str, Array]) -> tuple[CircuitRun, ...]:
    """Run a session that uses a device, and return the runs of its circuits in order.

    Raises as `Session.run`.
    """
    engine = session._engine
    assert isinstance(engine, DeviceEngine)
    recorder = RecordingExecutor(engine.executor, session.artifact.circuits)
    engine.run_with(session._ready(inputs), recorder)
    return tuple(recorder.runs)


def load(path: str | Path | bytes | BinaryIO, **execution: Unpack[Options]) -> Session:
    """Load a model file; `session(x)` runs it, and so does `session.run({name: array})`.

    Args:
        path: a file that hybridx wrote, or the folder of a bundle; or the content of a file, as
            bytes or in an open binary file.
        **execution: where and how it runs; see `Execution`.

    Raises:
        ArtifactError: the file cannot be read or breaks its contract.
        NoBodyError: the device is `onnx`, and the file holds no compiled circuits.
        DeviceError: the device does not exist or does not open.
    """
    chosen = Execution(**execution)
    check_execution(chosen)
    if chosen.fallback is None and not chosen.dry_run:
        devices.check_device(chosen.device, chosen.options, chosen.shots)
    return start_session(_read(path), **execution)


def _read(path: str | Path | bytes | BinaryIO) -> Artifact:
    if isinstance(path, str | Path):
        return read_artifact(Path(path))
    if isinstance(path, bytes):
        return decode_artifact(path, "the given bytes")
    return decode_artifact(path.read(), str(getattr(path, "name", "the given file")))


def _restart(content: bytes, path: str, execution: Options) -> Session:
    """Return the session that was pickled."""
    return start_session(decode_artifact(content, path), **execution)


def start_session(artifact: Artifact, **execution: Unpack[Options]) -> Session:
    """Return a session for a file that was read already; arguments and errors as `load`."""
    chosen = Execution(**execution)
    check_execution(chosen)
    requested = None
    try:
        engine = start_engine(artifact, chosen)
    except (DeviceError, MissingExtraError) as error:
        if chosen.fallback is None or isinstance(error, _NOT_MISSING):
            raise
        requested = devices.device_name(chosen.device)
        log.warning("%s; %s is used instead", first_line(error), chosen.fallback)
        shots = None if chosen.fallback == ONNX else chosen.shots
        # The options belong to the first device.
        chosen = replace(chosen, device=chosen.fallback, fallback=None, shots=shots, options={})
        engine = start_engine(artifact, chosen)
    return Session(artifact, chosen, engine, requested)


def _fit(array: Array, signature: Signature) -> Array:
    """Return an array in the dtype of the model, or refuse it.

    A complex array is taken for its real and imaginary parts in a last axis of 2.
    """
    is_pair = signature.shape[-1:] == (2,) and array.ndim == len(signature.shape) - 1
    if array.dtype.kind == "c" and is_pair:
        array = np.stack([array.real, array.imag], -1)
    to_float = signature.dtype.kind == "f" and array.dtype.kind in "fiub"
    to_int = signature.dtype.kind == "i" and array.dtype.kind in "iub"
    if array.dtype != signature.dtype and not (to_float or to_int):
        raise InputDtypeError(signature.name, str(array.dtype), str(signature.dtype))
    if not signature.fits(array.shape):
        raise InputShapeError(signature.name, str(array.shape), signature.axes)
    if array.dtype == signature.dtype:
        return array
    if to_int and array.dtype != bool and array.size:
        _check_range(array, signature)
    # A number beyond float32 becomes infinite, which is data.
    with np.errstate(over="ignore"):
        return array.astype(signature.dtype)


def _check_range(array: Array, signature: Signature) -> None:
    bounds = np.iinfo(signature.dtype)
    for value in (int(array.min()), int(array.max())):
        if not bounds.min <= value <= bounds.max:
            raise InputRangeError(
                signature.name, value, str(signature.dtype), int(bounds.min), int(bounds.max)
            )


def _check_axes(arrays: Mapping[str, Array], signatures: Sequence[Signature]) -> None:
    """Refuse inputs that differ in the length of an axis of one name."""
    found: dict[str, dict[str, int]] = {}
    for one in signatures:
        for axis, length in zip(one.shape, arrays[one.name].shape, strict=True):
            if isinstance(axis, str) and axis != "?":
                found.setdefault(axis, {})[one.name] = length
    for axis, lengths in found.items():
        if len({*lengths.values()}) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise UnequalAxesError(axis, told)


def _listed(names: Mapping[str, Any] | tuple[str, ...]) -> str:
    return ", ".join(sorted(names)) or "none"
