"""`Session`: a model file that is loaded and runs, and what the rest of hybridx does with one."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, Unpack

from msgspec import structs

from hybridx.artifact import (
    Artifact,
    Signature,
    TorchArtifact,
    decode_artifact,
    read_artifact,
    refuse_changes,
    tell_changes,
)
from hybridx.errors import (
    CompiledInError,
    DeviceError,
    ForeignFileError,
    ForkedDeviceError,
    InputNamesError,
    MissingExtraError,
    MissingOptionError,
    OptionError,
    OptionNeedsError,
    SessionClosedError,
    SessionNotPickledError,
    UnequalAxesError,
    UnknownDeviceError,
    first_line,
)
from hybridx.report import Shown
from hybridx.runtime import devices
from hybridx.runtime.circuits.agreement import Agreement, check_agreement
from hybridx.runtime.engines import DeviceEngine, Engine, start_engine
from hybridx.runtime.execution import ONNX, Execution, Options, check_execution
from hybridx.runtime.executor import (
    CircuitRun,
    DeviceExecutor,
    RecordingExecutor,
    check_bounds,
)
from hybridx.runtime.given import as_array, by_name, fit
from hybridx.runtime.sharing.turns import Turn
from hybridx.runtime.submission.journal import Journal, RunIdentity, digest
from hybridx.runtime.submission.shared_journal import SharedJournal
from hybridx.runtime.submission.tally import Tally
from hybridx.storage import Array

if TYPE_CHECKING:
    from hybridx.signing import Signed

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

    Several threads may use one session, and close it: a run that has begun ends. On a device they
    take turns. In a forked process a session without a device starts again; one with a device
    is refused (HX510).

    Attributes:
        artifact: the file.
        metadata: what the file says of itself.
        device: where circuits run: `onnx`, `torch` for a file of torch, or a PennyLane device.
        inputs: name, dtype and shape of each input.
        input_names: names of the inputs, in order.
        output_names: names of the outputs, in order.
        shots: samples of each circuit on the device; None for exact values.
        signed: the signature that was verified when the file was loaded, if it was.
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
        self._process = os.getpid()
        self._turn = Turn()
        self.signed: Signed | None = None

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
        if self._open is None:
            raise SessionClosedError(self.artifact.path)
        return restart, pickled_parts(self)

    @property
    def _engine(self) -> Engine:
        engine = self._open
        if engine is None:
            raise SessionClosedError(self.artifact.path)
        if self._process == os.getpid():
            return engine
        # The threads of ONNX Runtime and torch did not come along, and the parent process may have
        # held their locks. A device has a connection, a state, or counts what is paid.
        if isinstance(engine, DeviceEngine):
            raise ForkedDeviceError(self.device)
        self._open = engine = start_engine(self.artifact, self._execution)
        self._process = os.getpid()
        return engine

    @property
    def usage(self) -> Usage:
        """Where this session ran so far, and how much it sent to the device."""
        engine = self._engine
        executor = engine.executor if isinstance(engine, DeviceEngine) else None
        sent = executor.sent if executor else Tally()
        return Usage(
            device=self.device,
            requested=self._requested,
            provider=engine.provider,
            shots=self._execution.shots,
            seed=self._execution.seed,
            submissions=sent.submissions,
            circuits=sent.circuits,
            total_shots=sent.shots,
            resumed=executor.kept if executor else 0,
        )

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """Run the model on named arrays and return its named outputs.

        Arrays may be tensors of torch or nested lists, with any strides and byte order. Numbers are
        converted to the model's dtype if it holds them: floating-point numbers are rounded, and
        whole numbers and booleans are exact.

        Raises:
            InputNamesError: the names are not the model's.
            InputShapeError: an array has a shape that the model does not take.
            InputDtypeError: an array holds no numbers.
            InputRangeError: a number cannot be converted; the message has its row.
            StoppedRunError: ONNX Runtime stopped, for example at an index out of range.
            DeviceFailedError: the quantum device raised.
            OverBudgetError: a bound would be exceeded; nothing was sent.
            SessionClosedError: the session was closed.
            ForkedDeviceError: it has a device, and this process was forked after it was opened.
        """
        engine = self._engine
        ready = self._ready(inputs)
        if not isinstance(engine, DeviceEngine):
            return engine.run(ready)
        # A run is counted, compared with the bounds and sent before another one begins.
        with self._turn:
            self._check_bounds(engine, ready)
            return engine.run(ready)

    def _check_bounds(self, engine: DeviceEngine, inputs: Mapping[str, Array]) -> None:
        """Refuse a run that would exceed a bound before anything of it is sent."""
        if self._execution.max_circuits is None and self._execution.max_shots is None:
            return
        counting = engine.counting()
        if counting is not engine:
            counting.run(inputs)
            sent = engine.executor.sent + counting.executor.sent
            check_bounds(self._execution, self.device, sent)

    def _ready(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        if set(inputs) != set(self.input_names):
            raise InputNamesError(_listed(inputs), _listed(self.input_names))
        ready = {s.name: fit(as_array(inputs[s.name], s.name), s) for s in self.inputs}
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


def keep_results(
    session: Session,
    path: Path,
    *,
    data: str,
    resume: bool,
    resend: bool,
    batch_size: int | None = None,
    others: Mapping[str, Session] | None = None,
) -> Journal | None:
    """Keep the results of a session's device in a file from now on.

    Args:
        session: the session.
        path: of the file.
        data: hash of the inputs.
        resume: use the results that the file has already.
        resend: send again what was sent before, and whose results never came.
        batch_size: rows of a slice. Others would be other submissions, and be paid for again.
        others: sessions on all devices of the run, if there are several, by their labels.

    Returns:
        None if the session sends nothing to a device.

    Raises:
        ForeignResultsError: the results in the file belong to another run.
        BrokenResultsError: the file cannot be read.
        UnansweredError: it says that something was sent, and not what came of it.
        ResultsInUseError: another run keeps its results there.
    """
    executor = sending_executor(session)
    if executor is None:
        return None
    sharing = [one for each in (others or {}).values() if (one := sending_executor(each))]
    run = run_identity(session, data)
    if others:
        all_options = [run_identity(one, data).options for one in others.values()]
        run = structs.replace(run, device=", ".join(others), options=digest(all_options))
    if not all(one.sends_one_by_one for one in (executor, *sharing)):
        run = structs.replace(run, batch_size=batch_size)
    fetches = all(one.fetches for one in (executor, *sharing))
    journal = Journal(path, run, resume=resume, resend=resend, fetches=fetches)
    for one in (executor, *sharing):
        one.journal = journal
    return journal


def share_results(
    session: Session,
    path: Path,
    *,
    data: str,
    resend_below: int = 0,
    counted_from: int = 0,
    run: RunIdentity | None = None,
    label: str = "",
) -> SharedJournal:
    """Keep the results of a session's device in a file that other processes write as well.

    Run slices with `run_slice`: what it sends has keys that depend on the rows.

    Args:
        session: on a device.
        path: of the file, on a disk that all of them share.
        data: hash of the inputs of all rows, or another text that tells them from others.
        resend_below: what an earlier run had sent when it stopped, and stands in front of this
            byte of the file, is sent again; `2**62` means all of it.
        counted_from: what stands in front of this byte does not count against the bounds of the
            session. All else does, whoever sent it.
        run: what the journal calls the run; by default what follows from the session and `data`.
        label: of the device, if there are several.

    Raises:
        OptionNeedsError: the session sends nothing to a device.
        ForeignResultsError: the results in the file belong to another run.
        BrokenResultsError: the file cannot be read.
        NotLockedError: the file system has no locks.
        NotWritableError: it refuses.
    """
    executor = sending_executor(session)
    if executor is None:
        raise OptionNeedsError("a journal", "--device with the name of a PennyLane device")
    run = run or run_identity(session, data)
    journal = SharedJournal(path, run, resend_below=resend_below, counted_from=counted_from)
    executor.journal, executor.label = journal, label
    return journal


def run_identity(session: Session, data: str) -> RunIdentity:
    """Return what a journal calls the run of a session on a device.

    Args:
        session: on a device.
        data: hash of the inputs.
    """
    engine, execution = session._engine, session._execution
    assert isinstance(engine, DeviceEngine)
    return RunIdentity(
        model=engine.fingerprint,
        device=session.device,
        shots=execution.shots,
        seed=execution.seed,
        options=digest({key: repr(value) for key, value in execution.options.items()}),
        data=data,
    )


def sending_executor(session: Session) -> DeviceExecutor | None:
    """Return what sends circuits to the device of a session; None if nothing is sent."""
    engine = session._engine
    executor = engine.executor if isinstance(engine, DeviceEngine) else None
    return executor if isinstance(executor, DeviceExecutor) else None


def record_circuits(session: Session, inputs: Mapping[str, Array]) -> tuple[CircuitRun, ...]:
    """Run a session that uses a device, and return the runs of its circuits in order.

    Raises as `Session.run`.
    """
    engine = session._engine
    assert isinstance(engine, DeviceEngine)
    recorder = RecordingExecutor(engine.executor, session.artifact.circuits)
    with session._turn:
        engine.run_with(session._ready(inputs), recorder)
    return tuple(recorder.runs)


def agreements_of(session: Session) -> tuple[Agreement, ...]:
    """Return what shows that each compiled circuit is the one that the file carries.

    On a device that was shown before the session started. Raises as `check_agreement`.
    """
    engine, artifact, chosen = session._engine, session.artifact, session._execution
    if isinstance(engine, DeviceEngine):
        return engine.agreements
    return check_agreement(artifact, engine.run_body, accept_unchecked=chosen.takes_unchecked)


def load(path: str | Path | bytes | BinaryIO, **execution: Unpack[Options]) -> Session:
    """Load a model file; `session(x)` runs it, and so does `session.run({name: array})`.

    Args:
        path: a file that hybridx wrote, or the folder of a bundle; or the content of a file, as
            bytes or in an open binary file.
        **execution: where and how it runs; see `Execution`.

    Raises:
        ArtifactError: the file cannot be read or breaks its contract, or, with `key`, it is not
            what was signed.
        ChangedFileError: circuits go to a device, the file was changed after hybridx wrote it, and
            `accept_changes` is not given. Elsewhere a note on the log of `hybridx` says so.
        NoBodyError: the device is `onnx`, and the file holds no compiled circuits.
        DeviceError: the device does not exist or does not open.
        BodyMismatchError: a device is asked for, and a circuit is not what its body computes.
        UncheckedBodyError: likewise, and nothing shows whether it is.
    """
    return _load(path, execution, vouches=execution.get("device", ONNX) != ONNX)


def load_vouching(path: str | Path | bytes | BinaryIO, **execution: Unpack[Options]) -> Session:
    """Load a file that has to vouch for itself; arguments as `load`.

    Raises:
        ChangedFileError: it was changed, and `accept_changes` is not given.
    """
    return _load(path, execution, vouches=True)


def _load(path: str | Path | bytes | BinaryIO, execution: Options, *, vouches: bool) -> Session:
    chosen = Execution(**execution)
    check_execution(chosen)
    if chosen.fallback is None and not chosen.dry_run:
        devices.check_device(chosen.device, chosen.options, chosen.shots)
    signed = None if chosen.key is None else _signed(path, chosen)
    artifact = _read(path, signed)
    if vouches:
        refuse_changes(artifact, accepted=chosen.accept_changes)
    tell_changes(artifact)
    session = start_session(artifact, **execution)
    session.signed = signed
    return session


def _read(path: str | Path | bytes | BinaryIO, signed: Signed | None) -> Artifact:
    if isinstance(path, str | Path):
        return read_artifact(Path(path), None if signed is None else signed.files)
    if isinstance(path, bytes | bytearray | memoryview):
        return decode_artifact(bytes(path), "the given bytes")
    name = str(getattr(path, "name", "what was given"))
    content = path.read() if hasattr(path, "read") else None
    if not isinstance(content, bytes):
        found = "a file open as text" if isinstance(content, str) else f"a {type(path).__name__}"
        raise ForeignFileError(name, f"it is {found}, not a path, bytes or a file open as binary")
    return decode_artifact(content, name)


def _signed(path: str | Path | bytes | BinaryIO, chosen: Execution) -> Signed:
    """Verify the signature of a file, before anything in it is read."""
    assert chosen.key is not None
    if not isinstance(path, str | Path):
        raise OptionError("--key", str(chosen.key), "none, or the path of the file to be verified")
    from hybridx.signing import check_signature

    signature = None if chosen.signature is None else Path(chosen.signature)
    signed = check_signature(Path(path), Path(chosen.key), signature)
    log.info("%s is signed with the key %s", path, signed.key)
    return signed


def pickled_parts(session: Session) -> tuple[bytes, str, dict[str, Any], str | None]:
    """Return the arguments of `restart` for a session.

    Raises:
        SessionNotPickledError: its device or an option of it cannot be pickled.
    """
    artifact, execution = session.artifact, session._execution
    given = {field.name: getattr(execution, field.name) for field in fields(execution)}
    try:
        pickle.dumps(given)
    except Exception as error:
        # A device is third-party code, and what pickle raises depends on it.
        raise SessionNotPickledError(artifact.path, session.device, first_line(error)) from error
    return artifact.content, artifact.path, given, session._requested


def restart(content: bytes, path: str, execution: Options, requested: str | None) -> Session:
    """Return the session that was pickled."""
    session = start_session(decode_artifact(content, path), **execution)
    session._requested = session._requested or requested
    return session


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
