"""TorchScript and PT2 programs run by torch, after `guard.py` has checked them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from hybridx.artifact import TorchArtifact, leaves
from hybridx.errors import BrokenArtifactError, DeviceFailedError, first_line
from hybridx.runtime.guard import checked
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
            with _quiet():
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
            with torch.inference_mode(), _quiet():
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


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
