"""Engines: how the classical parts of a file run, and how its circuits reach an executor."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias, assert_never

import numpy as np

from hybridx.artifact import (
    Artifact,
    OnnxArtifact,
    Stage,
    TorchArtifact,
    check_work,
    refuse_inner_circuits,
    refuse_lost,
    split,
)
from hybridx.circuit import Circuit
from hybridx.device_table import family_of
from hybridx.errors import CompiledInError, MissingExtraError, NoBodyError, OptionNeedsError
from hybridx.runtime import devices, onnx
from hybridx.runtime.circuits.agreement import Agreement, check_agreement
from hybridx.runtime.circuits.alone import CompiledCircuit, run_onnx_body
from hybridx.runtime.circuits.simulation import check_shifts, check_simulation
from hybridx.runtime.customop.model import CustomOpModel
from hybridx.runtime.execution import ONNX, Execution
from hybridx.runtime.executor import CountingExecutor, DeviceExecutor, Executor, run_on
from hybridx.runtime.submission.journal import digest
from hybridx.runtime.submission.tally import Tally
from hybridx.storage import Array

SessionExecutor: TypeAlias = DeviceExecutor | CountingExecutor

log = logging.getLogger(__name__)


class Engine(Protocol):
    """Runs a whole file."""

    @property
    def provider(self) -> str:
        """What runs the classical parts: a provider of ONNX Runtime, `torch`, or `none`."""
        ...

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name for inputs that fit the model."""
        ...

    def run_body(self, compiled: CompiledCircuit, parameters: Array) -> Array:
        """Return what a compiled circuit gives for parameters of shape `(batch, P)`."""
        ...


def start_engine(artifact: Artifact, execution: Execution) -> Engine:
    """Return an engine for a file.

    Raises:
        CompiledInError: a device is asked for, and the file holds its circuits compiled only.
        LostCircuitError: a device is asked for, and a circuit of an inlined file is not found.
        NoBodyError: no device is asked for, and the file holds no compiled circuits.
        MissingExtraError: a package is missing.
        DeviceError: the device does not exist or does not open.
        TooMuchWorkError: the file computes more than a limit, and is not isolated.
        TooMuchMemoryError: likewise.
        UnboundedWorkError: likewise, and nobody knows how much.
        IsolatedRunError: the process of its own in which the file is to run ended.
        BodyMismatchError: a device is asked for, and a compiled circuit is another one.
        UncheckedBodyError: likewise, and it could not be checked.
    """
    if execution.isolated:
        from hybridx.runtime.isolated.engine import IsolatedEngine

        return IsolatedEngine(artifact, execution)
    match artifact:
        case TorchArtifact():
            return _torch_engine(artifact, execution)
        case OnnxArtifact() if execution.device == ONNX:
            check_bodies(artifact)
            _check_work(artifact)
            return CompiledEngine(artifact, execution.provider, execution.threads)
        case OnnxArtifact():
            refuse_lost(artifact)
            refuse_inner_circuits(artifact.model, artifact.path)
            _check_work(artifact)
            return _device_engine(artifact, execution)
        case _:
            assert_never(artifact)


def _check_work(artifact: OnnxArtifact) -> None:
    test = artifact.metadata.self_test
    check_work(artifact.model, {} if test is None else test.inputs, artifact.path)


def _device_engine(artifact: OnnxArtifact, execution: Execution) -> DeviceEngine:
    agreements: tuple[Agreement, ...] = ()
    given = execution.device
    check_shifts(artifact.circuits)
    if not execution.dry_run:
        named = given if isinstance(given, str) else devices.device_name(given)
        check_simulation(artifact.circuits.values(), named)
        agreements = check_agreement(
            artifact, partial(run_onnx_body, artifact), accept_unchecked=execution.takes_unchecked
        )
    wires = max((circuit.wires for circuit in artifact.circuits.values()), default=1)
    if execution.dry_run:
        executor: SessionExecutor = CountingExecutor(_tally_of(execution, wires))
    elif isinstance(given, str):
        devices.check_device(given, execution.options, execution.shots)

        def open_device(seed: int | None) -> Any:
            return devices.make_device(given, wires, seed, execution.options)

        takes_seed = devices.takes_seed(given)
        if execution.seed is not None and execution.shots is not None and not takes_seed:
            log.warning("%s takes no seed: its samples differ from run to run", given)
        executor = DeviceExecutor(execution, given, open_device, takes_seed=takes_seed)
    else:
        name = devices.device_name(given)
        executor = DeviceExecutor(execution, name, lambda _: given, takes_seed=False)
    if execution.engine == "custom-op":
        model = CustomOpModel(artifact, execution.provider, execution.threads)
        return CustomOpEngine(artifact, model, executor, agreements)
    stages = [
        (stage, _start_segment(stage, artifact.path, execution))
        for stage in split(artifact.model, artifact.path)
    ]
    return SplitEngine(artifact, stages, executor, agreements)


