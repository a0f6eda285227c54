"""Find the model that `file.py:attribute`, `package.module:attribute` or `config.toml` names."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from hybridx.capture import is_function_of_tensors, read_model, removed_idiom
from hybridx.errors import (
    CheckpointError,
    FactoryFailedError,
    FileMissingError,
    NotAModuleError,
    SourceAttributeError,
    SourceNotFoundError,
)
from hybridx.sources.example import example_from_shapes
from hybridx.sources.importing import import_file, importing_from


@dataclass(frozen=True)
class Source:
    """A model, and what its source says about its input.

    Attributes:
        model: ready for use.
        example: inputs of the right shape, or empty if the source does not say.
        columns: names of the input's columns in a table; may be empty.
        classes: names of the logits in order; may be empty.
    """

    model: nn.Module
    example: tuple[Tensor, ...] = ()
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@contextmanager
def found_source(text: str, checkpoint: Path | None = None) -> Iterator[Source]:
    """Yield the model that a SOURCE names, with a checkpoint loaded into it.

    While active, the model's code can import modules from its own folder. Afterwards `sys.modules`
    and `sys.meta_path` are restored, without the user's modules.

    Raises:
        UsageError: the source does not give a module.
        RemovedIdiomError: it uses what PennyLane has removed.
        CheckpointError: the checkpoint belongs to another model.
        FileMissingError: a file cannot be read.
    """
    if text.endswith(".toml"):
        yield _from_config(Path(text), checkpoint)
        return
    place, _, attribute = text.rpartition(":")
    if not place or not attribute:
        raise SourceNotFoundError(text, "it has no colon with an attribute behind it")
    # As `python file.py` and `python -m` do: the folder of the file, or the current folder.
    folder = Path(place).parent if place.endswith(".py") else Path.cwd()
    with importing_from(folder):
        called = Path(place).stem if place.endswith(".py") else place
        found = _attribute(_import(place, text), called, attribute)
        model = _make(found, text)
        if checkpoint is not None:
            _load_checkpoint(model, checkpoint)
        yield Source(model)


def _from_config(path: Path, checkpoint: Path | None) -> Source:
    from hybridx.models import load_classifier, load_config

    config = load_config(path)
    width = config.model.classical.input_dim
    return Source(
        model=load_classifier(path, checkpoint),
        example=tuple(one.tensor for one in example_from_shapes([f"N,{width}"])),
        columns=config.data.features,
        classes=config.data.classes,
    )


def _import(place: str, source: str) -> ModuleType:
    try:
        if place.endswith(".py"):
            return import_file(Path(place))
        return importlib.import_module(place)
    except OSError as error:
        raise SourceNotFoundError(source, error.strerror or str(error)) from error
    except Exception as error:
        # The user's module may raise anything while it is imported.
        if removed := removed_idiom(error):
            raise removed from error
        raise SourceNotFoundError(source, f"{type(error).__name__}: {error}") from error


def _attribute(module: ModuleType, called: str, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        public = [other for other in vars(module) if not other.startswith("_")]
        nearest = difflib.get_close_matches(name, public, n=3, cutoff=0.3) or public[:5]
        raise SourceAttributeError(called, name, ", ".join(nearest) or "none") from None


def _make(found: Any, source: str) -> nn.Module:
    if is_function_of_tensors(found):
        return read_model(found)[0]
    made = found
    if callable(found) and not isinstance(found, nn.Module):
        try:
            made = found()
        except Exception as error:
            # A factory is the user's code and may raise anything.
            if removed := removed_idiom(error):
                raise removed from error
            raise FactoryFailedError(source, f"{type(error).__name__}: {error}") from error
    if not isinstance(made, nn.Module):
        raise NotAModuleError(source, type(made).__name__)
    return made


def _load_checkpoint(model: nn.Module, path: Path) -> None:
    """Load a `.safetensors` file or a torch file of tensors; nothing else is unpickled."""
    import pickle

    import safetensors
    import safetensors.torch

    if not path.is_file():
        raise FileMissingError(str(path), "no such file")
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(str(path), f"it cannot be read ({error})") from error
    if not isinstance(state, dict):
        raise CheckpointError(str(path), f"it holds a {type(state).__name__}, not a state_dict")
    own = model.state_dict()
    missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or unexpected:
        problem = f"missing keys: {_names(missing)}; unexpected keys: {_names(unexpected)}"
        raise CheckpointError(str(path), problem)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(str(path), str(error).splitlines()[-1].strip()) from error


def _names(keys: list[str]) -> str:
    shown = ", ".join(keys[:5]) or "none"
    return shown if len(keys) <= 5 else f"{shown} and {len(keys) - 5} more"
