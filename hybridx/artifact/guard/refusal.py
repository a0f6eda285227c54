"""How a part of an archive is refused that hybridx does not write."""

from __future__ import annotations


class Foreign(Exception):  # noqa: N818
    """A part of the archive that hybridx does not write."""


def require(holds: object, what: str) -> None:
    """Refuse an archive unless something holds.

    Raises:
        Foreign: it does not; `what` names the part, and is cut where it is long.
    """
    if not holds:
        raise Foreign(what if len(what) < 200 else f"{what[:200]}…")
