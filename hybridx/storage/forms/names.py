"""The names of the forms of data files, and the endings that mean them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import Final, TextIO

from hybridx.errors import OptionError, OptionNeedsError

ENDINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "npy": (".npy",),
        "npz": (".npz",),
        "csv": (".csv", ".csv.gz"),
        "tsv": (".tsv", ".tsv.gz"),
        "json": (".json",),
        "parquet": (".parquet",),
    }
)
PIPE: Final = "-"
"""The path of stdin and of stdout."""

_pipe: ContextVar[TextIO | None] = ContextVar("_pipe", default=None)


@contextmanager
def piping_to(stream: TextIO | None) -> Iterator[None]:
    """Let `-` as an output be this stream meanwhile, in place of `sys.stdout`."""
    token = _pipe.set(stream)
    try:
        yield
    finally:
        _pipe.reset(token)


def stdout() -> TextIO | None:
    """Return the stream that `-` is as an output, or None if there is none."""
    return _pipe.get() or sys.stdout


def format_of(place: str | Path, format: str | None, what: str) -> str:
    """Return the name of the form of a data file.

    Args:
        place: its path, or `-`.
        format: what the user calls the form; by default the ending decides.
        what: `input`, `output` or `data`, the option that names the file, for messages.

    Raises:
        OptionError: there is no such form or ending.
        OptionNeedsError: a pipe, whose form is not named.
    """
    if format is not None:
        if format not in ENDINGS:
            raise OptionError(f"--{what}-format", format, ", ".join(ENDINGS))
        return format
    if str(place) == PIPE:
        raise OptionNeedsError(f"--{what} -", f"--{what}-format")
    name = Path(place).name
    for known, endings in ENDINGS.items():
        if name.lower().endswith(endings):
            return known
    every = ", ".join(ending for endings in ENDINGS.values() for ending in endings)
    raise OptionError(f"the ending of --{what}", name, every)
