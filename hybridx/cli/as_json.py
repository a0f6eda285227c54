"""Reports and errors as one JSON object, for programs; docs/json.md has the schema."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def encode(value: object, encoding: str | None) -> str:
    """Return one JSON object with a line break behind it.

    Args:
        value: a report.
        encoding: of the stream that it is written to. If that has not all of Unicode, other
            characters are escaped, as JSON allows; in any encoding, those that are not seen are.
            Bytes of a file's name that are no text, which Python keeps as surrogates, become
            question marks.
    """
    plain = _without_surrogates(msgspec.to_builtins(value, enc_hook=_plain, str_keys=True))
    text = msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()
    if (encoding or "").lower().replace("_", "-") not in ("utf-8", "utf8"):
        text = json.dumps(json.loads(text), indent=2)
    # A reader of JSON gets the same text, and a terminal nothing that it obeys.
    escaped = [one if one.isprintable() else _escaped(one) for one in text.split("\n")]
    return "\n".join(escaped) + "\n"


def _escaped(line: str) -> str:
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in line)


def _plain(value: object) -> object:
    import numpy as np

    if isinstance(value, np.ndarray):
        from hybridx.storage import as_lists

        return as_lists(value)
    raise NotImplementedError(type(value).__name__)


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case dict():
            return {
                _without_surrogates(key): _without_surrogates(one) for key, one in value.items()
            }
        case list() | tuple():
            return [_without_surrogates(one) for one in value]
        case _:
            return value