def _tally_of(execution: Execution, wires: int) -> Callable[[Circuit, Array], Tally]:
    """Return the function that counts circuits in a dry run, which opens local devices only."""
    given = execution.device
    family = family_of(given) if isinstance(given, str) else None
    is_open = not isinstance(given, str) or (
        family is not None and family.is_local and given in devices.device_names()
    )
    if is_open:
        opened = given if not isinstance(given, str) else None

        def counted(circuit: Circuit, parameters: Array) -> Tally:
            from hybridx.runtime.pennylane import prepare

            nonlocal opened
            if opened is None:
                opened = devices.make_device(given, wires, None, execution.options)
            one = prepare(circuit, parameters[:1], opened, execution.shots)
            return Tally(1, len(parameters) * len(one.tapes), len(parameters) * one.shots)

        return counted
    if not devices.is_installed("pennylane"):
        raise MissingExtraError(f"counting what device {given!r} is sent", "pennylane", "devices")
    log.info("%s is not opened: how it splits circuits is estimated", given)

    def estimated(circuit: Circuit, parameters: Array) -> Tally:
        from hybridx.runtime.pennylane import count_tapes

        circuits = len(parameters) * count_tapes(circuit, parameters.shape[1], execution.shots)
        return Tally(1, circuits, circuits * (execution.shots or 0))

    return estimated


def _torch_engine(artifact: TorchArtifact, execution: Execution) -> Engine:
    if execution.device != ONNX:
        raise CompiledInError(artifact.path, artifact.format, execution.device)
    if execution.provider != "auto":
        raise OptionNeedsError("--provider", "an ONNX file or a bundle")
    if not devices.is_installed("torch"):
        raise MissingExtraError(f"running a {artifact.format} file", "torch", "export")
    from hybridx.runtime.torch import TorchEngine

    return TorchEngine(artifact)


def check_bodies(artifact: OnnxArtifact) -> None:
    """Refuse a file that holds circuits without compiled bodies.

    Raises:
        NoBodyError: the message names them.
    """
    bodies = {function.name for function in artifact.model.functions}
    missing = sorted(artifact.circuits.keys() - bodies)
    if missing:
        raise NoBodyError(artifact.path, ", ".join(missing))


