"""How much goes to a device."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Tally:
    """How much goes to a device.

    Attributes:
        submissions: calls of the device, each for all rows of a slice.
        circuits: circuits in them, after the device's own preprocessing.
        shots: samples of all circuits together.
    """

    submissions: int = 0
    circuits: int = 0
    shots: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Tally)))

    def __str__(self) -> str:
        counted = [
            f"{count:,} {unit if count != 1 else unit.removesuffix('s')}"
            for count, unit in ((self.circuits, "circuits"), (self.shots, "shots"))
            if count or unit == "circuits"
        ]
        times = f" in {self.submissions:,} submissions" if self.submissions > 1 else ""
        return " with ".join(counted) + times
