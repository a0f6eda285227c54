"""TorchScript and PT2 programs run by torch, after `artifact/guard` has checked them."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor

from hybridx.artifact import (
    Body,
    TorchArtifact,
    check_lengths,
    checked,
    leaves,
    too_much_memory,
    too_much_work,
)
from hybridx.bounds import RUN_BYTES, RUN_SECONDS, TENSOR_AXES
from hybridx.errors import (
    BrokenArtifactError,
    DeviceFailedError,
    first_line,
)
from hybridx.runtime.circuits.alone import CompiledCircuit
from hybridx.runtime.sharing.forks import loading
from hybridx.runtime.torch.bodies import (
    BodyFunction,
    NoBodyThereError,
    of_program,
    of_script,
    on_rows,
)
from hybridx.runtime.torch.torch_internals import (
    as_written,
    intercepting,
    program_operators,
    script_operators,
)
from hybridx.runtime.torch.trusting import called, trusting
from hybridx.runtime.torch.work import Cost, Most, count, guard
from hybridx.storage import Array


class TorchEngine:
    """Runs a program in one of torch's formats.

    Attributes:
        provider: `torch`, which runs everything.
    """

    provider = "torch"

    def __init__(self, artifact: TorchArtifact) -> None:
        """Load the program.

        Raises:
            BrokenArtifactError: torch refuses the file, or torch must not read it.
        """
        path, format = artifact.path, artifact.format
        self._artifact = artifact
        # Whoever asks for no estimate of the time has bounded it otherwise.
        is_bounded = RUN_SECONDS.limit < RUN_SECONDS.most
        self._most = Most(RUN_SECONDS.limit * 1e9, RUN_BYTES.limit) if is_bounded else None
        program = checked(artifact.content, format, path)
        self._loading = program.nodes * _LOADED_NODE[format]
        if self._most is not None and self._loading > self._most.nanoseconds:
            raise too_much_work(self._loading, self._artifact.path)
        archive = io.BytesIO(program.content)
        try:
            with _without_threads(), _quiet():
                self._program, operators = _LOADERS[format](archive)
        except Exception as error:
            # torch has no class of error for a file that it cannot load.
            problem = f"torch refuses it: {type(error).__name__}: {first_line(error)}"
            raise BrokenArtifactError(path, problem) from error
        for name, problem in operators:
            if problem:
                raise BrokenArtifactError(path, f"its operator {name} {problem}")
        self._trusting = trusting([name for name, _ in operators])
        self._known: dict[Any, bool] = {}
        test = None if artifact.metadata is None else artifact.metadata.self_test
        self._test_shapes = test and tuple(test.inputs[one.name].shape for one in artifact.inputs)
        if test is not None:
            arrays = [np.zeros(test.inputs[one.name].shape, one.dtype) for one in artifact.inputs]
            self._is_known("program", self._program, [torch.from_numpy(one) for one in arrays])

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs of the program by name.

        Raises:
            DeviceFailedError: torch stopped; the reason is its own.
            BrokenArtifactError: the number of outputs is not the file's, or one is no dense tensor.
        """
        args = [
            torch.from_numpy(np.array(inputs[one.name], order="C")) for one in self._artifact.inputs
        ]
        returned = self._run("program", self._program, *args)
        tensors = leaves(returned)
        names = self._artifact.outputs
        if len(tensors) != len(names):
            problem = f"it returns {len(tensors)} outputs, and names {len(names)}"
            raise BrokenArtifactError(self._artifact.path, problem)
        if not all(map(_is_plain, tensors)):
            raise BrokenArtifactError(self._artifact.path, "it returns what is no plain tensor")
        # A program may return its weights, and one tensor twice.
        return {name: np.array(tensor.numpy()) for name, tensor in zip(names, tensors, strict=True)}

    def run_body(self, compiled: CompiledCircuit, parameters: Array) -> Array:
        """Return what a compiled circuit gives for parameters of shape `(batch, P)`.

        Raises:
            DeviceFailedError: torch stopped; the reason is its own.
            BrokenArtifactError: the program has no such part, or it gives no dense tensor.
        """
        path = self._artifact.path
        body = self._artifact.bodies[compiled.circuit][compiled.place]
        try:
            function, rows = _BODIES[self._artifact.format](self._program, body)
        except NoBodyThereError as error:
            raise BrokenArtifactError(path, f"its circuit {compiled.circuit}: {error}") from error
        check_lengths([rows or 1, *parameters.shape])
        given = torch.from_numpy(np.array(parameters, order="C"))
        results = self._run(body, partial(on_rows, function, rows), given)
        if not _is_plain(results):
            raise BrokenArtifactError(path, f"its circuit {compiled.circuit} gives no plain tensor")
        return np.array(results.numpy())

    def _run(self, name: Hashable, function: Callable[..., Any], *args: Tensor) -> Any:
        """Call the program or a part of it, unless that takes too much time or memory.

        Raises:
            DeviceFailedError: torch stopped; the reason is its own.
            TooMuchWorkError: it takes too much time.
            TooMuchMemoryError: it takes too much memory.
        """
        most = self._most_for(args)
        cost = None
        if most is not None and not self._is_known(name, function, args):
            cost = Cost(most)
            function = guard(function, cost)
        try:
            with torch.inference_mode(), _without_threads(), self._checking(), as_written():
                return function(*args)
        except Exception as error:
            if cost is not None:
                self._refuse_over(cost)
            reason = error if cost is None or cost.failure is None else cost.failure
            # torch has no class of error for a program that stops.
            raise DeviceFailedError("torch", _reason(reason)) from error

    def _most_for(self, args: Sequence[Tensor]) -> Most | None:
        """Return how much a call may cost: as often the limit as it has rows that a user gave."""
        if self._most is None:
            return None
        shapes = tuple(tuple(one.shape) for one in args)
        once = Most(self._most.nanoseconds - self._loading, self._most.bytes)
        if shapes == self._test_shapes:
            return once
        lengths = {
            axis: length
            for one, shape in zip(self._artifact.inputs, shapes, strict=False)
            for axis, length in zip(one.shape, shape, strict=False)
            if isinstance(axis, str)
        }
        rows = max(1, math.prod(lengths.values()))
        return Most(rows * once.nanoseconds, rows * once.bytes)

    def _is_known(
        self, name: Hashable, function: Callable[..., Any], args: Sequence[Tensor]
    ) -> bool:
        """Return whether it is known that a call with such shapes is not too much.

        Raises:
            TooMuchWorkError: it takes too much time.
            TooMuchMemoryError: it takes too much memory.
        """
        most = self._most_for(args)
        if most is None:
            return True
        key = (name, tuple(tuple(one.shape) for one in args))
        if key not in self._known:
            cost, is_known = count(function, args, most)
            self._refuse_over(cost)
            if len(self._known) >= _MOST_SHAPES:
                self._known.clear()
            self._known[key] = is_known
        return self._known[key]

    def _refuse_over(self, cost: Cost) -> None:
        if cost.is_too_large:
            raise too_much_memory(cost.bytes, self._artifact.path)
        if cost.takes_too_long:
            raise too_much_work(self._loading + cost.nanoseconds, self._artifact.path)

    def _checking(self) -> AbstractContextManager[Any]:
        return intercepting(self._trusting, called) if self._trusting else nullcontext()


