"""Numbers for people."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """Return a number with what it counts, in the plural unless it is 1.

    Example:
        >>> counted(1, "circuit"), counted(2000, "circuit")
        ('1 circuit', '2,000 circuits')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def size(count: int) -> str:
    """Return a number of bytes for people.

    Example:
        >>> size(5_200), size(2_400_000)
        ('5.2 kB', '2.4 MB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{count / 1e3:.1f} kB"


def duration(seconds: float) -> str:
    """Return a duration for people, in three digits.

    Example:
        >>> duration(1.25), duration(0.0631), duration(2e-6)
        ('1.25 s', '63.1 ms', '2 µs')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def rate(per_second: float) -> str:
    """Return how many there are in a second for people.

    Example:
        >>> rate(69_730.4), rate(2.468)
        ('69,730', '2.5')
    """
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.2g}"
