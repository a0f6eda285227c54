"""What typer keeps to itself about the values of options; nothing else here uses such names.

typer converts each value with a type adapter of pydantic. Importing pydantic and making the
adapters takes longer than all that `hybridx run` does with a small file, and what pydantic says of
a wrong value is not said to people. The few kinds of values that our commands take are read here.
A typer that converts in another way is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args, get_origin

import typer

_WORDS = {int: "a whole number", float: "a number"}


def reading_values(parameters: list[Any]) -> list[Any]:
    """Return the options and arguments of a command, which then read their values here.

    Args:
        parameters: as typer has made them.
    """
    for one in parameters:
        if hasattr(one, "_runtime_param"):
            known = one.type_descriptor
            least = getattr(known.parameter_info, "min", None)
            one._runtime_param = _Reader(known.annotation, least)
    return parameters


@dataclass(frozen=True)
class _Reader:
    """Reads the values of one option.

    Attributes:
        kind: `str`, `int`, `float`, `Path`, or a list of one of them.
        least: the smallest number that the option takes.
    """

    kind: Any
    least: float | None

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value of an option, of text or the default; typer calls this.

        Raises:
            typer.BadParameter: it is no value of this kind.
        """
        if get_origin(self.kind) is list:
            (kind,) = get_args(self.kind)
            return [self._read(one, kind, param, ctx) for one in value or ()]
        return None if value is None else self._read(value, self.kind, param, ctx)

    def _read(self, value: Any, kind: Any, param: Any, ctx: Any) -> Any:
        try:
            found = value if isinstance(value, kind) else kind(value)
            # NaN is no number here: it is not at least anything.
            is_fit = self.least is None or found >= self.least
        except ValueError:
            is_fit = False
        if not is_fit:
            least = "" if self.least is None else f" from {self.least:g}"
            text = f"{value!r} is not {_WORDS[kind]}{least}"
            raise typer.BadParameter(text, ctx=ctx, param=param)
        return found