def _reason(error: Exception) -> str:
    """Return why a program stopped; TorchScript says it behind the place in its source."""
    lines = str(error).strip().splitlines()
    if len(lines) > 1 and lines[0].endswith("failed in the TorchScript interpreter."):
        return lines[-1].removeprefix("RuntimeError: ")
    return first_line(error)


# The dtypes that NumPy has, and a file's outputs may have.
_DTYPES = (
    *(torch.float16, torch.float32, torch.float64, torch.bool),
    *(torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8),
)


def _is_plain(value: Any) -> bool:
    is_dense = isinstance(value, torch.Tensor) and value.layout == torch.strided
    is_here = is_dense and value.device.type == "cpu" and value.dtype in _DTYPES
    return is_here and value.dim() <= TENSOR_AXES.limit


# A program, and the names of its operators with what is wrong with them.
_Loaded: TypeAlias = tuple[Callable[..., Any], list[tuple[str, str]]]


def _load_torchscript(archive: io.BytesIO) -> _Loaded:
    module = torch.jit.load(archive, map_location="cpu")
    return module, list(script_operators(module))


def _load_pt2(archive: io.BytesIO) -> _Loaded:
    program = torch.export.load(archive)
    # The session has checked the shapes already, and its messages name the inputs.
    return program.module(check_guards=False), list(program_operators(program.graph))


_BODIES: Mapping[str, Callable[[Any, Body], tuple[BodyFunction, int | None]]] = {
    "torchscript": of_script,
    "pt2": of_program,
}
_LOADERS: Mapping[str, Callable[[io.BytesIO], _Loaded]] = {
    "torchscript": _load_torchscript,
    "pt2": _load_pt2,
}


_PROCESS: Final = os.getpid()
# Nanoseconds that torch takes for each operator of a program to load it and find its cost.
_LOADED_NODE: Final[Mapping[str, float]] = {"torchscript": 3e5, "pt2": 2.5e6}
_MOST_SHAPES: Final = 1_000  # of inputs whose cost is kept


@contextmanager
def _quiet() -> Iterator[None]:
    """While active, nobody is warned: torch warns of `torch.jit.load` itself.

    The filters of warnings belong to the process, so one thread at a time changes them and puts
    them back. torch loads one PT2 file at a time as well.
    """
    with loading(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _without_threads() -> Iterator[None]:
    """While active in a process that was forked after torch was imported, torch uses one thread.

    OpenMP would wait for threads that only the parent process has. Elsewhere nothing changes.
    """
    if os.getpid() == _PROCESS:
        yield
        return
    with loading():
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
