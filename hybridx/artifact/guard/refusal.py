"""How a part of an archive is refused that hybridx does not write."""

from __future__ import annotations

_MOST = 200  # characters of a file in a message


class Foreign(Exception):  # noqa: N818
    """A part of the archive that hybridx does not write."""

    def __init__(self, what: str) -> None:
        """Name the part; signs that a terminal would follow, and what is long, are left out."""
        shown = "".join(sign if sign.isprintable() else "?" for sign in what[:_MOST])
        super().__init__(shown if len(what) <= _MOST else f"{shown}…")


def require(holds: object, what: str) -> None:
    """Refuse an archive unless something holds; `what` names the part.

    Raises:
        Foreign: it does not hold.
    """
    if not holds:
        raise Foreign(what)
