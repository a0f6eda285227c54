"""Messages of plug-ins, with the secrets in them replaced."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

_SECRET = re.compile(
    r"(^|_)(API_?KEY|\w*_?KEY|\w*TOKEN|\w*SECRET\w*|PASS(WORD|WD|PHRASE)?|CREDENTIALS?|AUTH|PAT)"
    r"(_|$)|PASSWORD|SECRET",
    re.IGNORECASE,
)
# Shorter values are words like "1" or "none" and occur in any message.
_SHORTEST = 6
_IN_HEADERS = re.compile(
    r"\b(Bearer|Basic|apikey|Token)(\s*[:=]\s*|\s+)(?=\S*\d)[\w.~+/=-]{8,}", re.I
)
_IN_ADDRESSES = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")


def is_secret(name: str) -> bool:
    """Return whether the name of a variable or an option is that of a secret."""
    return _SECRET.search(name) is not None


def scrub(text: str) -> str:
    """Return a text with the values of secret variables replaced by the variables' names.

    Example:
        >>> import os
        >>> os.environ["SOME_API_KEY"] = "abc-123-xyz"
        >>> scrub("401 for key abc-123-xyz")
        '401 for key <SOME_API_KEY>'
        >>> del os.environ["SOME_API_KEY"]
    """
    found = [
        (form, name)
        for name, value in os.environ.items()
        if is_secret(name) and len(value.strip()) >= _SHORTEST
        for form in {value.strip(), quote(value.strip(), safe=""), repr(value.strip())[1:-1]}
    ]
    # Longer values first: one value may contain another.
    for value, name in sorted(found, key=lambda pair: -len(pair[0])):
        text = text.replace(value, f"<{name}>")
    return _IN_ADDRESSES.sub("<hidden>", _IN_HEADERS.sub(r"\1 <hidden>", text))


def describe(error: BaseException) -> str:
    """Return the class and the message of a plug-in's error, without secrets."""
    return scrub(f"{type(error).__name__}: {error}")


def shown(error: BaseException) -> BaseException | None:
    """Return the error for `raise ... from`, or None if a message in its chain holds a secret."""
    chain = f"{error} {error.__cause__} {error.__context__}"
    return error if scrub(chain) == chain else None
