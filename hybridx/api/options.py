"""Options and packages checked before any work begins."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from hybridx.errors import MissingExtraError, OptionError


def check_choice(option: str, value: object, choices: Sequence[object]) -> None:
    """Refuse a value that is not offered.

    Raises:
        OptionError: it names the choices.
    """
    if value not in choices:
        raise OptionError(option, str(value), ", ".join(map(str, choices)))


def need(purpose: str, *packages: str) -> None:
    """Refuse what needs a package of the `export` extra that is not there.

    Raises:
        MissingExtraError: it names the pip command.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(purpose, package, "export")
