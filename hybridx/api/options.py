"""Options and packages checked before any work begins."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

from hybridx.errors import MissingExtraError, OptionError


def check_choice(option: str, value: object, choices: Sequence[object]) -> None:
    """Refuse a value that is not offered.

    Raises:
        OptionError: it names the choices.
    """
    if value not in choices:
        raise OptionError(option, str(value), ", ".join(map(str, choices)))


def check_batch(batch: object) -> None:
    """Refuse a batch that is not `dynamic`, `none` or a number of rows.

    Raises:
        OptionError: it names the choices.
    """
    is_number = isinstance(batch, int) and not isinstance(batch, bool) and batch > 0
    if not is_number and batch not in ("dynamic", "none"):
        raise OptionError("batch", str(batch), "dynamic, none, or a whole number of rows")


def read_batch(text: str) -> Literal["dynamic", "none"] | int:
    """Return the batch of a `--batch` option.

    Raises:
        OptionError: it is not one.
    """
    match text:
        case "dynamic":
            return "dynamic"
        case "none":
            return "none"
    check_batch(int(text) if text.isdecimal() else text)
    return int(text)


def need(purpose: str, *packages: str) -> None:
    """Refuse a task if a package of the `export` extra that it needs is not installed.

    Raises:
        MissingExtraError: a package is missing.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(purpose, package, "export")