class CompiledEngine:
    """Runs a file in one session of ONNX Runtime, circuits as their compiled bodies."""

    def __init__(self, artifact: OnnxArtifact, provider: str, threads: int | None = None) -> None:
        self._artifact = artifact
        self._session = onnx.start(artifact.content, artifact.path, provider, threads=threads)
        self.provider = onnx.provider_of(self._session)
        outputs = self._session.get_outputs()
        self._outputs = [output.name for output in outputs]
        # The outputs whose first axis is not the batch.
        self._whole = {o.name for o in outputs if not o.shape or isinstance(o.shape[0], int)}
        self._batched = {
            one.name for one in artifact.inputs if one.shape and isinstance(one.shape[0], str)
        }

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name; a batch without rows gives outputs without rows."""
        empty = {name for name in self._batched if not len(inputs[name])}
        if not empty:
            return onnx.run(self._session, self._outputs, inputs)
        # ONNX Runtime's MatMul does not broadcast against an empty batch, so one row is run and
        # its results are dropped.
        row = {
            name: np.zeros((1, *array.shape[1:]), array.dtype) if name in empty else array
            for name, array in inputs.items()
        }
        outputs = onnx.run(self._session, self._outputs, row)
        return {
            name: output if name in self._whole else output[:0] for name, output in outputs.items()
        }

    def run_body(self, compiled: CompiledCircuit, parameters: Array) -> Array:
        """Return what a compiled circuit gives for parameters of shape `(batch, P)`."""
        return run_onnx_body(self._artifact, compiled, parameters)


class DeviceEngine(ABC):
    """Runs the classical parts of a file in ONNX Runtime and its circuits on an executor.

    Attributes:
        provider: of ONNX Runtime.
        executor: runs the circuits.
        agreements: what showed, before the device was opened, that the compiled circuits are those
            of the file; empty if nothing is sent.
    """

    provider: str

    def __init__(
        self,
        artifact: OnnxArtifact,
        executor: SessionExecutor,
        agreements: tuple[Agreement, ...],
    ) -> None:
        self._artifact = artifact
        self.executor = executor
        self.agreements = agreements

    @property
    def fingerprint(self) -> str:
        """The hash of the model file."""
        return digest(self._artifact.content)

    def counting(self) -> DeviceEngine:
        """Return an engine that counts what it would send; itself, if it only counts already."""
        if isinstance(self.executor, CountingExecutor):
            return self
        return self._with(self.executor.counting())

    def probing(self) -> DeviceEngine:
        """Return an engine that sends nothing and counts nothing; circuits give zeros."""
        return self._with(CountingExecutor(lambda _circuit, _parameters: Tally()))

    @abstractmethod
    def _with(self, executor: CountingExecutor) -> DeviceEngine: ...

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name."""
        return self.run_with(inputs, self.executor)

    def run_body(self, compiled: CompiledCircuit, parameters: Array) -> Array:
        """Return what a compiled circuit gives for parameters of shape `(batch, P)`."""
        return run_onnx_body(self._artifact, compiled, parameters)

    @abstractmethod
    def run_with(self, inputs: Mapping[str, Array], executor: Executor) -> dict[str, Array]:
        """Return the outputs by name, and run the circuits on another executor."""


class CustomOpEngine(DeviceEngine):
    """Runs the whole model in one session, in which a custom operator calls the executor."""

    def __init__(
        self,
        artifact: OnnxArtifact,
        model: CustomOpModel,
        executor: SessionExecutor,
        agreements: tuple[Agreement, ...],
    ) -> None:
        super().__init__(artifact, executor, agreements)
        self._model = model
        self.provider = model.provider

    def _with(self, executor: CountingExecutor) -> CustomOpEngine:
        return CustomOpEngine(self._artifact, self._model, executor, self.agreements)

    def run_with(self, inputs: Mapping[str, Array], executor: Executor) -> dict[str, Array]:
        """Return the outputs by name, and run the circuits on another executor."""
        return self._model.run(inputs, executor)


class SplitEngine(DeviceEngine):
    """Runs the segments between the circuits one after another, each in a session of its own."""

    def __init__(
        self,
        artifact: OnnxArtifact,
        stages: Sequence[tuple[Stage, Any]],
        executor: SessionExecutor,
        agreements: tuple[Agreement, ...],
    ) -> None:
        super().__init__(artifact, executor, agreements)
        self._stages = stages
        started = [session for _, session in stages if session is not None]
        self.provider = onnx.provider_of(started[0]) if started else "none"

    def _with(self, executor: CountingExecutor) -> SplitEngine:
        return SplitEngine(self._artifact, self._stages, executor, self.agreements)

    def run_with(self, inputs: Mapping[str, Array], executor: Executor) -> dict[str, Array]:
        """Return the outputs by name, and run the circuits on another executor."""
        values: dict[str, Array] = dict(inputs)
        for stage, session in self._stages:
            if session is not None:
                fed = {name: values[name] for name in stage.segment.inputs}
                values |= onnx.run(session, stage.segment.outputs, fed)
            for call in stage.circuits:
                circuit = self._artifact.circuits[call.function]
                results = run_on(executor, circuit, values[call.parameters])
                values[call.results] = results.astype(call.dtype)
        return {name: values[name] for name in self._artifact.outputs}


def _start_segment(stage: Stage, path: str, execution: Execution) -> Any:
    content = stage.segment.content
    if not content:
        return None
    return onnx.start(content, path, execution.provider, threads=execution.threads)
