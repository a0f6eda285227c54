"""`Session`: a model file that runs, wherever its circuits are executed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from hybridx.circuit import Circuit
from hybridx.device_table import family_of
from hybridx.errors import (
    CompiledInError,
    DeviceError,
    HybridxError,
    InputDtypeError,
    InputNamesError,
    InputShapeError,
    MissingExtraError,
    MissingOptionError,
    NoBodyError,
    OptionError,
    OptionNeedsError,
    UnknownDeviceError,
)
from hybridx.runtime import customop, devices, onnx
from hybridx.runtime.customop import CustomOpModel
from hybridx.runtime.execution import ENGINES, Execution, Options
from hybridx.runtime.executor import (
    CircuitRun,
    Cost,
    Jobs,
    Recorder,
    Rehearsal,
    Sender,
    check_bounds,
    digest,
)
from hybridx.runtime.journal import Journal, Run

Array: TypeAlias = NDArray[Any]


# What another device would not mend.
_NOT_MISSING = (UnknownDeviceError, CompiledInError, MissingOptionError)


class _Engine(Protocol):
    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]: ...


@dataclass(frozen=True)
class Usage:
    """On what a session ran so far, and what that took.

    Attributes:
        device: that ran the circuits.
        requested: the device that was asked for, if another one had to be taken.
        provider: that ran the classical parts: of ONNX Runtime, or torch.
        shots: of each circuit.
        seed: of the device.
        submissions: calls of the device.
        circuits: sent to it.
        total_shots: asked of it.
        resumed: submissions that an earlier run had results of.
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


