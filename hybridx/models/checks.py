"""Checks of configuration values. Each error names the field, its value and what is allowed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """The real numbers between `low` and `high`; `high` is outside, `low` inside if `has_low`."""

    low: float
    high: float
    has_low: bool

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low < value < self.high or (self.has_low and value == self.low)

    def __str__(self) -> str:
        return f"{'[' if self.has_low else '('}{self.low:g}, {self.high:g})"


UNIT = Interval(0.0, 1.0, has_low=True)
OPEN_UNIT = Interval(0.0, 1.0, has_low=False)


def check_count(name: str, value: object, minimum: int = 1) -> None:
    """Refuse everything but a whole number of at least `minimum`; a bool is refused too.

    Raises:
        ValueError: `value` is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f"{name} is {value!r}; it must be a whole number of at least {minimum}")


def check_number(name: str, value: object, allowed: Interval) -> None:
    """Refuse everything but a number in `allowed`; a bool is refused too.

    Raises:
        ValueError: `value` is something else, NaN included.
    """
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; it must be a number in {allowed}")


def check_flag(name: str, value: object) -> None:
    """Refuse everything but True and False.

    Raises:
        ValueError: `value` is something else.
    """
    if not isinstance(value, bool):
        raise ValueError(  # noqa: TRY004 - one class of error for every refused value
            f"{name} is {value!r}; it must be True or False"
        )


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Refuse everything but one of `choices`.

    Raises:
        ValueError: `value` is something else.
    """
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")


def check_name(name: str, value: object) -> None:
    """Refuse everything but a text with at least one character.

    Raises:
        ValueError: `value` is something else.
    """
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}; it must be a text that is not empty")


def check_names(name: str, value: object, minimum: int) -> None:
    """Refuse everything but a tuple of at least `minimum` different texts, none of them empty.

    Raises:
        ValueError: `value` is something else.
    """
    items = value if isinstance(value, tuple) else ()
    for index, item in enumerate(items):
        check_name(f"{name}[{index}]", item)
    if len(items) < minimum or len(set(items)) < len(items):
        raise ValueError(
            f"{name} is {value!r}; it must be a tuple of {minimum} or more different names"
        )
