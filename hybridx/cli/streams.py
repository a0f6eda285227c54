"""Standard streams that can be written to, whatever their encoding."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Mapping
from io import TextIOWrapper

_PLAIN: Mapping[str, str] = {
    "─": "-", "│": "|", "┼": "+", "┤": "|", "├": "|", "└": "`", "●": "@", "○": "o", "⊕": "(+)",
    "×": "x", "⟨": "<", "⟩": ">", "…": "...", "±": "+-", "·": ".", "†": "^", "θ": "theta",
    "φ": "phi", "π": "pi", "→": "->", "≤": "<=", "≥": ">=", "µ": "u",
}  # fmt: skip


def _as_plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return plain characters for those that an encoding does not have."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    plain = "".join(
        _PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in text
    )
    return plain, error.end


codecs.register_error("hybridx.plain", _as_plain)


def make_writable() -> None:
    """Let stdout and stderr take every text: what their encoding lacks is written plainly."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="hybridx.plain")
