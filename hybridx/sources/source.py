"""Find the model that `file.py:attribute`, `package.module:attribute` or `config.toml` names."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from hybridx.capture import is_function_of_tensors, line_of_user, read_model, removed_idiom
from hybridx.errors import (
    FactoryFailedError,
    MadeByMainError,
    ModelEndsError,
    NotAModuleError,
    OptionNeedsError,
    SourceAttributeError,
    SourceNotFoundError,
)
from hybridx.sources.arguments import Call, needed, read_call, takes_settings, unfilled
from hybridx.sources.checkpoints import Checkpoint, load_checkpoint, read_checkpoint
from hybridx.sources.example import example_from_shapes
from hybridx.sources.importing import import_file, importing_from
from hybridx.sources.loads_noted import LoadsNoted
from hybridx.sources.user_errors import is_made_by_main, raised_on_import


@dataclass(frozen=True)
class Source:
    """A model, and what its source says about its input.

    Attributes:
        model: ready for use.
        example: inputs of the right shape, or empty if the source does not say.
        columns: names of the input's columns in a table; may be empty.
        classes: names of the logits in order; may be empty.
        weights: a phrase on where the weights come from, if nothing is known to have loaded them.
        notes: sentences for the user.
    """

    model: nn.Module
    example: tuple[Tensor, ...] = ()
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    weights: str = ""
    notes: tuple[str, ...] = ()


@contextmanager
def found_source(
    text: str, checkpoint: Path | None = None, arguments: Sequence[str] = ()
) -> Iterator[Source]:
    """Yield the model that a SOURCE names, with a checkpoint loaded into it.

    While active, the model's code can import modules from its own folder. Afterwards `sys.modules`
    and `sys.meta_path` are restored, without the user's modules.

    Args:
        text: the SOURCE.
        checkpoint: weights to load.
        arguments: of the class or the factory, each `NAME=VALUE`.

    Raises:
        UsageError: the source does not give a module.
        RemovedIdiomError: it uses what PennyLane has removed.
        CheckpointError: the checkpoint belongs to another model, or cannot be read.
        FileMissingError: a file cannot be read.
    """
    if text.endswith(".toml"):
        if arguments:
            raise OptionNeedsError("--arg", "a class or a factory as SOURCE")
        yield _from_config(Path(text), checkpoint)
        return
    place, _, attribute = text.rpartition(":")
    if not place or not attribute:
        raise SourceNotFoundError(text, "it has no colon with an attribute behind it")
    # As `python file.py` and `python -m` do: the folder of the file, or the current folder.
    folder = Path(place).parent if place.endswith(".py") else Path.cwd()
    with importing_from(folder), _ends_refused():
        called = Path(place).stem if place.endswith(".py") else place
        # Before the user's modules are imported, which may take long.
        loaded = None if checkpoint is None else read_checkpoint(checkpoint)
        found = _attribute(_import(place, text), place, called, attribute)
        yield _made(found, text, loaded, arguments)


def _from_config(path: Path, checkpoint: Path | None) -> Source:
    from hybridx.models import load_classifier, load_config

    config = load_config(path)
    width = config.model.classical.input_dim
    return Source(
        model=load_classifier(path, checkpoint),
        example=tuple(one.tensor for one in example_from_shapes([f"N,{width}"]).inputs),
        columns=config.data.features,
        classes=config.data.classes,
    )


def _import(place: str, source: str) -> ModuleType:
    try:
        if place.endswith(".py"):
            return import_file(Path(place))
        return importlib.import_module(place)
    except (Exception, SystemExit) as error:
        # The user's module may raise anything while it is imported.
        if removed := removed_idiom(error):
            raise removed from error
        if isinstance(error, SyntaxError) or line_of_user(error):
            raise raised_on_import(source, error) from error
        if isinstance(error, OSError):
            raise SourceNotFoundError(source, error.strerror or str(error)) from error
        raise SourceNotFoundError(source, f"{type(error).__name__}: {error}") from error


@contextmanager
def _ends_refused() -> Iterator[None]:
    """Turn a call of `sys.exit` in the user's code into an error.

    Raises:
        ModelEndsError: the code ends the program.
    """
    try:
        yield
    except SystemExit as error:
        raise ModelEndsError(line_of_user(error) or "a line of a library") from error


def _attribute(module: ModuleType, place: str, called: str, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        if is_made_by_main(place, name):
            raise MadeByMainError(called, name) from None
        public = [other for other in vars(module) if not other.startswith("_")]
        nearest = difflib.get_close_matches(name, public, n=3, cutoff=0.3) or public[:5]
        raise SourceAttributeError(called, name, ", ".join(nearest) or "none") from None


def _made(
    found: Any, source: str, checkpoint: Checkpoint | None, arguments: Sequence[str]
) -> Source:
    """Return the model that an object of the user's is or makes, with a checkpoint loaded."""
    known = {} if checkpoint is None else checkpoint.hyper_parameters
    model, weights = found, ""
    notes: tuple[str, ...] = ()
    if _is_factory(found, arguments, known):
        call = read_call(found, arguments, known)
        model, has_loaded = _called(found, call, source)
        notes = _learned(call, checkpoint)
        if not has_loaded and checkpoint is None and _has_weights(model):
            weights = (
                f"made by calling {call.text}; no checkpoint was loaded, so they are initial ones "
                "unless the call sets others itself"
            )
            notes += (
                f"the model is made by calling {call.text}, and no checkpoint is loaded: its "
                "weights are initial ones, unless the call sets others itself; give --checkpoint",
            )
    elif arguments:
        raise OptionNeedsError("--arg", "a class or a factory as SOURCE")
    elif is_function_of_tensors(found):
        model = read_model(found)[0]
    if not isinstance(model, nn.Module):
        raise NotAModuleError(source, type(model).__name__)
    if checkpoint is not None:
        if _is_plain_function(found) and not model.state_dict():
            raise unfilled(found)
        notes += load_checkpoint(model, checkpoint)
    return Source(model, weights=weights, notes=notes)


def _is_factory(found: Any, arguments: Sequence[str], known: Mapping[str, Any]) -> bool:
    """Return whether an object is to be called for the model.

    A function that needs arguments is itself a model, unless its arguments are given or are no
    tensors by their annotations.
    """
    if isinstance(found, nn.Module) or not callable(found):
        return False
    if isinstance(found, type) or not is_function_of_tensors(found):
        return True
    if not _is_plain_function(found):
        return False
    return bool(arguments) or needed(found) <= known.keys() or takes_settings(found)


def _is_plain_function(found: Any) -> bool:
    return inspect.isroutine(found) or isinstance(found, functools.partial)


def _called(found: Any, call: Call, source: str) -> tuple[Any, bool]:
    """Return what a factory gives, and whether it loads or trains weights itself."""
    noted = LoadsNoted()
    try:
        with noted:
            return found(*call.args, **call.kwargs), noted.has_loaded
    except Exception as error:
        # A factory is the user's code and may raise anything.
        if removed := removed_idiom(error):
            raise removed from error
        place = source.rpartition(":")[0]
        raised = f"{type(error).__name__}: {error}"
        line = line_of_user(error) or place
        raise FactoryFailedError(f"{place}:{call.text}", raised, line) from error


def _learned(call: Call, checkpoint: Checkpoint | None) -> tuple[str, ...]:
    if not call.learned or checkpoint is None:
        return ()
    names = ", ".join(call.learned)
    return (f"the checkpoint's hyper_parameters give {names}: the model is made by {call.text}",)


def _has_weights(model: Any) -> bool:
    return isinstance(model, nn.Module) and next(model.parameters(), None) is not None
