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
    """Refuse a batch that is neither open, nor a number of rows, nor none.

    Raises:
        OptionError: it names the choices.
    """
    is_number = isinstance(batch, int) and not isinstance(batch, bool) and batch > 0
    if not is_number and batch not in ("dynamic", "none"):
        raise OptionError("batch", str(batch), "dynamic, none, or a whole number of rows")


def read_batch(text: str) -> Literal["dynamic", "none"] | int:
    """Return the batch that a text names.

    Raises:
        OptionError: it names none.
    """
    match text:
        case "dynamic":
            return "dynamic"
        case "none":
            return "none"
    check_batch(int(text) if text.isdecimal() else text)
    return int(text)


def need(purpose: str, *packages: str) -> None:
    """Refuse what needs a package of the `export` extra that is not there.

    Raises:
        MissingExtraError: it names the pip command.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(purpose, package, "export")
