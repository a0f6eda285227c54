"""What a machine is to the compiler: how long each kind of work takes on it."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from math import exp, log

from hybridx.lowering.names import MachineName


@dataclass(frozen=True, slots=True)
class Machine:
    """The times of a kind of machine, in nanoseconds, from which plans are chosen for it.

    They hold for float32. `hybridx.lowering.machines` has a table for each kind.

    Attributes:
        name: as users write it.
        measured: on what the numbers were measured, for people.
        ns_per_call: that a session takes for no work at all.
        ns_per_step: for each step that starts.
        ns_per_multiply_add: in a matrix product, by the length of the batch, ascending. The first
            and the last length are those for which plans are compared.
        ns_per_element: for each number that a cosine or a transpose writes, beside the next one.
        ns_per_number: for each number that any step writes and a later one reads; none where
            the values of a few rows stay near a core.
        far_bytes: constants that take more leave the memory near a core.
        far: how many times as long their products then take.
        near_bytes: of the states of all rows that are computed at once: with more, the states and
            what is made of them leave the memory near a core. None where more rows at once are
            never slower, so that no loop is needed.
        lacks: operators of ONNX that its engines have only at the cost of copies.
    """

    name: MachineName
    measured: str
    ns_per_call: float
    ns_per_step: float
    ns_per_multiply_add: tuple[tuple[int, float], ...]
    ns_per_element: float
    ns_per_number: float
    far_bytes: float
    far: float
    near_bytes: int | None
    lacks: frozenset[str] = frozenset()

    @property
    def batches(self) -> tuple[int, ...]:
        """The lengths of a batch for which plans are compared: a short one and a long one."""
        lengths = [length for length, _ in self.ns_per_multiply_add]
        return (lengths[0], lengths[-1])

    def product(self, batch: int, constant_bytes: float) -> float:
        """Return the nanoseconds of a multiply-add in a matrix product.

        Between the lengths of the table its logarithm follows a line over that of the length.

        Args:
            batch: how many rows there are.
            constant_bytes: of all constants of the program.
        """
        lengths, times = zip(*self.ns_per_multiply_add, strict=True)
        place = bisect(lengths, batch)
        if place in (0, len(lengths)) or lengths[place - 1] == batch:
            time = times[max(place - 1, 0)]
        else:
            below, above = lengths[place - 1 : place + 1]
            share = log(batch / below) / log(above / below)
            time = exp((1 - share) * log(times[place - 1]) + share * log(times[place]))
        return float(time * (self.far if constant_bytes > self.far_bytes else 1))
