"""Check options and packages before any work begins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from hybridx.errors import (
    ConflictingOptionsError,
    FileMissingError,
    HubNameError,
    MissingExtraError,
    OptionError,
    OptionNeedsError,
    OwnMetadataError,
    SourceNotFoundError,
)
from hybridx.runtime import ONNX, Execution, check_execution
from hybridx.storage import check_readable

if TYPE_CHECKING:
    from hybridx.capture import OpenAxes


DTYPES: Final = ("float32", "float64")
"""The dtypes of a file."""

Dtype: TypeAlias = Literal["float32", "float64"] | Any
"""A dtype of a file: its name, or an object of torch or NumPy that has this name."""


def dtype_name(dtype: Dtype | None) -> str | None:
    """Return the name of a dtype of torch, of NumPy, or that is a name already.

    Example:
        >>> import numpy as np
        >>> dtype_name(np.float32), dtype_name(np.dtype("float64")), dtype_name(None)
        ('float32', 'float64', None)
    """
    if dtype is None or isinstance(dtype, str):
        return dtype
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or dtype
    return str(name).removeprefix("torch.")


PICTURES: Final = (".svg", ".png", ".pdf")
"""The endings of pictures."""


def check_ending(what: str, path: Path, endings: Sequence[str]) -> str:
    """Return the ending of a file's name in small letters.

    Raises:
        OptionError: it is not one of the endings.
    """
    ending = path.suffix.lower()
    if ending not in endings:
        raise OptionError(f"the ending of {what}", path.name, ", ".join(endings))
    return ending


_IDENTIFIER: Final = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")


def check_identifier(option: str, value: str | None) -> None:
    """Refuse what is no identifier of the Hugging Face Hub; which ones it knows, only it says.

    Raises:
        HubNameError: it has other characters, or more than 64.
    """
    if value is not None and not _IDENTIFIER.fullmatch(value):
        raise HubNameError(option, value)


_MOST_DIGITS: Final = 18  # of a number of 64 bits

BATCH_SIZE: Final = 4096
"""Rows that run at a time, so that a long file does not need memory for all rows."""


@dataclass(frozen=True)
class SourceOptions:
    """A SOURCE, and how it becomes a model with an example.

    Attributes:
        source: file.py:attribute, package.module:attribute or a config.toml.
        checkpoint: weights to load first.
        arguments: of the class or the factory that the source names, each `NAME=VALUE`.
        example: a file with example inputs; arrays with the name of an argument are that argument.
        shapes: shapes of example inputs, such as `N,4`, `x=N,T=12,4` or `ids=N,9:int64`; not needed
            for a config.toml.
        ranges: of integer inputs of these shapes, such as `ids=0:100`.
    """

    source: str
    checkpoint: Path | None = None
    arguments: Sequence[str] = ()
    example: Path | None = None
    shapes: Sequence[str] = ()
    ranges: Sequence[str] = ()

    def check(self) -> None:
        """Refuse a source that names nothing, and files that are not there, before all work.

        Raises:
            SourceNotFoundError: the source has no colon, or its file is not there.
            FileMissingError: a file is not there.
            ConflictingOptionsError: the example is given twice.
        """
        place, _, attribute = self.source.rpartition(":")
        if self.source.endswith(".toml"):
            check_readable(Path(self.source))
        elif not place or not attribute:
            raise SourceNotFoundError(self.source, "it has no colon with an attribute behind it")
        elif place.endswith(".py"):
            try:
                check_readable(Path(place))
            except FileMissingError as error:
                raise SourceNotFoundError(self.source, error.reason) from error
        if self.example is not None and self.shapes:
            raise ConflictingOptionsError("--shape", "--example")
        for given in (self.checkpoint, self.example):
            if given is not None:
                check_readable(given)


def check_run(chosen: Execution) -> None:
    """Refuse what cannot be meant for a run on data; raises as `check_execution`."""
    check_execution(chosen)
    if chosen.accept_unchecked and chosen.device == ONNX:
        raise OptionNeedsError("--accept-unchecked", "--device with the name of a PennyLane device")


def check_choice(option: str, value: object, choices: Sequence[object]) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        OptionError: the value is not; the message names the choices.
    """
    if value not in choices:
        raise OptionError(
            option, str(value), ", ".join(str(one) for one in choices if one is not None)
        )


Batch: TypeAlias = Literal["dynamic", "none"] | int
Dynamic: TypeAlias = Literal["batch", "none"] | int | Mapping[str, Mapping[int, str]]


def read_open_axes(
    dynamic: Dynamic | None, batch: Batch | None, invented: frozenset[str] = frozenset()
) -> OpenAxes:
    """Return which axes may have any length, from the parameters of `export` and `lower`.

    Args:
        dynamic: `batch`, `none`, a number of rows, or names of axes by input; None is `batch`.
        batch: the other spelling: `dynamic`, `none` or a number of rows. Beside names of axes, it
            speaks of the one that is called batch.
        invented: names of axes whose length the user did not give.

    Raises:
        OptionError: a value is none of these, or the two contradict each other.
    """
    from hybridx.capture import OpenAxes

    if batch is not None:
        _check_batch("batch", batch, "dynamic")
    if isinstance(dynamic, Mapping):
        return OpenAxes(dynamic, "dynamic" if batch is None else batch, invented)
    if dynamic is None:
        return OpenAxes(None, "dynamic" if batch is None else batch)
    _check_batch("dynamic", dynamic, "batch")
    found: Batch = "dynamic" if dynamic == "batch" else dynamic
    if batch not in (None, found):
        raise OptionError("batch", str(batch), f"{found}, as dynamic says")
    return OpenAxes(None, found)


def _check_batch(option: str, value: object, is_open: str) -> None:
    is_number = isinstance(value, int) and not isinstance(value, bool) and value > 0
    if not is_number and value not in (is_open, "none"):
        raise OptionError(option, str(value), f"{is_open}, none, or a whole number of rows")


def read_batch(text: str) -> Batch:
    """Return the batch that a text names.

    Raises:
        OptionError: the text names no batch.
    """
    match text:
        case "dynamic":
            return "dynamic"
        case "none":
            return "none"
    is_number = text.isdecimal() and len(text) <= _MOST_DIGITS
    _check_batch("batch", int(text) if is_number else text, "dynamic")
    return int(text)


def read_entries(texts: Sequence[str]) -> dict[str, str]:
    """Return the entries for the metadata of a file, each given as `KEY=VALUE`.

    Raises:
        OwnMetadataError: a text has another form, or a key is there twice.
    """
    entries: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise OwnMetadataError(text, "it is not KEY=VALUE")
        if key.strip() in entries:
            raise OwnMetadataError(text, f"{key.strip()!r} is given twice")
        entries[key.strip()] = value
    return entries


def need(purpose: str, *packages: str, extra: str = "export") -> None:
    """Refuse a task if a package of an extra that it needs is not installed.

    Raises:
        MissingExtraError: a package is missing.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(purpose, package, extra)
