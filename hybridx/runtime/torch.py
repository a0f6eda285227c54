"""TorchScript and PT2 programs run by torch, after `guard.py` has checked them."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch

from hybridx.artifact import TorchArtifact, leaves
from hybridx.errors import BrokenArtifactError, DeviceFailedError, first_line
from hybridx.runtime.guard import checked
from hybridx.runtime.sharing.forks import loading
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
        archive = io.BytesIO(checked(artifact.content, format, path))
        try:
            with _without_threads(), _quiet():
                self._program = _LOADERS[format](archive)
        except Exception as error:
            # torch has no class of error for a file that it cannot load.
            problem = f"torch refuses it: {type(error).__name__}: {first_line(error)}"
            raise BrokenArtifactError(path, problem) from error

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs of the program by name.

        Raises:
            DeviceFailedError: torch stopped; the reason is its own.
            BrokenArtifactError: the number of outputs is not the file's.
        """
        args = [
            torch.from_numpy(np.array(inputs[one.name], order="C")) for one in self._artifact.inputs
        ]
        try:
            with torch.inference_mode(), _without_threads():
                returned = self._program(*args)
        except Exception as error:
            # torch has no class of error for a program that stops.
            raise DeviceFailedError("torch", first_line(error)) from error
        tensors = leaves(returned)
        names = self._artifact.outputs
        if len(tensors) != len(names):
            problem = f"it returns {len(tensors)} outputs, and names {len(names)}"
            raise BrokenArtifactError(self._artifact.path, problem)
        return {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}


def _load_torchscript(archive: io.BytesIO) -> Callable[..., Any]:
    module: Callable[..., Any] = torch.jit.load(archive, map_location="cpu")
    return module


def _load_pt2(archive: io.BytesIO) -> Callable[..., Any]:
    # The session has checked the shapes already, and its messages name the inputs.
    return torch.export.load(archive).module(check_guards=False)


_LOADERS: Mapping[str, Callable[[io.BytesIO], Callable[..., Any]]] = {
    "torchscript": _load_torchscript,
    "pt2": _load_pt2,
}


_PROCESS: Final = os.getpid()


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