class Session:
    """A loaded model.

    Attributes:
        artifact: the file it came from.
        metadata: what that file says of itself.
        device: where circuits run: `onnx`, `torch` for a file of torch, or a PennyLane device.
        inputs: what each input takes.
        input_names: their names, in order.
        output_names: names of the outputs, in order.
    """

    def __init__(
        self,
        artifact: Artifact,
        execution: Execution,
        engine: _Engine,
        requested: str | None = None,
    ) -> None:
        self.artifact = artifact
        self.metadata = artifact.metadata
        is_torch = isinstance(artifact, TorchArtifact)
        self.device = "torch" if is_torch else device_name(execution.device)
        self.inputs = artifact.inputs
        self.input_names = tuple(signature.name for signature in self.inputs)
        self.output_names = artifact.outputs
        self._execution = execution
        self._engine = engine
        self._requested = requested

    @property
    def usage(self) -> Usage:
        """On what this session ran so far, and what that took."""
        sender = self._engine.sender if isinstance(self._engine, _Sending) else None
        sent = sender.sent if sender else Cost()
        return Usage(
            device=self.device,
            requested=self._requested,
            provider=getattr(self._engine, "provider", "torch"),
            shots=self._execution.shots,
            seed=self._execution.seed,
            submissions=sent.submissions,
            circuits=sent.circuits,
            total_shots=sent.shots,
            resumed=sender.kept if sender else 0,
        )

    @property
    def sends(self) -> bool:
        """Whether circuits go to a quantum device, and are not compiled ones."""
        return isinstance(self._engine, _Sending)

    @property
    def shots(self) -> int | None:
        """How many samples each circuit takes on a device; None for exact values."""
        return self._execution.shots if self.sends else None

    @property
    def is_dry(self) -> bool:
        """Whether it was asked to send nothing; results of circuits are zeros then."""
        return self._execution.dry_run

    def rehearsal(self) -> Session:
        """Return a session that sends nothing to a device and counts what this one would send.

        Results of circuits are zeros there, but for those that are kept from an earlier run.
        """
        if not isinstance(self._engine, _Sending):
            return self
        engine = self._engine.rehearsal()
        return Session(self.artifact, self._execution, engine, self._requested)

    def check_bounds(self, cost: Cost) -> None:
        """Refuse what would exceed a bound, together with what was sent already.

        Raises:
            OverBudgetError: it names the bound.
        """
        check_bounds(self._execution, self.device, cost)

    def keep_results(self, path: Path, *, data: str, resume: bool) -> Journal | None:
        """Keep what the device returns in a file from now on; None where there is no device.

        Args:
            path: of the file.
            data: hash of the inputs.
            resume: take results that are there already.

        Raises:
            ForeignResultsError: those belong to another run.
            BrokenResultsError: they cannot be read.
        """
        if not isinstance(self._engine, _Sending) or not isinstance(self._engine.sender, Jobs):
            return None
        run = Run(
            model=self._engine.fingerprint,
            device=self.device,
            shots=self._execution.shots,
            seed=self._execution.seed,
            options=digest({key: repr(value) for key, value in self._execution.options.items()}),
            data=data,
        )
        self._engine.sender.journal = Journal(path, run, resume=resume)
        return self._engine.sender.journal

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model on named arrays and return its named outputs.

        Floating-point and integer arrays are converted to the model's floating-point dtype.

        Raises:
            InputNamesError: the names are not the model's.
            InputShapeError: an array has a shape that the model does not take.
            InputDtypeError: an array has a dtype that does not convert.
            DeviceFailedError: the quantum device raised.
            OverBudgetError: it would be sent too much; it is sent nothing.
        """
        ready = self._ready(inputs)
        bounded = self._execution.max_circuits is not None or self._execution.max_shots is not None
        if bounded and isinstance(self._engine, _Sending):
            planned = self._engine.rehearsal()
            if planned is not self._engine:
                planned.run(ready)
                self.check_bounds(self._engine.sender.sent + planned.sender.sent)
        return self._engine.run(ready)

    def observe(self, inputs: Mapping[str, Array]) -> tuple[CircuitRun, ...]:
        """Run the model on a device, and return what its circuits were given and gave.

        Raises as `run`.
        """
        assert isinstance(self._engine, _Sending)
        recorder = Recorder(self._engine.sender)
        self._engine.run_with(self._ready(inputs), recorder)
        return tuple(recorder.runs)

    def name_of(self, circuit: Circuit) -> str:
        """Return the name of a circuit in the file."""
        return next(name for name, own in self.artifact.circuits.items() if own is circuit)

    def _ready(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if set(inputs) != set(self.input_names):
            raise InputNamesError(_listed(inputs), _listed(self.input_names))
        return {s.name: _fit(np.asarray(inputs[s.name]), s) for s in self.inputs}


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
    chosen = Execution(**execution)
    _check_options(chosen)
    if chosen.fallback is None and not chosen.dry_run:
        _check_device(chosen)
    return start_session(read_artifact(Path(path)), **execution)


def start_session(artifact: Artifact, **execution: Unpack[Options]) -> Session:
    """Return a session on an artifact that was read already; arguments and errors as `load`."""
    chosen = Execution(**execution)
    _check_options(chosen)
    requested = None
    try:
        engine = _engine(artifact, chosen)
    except (DeviceError, MissingExtraError) as error:
        if chosen.fallback is None or isinstance(error, _NOT_MISSING):
            raise
        requested = device_name(chosen.device)
        chosen.tell(f"{_first_line(error)}; {chosen.fallback} is used instead")
        shots = None if chosen.fallback == devices.ONNX else chosen.shots
        # Options belong to the device they were meant for.
        chosen = replace(chosen, device=chosen.fallback, fallback=None, shots=shots, options={})
        engine = _engine(artifact, chosen)
    return Session(artifact, chosen, engine, requested)


def device_name(device: Any) -> str:
    """Return the name of a device that is given by name or as an object."""
    if isinstance(device, str):
        return device
    from hybridx.runtime.pennylane import name_of

    return name_of(device)


def _check_options(chosen: Execution) -> None:
    for name, number, least in (
        ("shots", chosen.shots, 1),
        ("seed", chosen.seed, 0),
        ("retries", chosen.retries, 0),
        ("max-circuits", chosen.max_circuits, 0),
        ("max-shots", chosen.max_shots, 0),
    ):
        if number is not None and not (isinstance(number, int) and number >= least):
            raise OptionError(f"--{name}", str(number), f"a whole number from {least}")
    if chosen.engine not in ENGINES:
        raise OptionError("--engine", str(chosen.engine), ", ".join(ENGINES))
    if chosen.device == devices.ONNX:
        for option, value in (
            ("--shots", chosen.shots),
            ("--option", chosen.options),
            ("--dry-run", chosen.dry_run),
            (f"--engine {chosen.engine}", chosen.engine != "split"),
        ):
            if value:
                raise OptionNeedsError(option, "--device with the name of a PennyLane device")
    elif isinstance(chosen.device, str):
        devices.check_options(chosen.device, chosen.options)
    if chosen.fallback is not None:
        devices.check_device_name(chosen.fallback)
    if chosen.engine == "custom-op":
        customop.check_installed()


def _check_device(chosen: Execution) -> None:
    if isinstance(chosen.device, str):
        devices.check_device_name(chosen.device)
        devices.check_required(chosen.device, chosen.options, chosen.shots)


def _engine(artifact: Artifact, execution: Execution) -> _Engine:
    match artifact:
        case TorchArtifact():
            return _torch_engine(artifact, execution)
        case OnnxArtifact() if execution.device == devices.ONNX:
            _check_bodies(artifact)
            return _Whole(artifact, execution.provider)
        case OnnxArtifact():
            return _sending(artifact, execution)
        case _:
            assert_never(artifact)


def _sending(artifact: OnnxArtifact, execution: Execution) -> _Sending:
    wires = max((circuit.wires for circuit in artifact.circuits.values()), default=1)
    given = execution.device
    if execution.dry_run:
        sender: Jobs | Rehearsal = Rehearsal(_costs(execution, wires))
    elif isinstance(given, str):
        _check_device(execution)

        def open_device(seed: int | None) -> Any:
            return devices.make_device(given, wires, seed, execution.options)

        takes_seed = devices.takes_seed(given)
        if execution.seed is not None and execution.shots is not None and not takes_seed:
            execution.tell(f"{given} takes no seed: its samples differ from run to run")
        sender = Jobs(execution, given, open_device, takes_seed=takes_seed)
    else:
        sender = Jobs(execution, device_name(given), lambda _: given, takes_seed=False)
    if execution.engine == "custom-op":
        return _CustomOp(artifact, CustomOpModel(artifact, execution.provider), sender)
    stages = [
        (stage, _start_segment(stage, artifact.path, execution.provider))
        for stage in split(artifact.model)
    ]
    return _Stitched(artifact, stages, sender)


def _costs(execution: Execution, wires: int) -> Callable[[Circuit, Array], Cost]:
    """Return what counts circuits for a dry run, which opens no device but a local one."""
    given = execution.device
    family = family_of(given) if isinstance(given, str) else None
    is_open = not isinstance(given, str) or (
        family is not None and family.is_local and given in devices.device_names()
    )
    if is_open:
        opened = given if not isinstance(given, str) else None

        def counted(circuit: Circuit, parameters: Array) -> Cost:
            from hybridx.runtime.pennylane import prepare

            nonlocal opened
            if opened is None:
                opened = devices.make_device(given, wires, None, execution.options)
            one = prepare(circuit, parameters[:1], opened, execution.shots)
            return Cost(1, len(parameters) * len(one.tapes), len(parameters) * one.shots)

        return counted
    if not devices.is_installed("pennylane"):
        raise MissingExtraError(f"counting what device {given!r} is sent", "pennylane", "devices")
    execution.tell(f"{given} is not opened: how it splits circuits is estimated")

    def estimated(circuit: Circuit, parameters: Array) -> Cost:
        from hybridx.runtime.pennylane import count_tapes

        circuits = len(parameters) * count_tapes(circuit, parameters.shape[1], execution.shots)
        return Cost(1, circuits, circuits * (execution.shots or 0))

    return estimated


def _torch_engine(artifact: TorchArtifact, execution: Execution) -> _Engine:
    if execution.device != devices.ONNX:
        raise CompiledInError(artifact.path, artifact.format, execution.device)
    if not devices.is_installed("torch"):
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
        self.provider = onnx.provider_of(self._session)
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


class _Sending(ABC):
    """Classical parts in ONNX Runtime, circuits wherever a sender gets their results."""

    provider: str

    def __init__(self, artifact: OnnxArtifact, sender: Jobs | Rehearsal) -> None:
        self._artifact = artifact
        self.sender = sender

    @property
    def fingerprint(self) -> str:
        """Hash of the model."""
        return digest(self._artifact.content)

    def rehearsal(self) -> _Sending:
        """Return an engine that only counts; itself, if it does."""
        if isinstance(self.sender, Rehearsal):
            return self
        return self._with(self.sender.rehearsal())

    @abstractmethod
    def _with(self, sender: Rehearsal) -> _Sending: ...

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return self.run_with(inputs, self.sender)

    @abstractmethod
    def run_with(self, inputs: Mapping[str, Array], sender: Sender) -> dict[str, Array]:
        """Return the outputs; `sender` gets the results of the circuits."""


class _CustomOp(_Sending):
    """The whole model in one session, where circuits are calls of a custom operator."""

    def __init__(
        self, artifact: OnnxArtifact, model: CustomOpModel, sender: Jobs | Rehearsal
    ) -> None:
        super().__init__(artifact, sender)
        self._model = model
        self.provider = model.provider

    def _with(self, sender: Rehearsal) -> _CustomOp:
        return _CustomOp(self._artifact, self._model, sender)

    def run_with(self, inputs: Mapping[str, Array], sender: Sender) -> dict[str, Array]:
        return self._model.run(inputs, sender)


class _Stitched(_Sending):
    """Segments between the circuits, each a session of its own, run one after another."""

    def __init__(
        self,
        artifact: OnnxArtifact,
        stages: Sequence[tuple[Stage, Any]],
        sender: Jobs | Rehearsal,
    ) -> None:
        super().__init__(artifact, sender)
        self._stages = stages
        started = [session for _, session in stages if session is not None]
        self.provider = onnx.provider_of(started[0]) if started else "none"

    def _with(self, sender: Rehearsal) -> _Stitched:
        return _Stitched(self._artifact, self._stages, sender)

    def run_with(self, inputs: Mapping[str, Array], sender: Sender) -> dict[str, Array]:
        values: dict[str, Array] = dict(inputs)
        for stage, session in self._stages:
            if session is not None:
                fed = {name: values[name] for name in stage.segment.inputs}
                values |= onnx.run(session, stage.segment.outputs, fed)
            for call in stage.circuits:
                circuit = self._artifact.circuits[call.function]
                results = sender.results(circuit, values[call.parameters])
                values[call.results] = results.astype(call.dtype)
        return {name: values[name] for name in self._artifact.outputs}


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


def _first_line(error: HybridxError) -> str:
    return str(error).partition("\n")[0]


def _listed(names: Mapping[str, Array] | tuple[str, ...]) -> str:
    return ", ".join(sorted(names)) or "none"
