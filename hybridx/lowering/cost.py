"""The cost of a program, counted before it is built, the time predicted from it, and limits."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from hybridx.lowering.machines.cpu import CPU
from hybridx.lowering.machines.machine import Machine

EASY = 0.125  # of the time of an element of a cosine, for one that a multiplication writes

# The most bytes that the float32 constants of one program may take.
MOST_FOLDED = 48e6  # where all constant gates are folded into one matrix or tensor
MOST_LAYERED = 40e6  # where every layer of the circuit has matrices of its own
MOST_IN_FILE = 1.5e9  # where nothing is folded: what one file holds without external data


def name_bytes(count: float) -> str:
    """Return a number of bytes as a text, `435 bytes`, `4.35 kB`, `48 MB` or `1.5 GB`."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts for one row of the batch.

    Attributes:
        multiply_adds: in matrix products.
        elements: written outside matrix products.
        steps: nodes that run for each call; constants are none.
        constant_bytes: in float32.
        numbers: written by any step, which a later one reads; constants are none. `elements` are
            those of them that take a processor long.
    """

    multiply_adds: float
    elements: float
    steps: int
    constant_bytes: float
    numbers: float = 0.0

    def predict(self, batch: int, machine: Machine = CPU) -> float:
        """Return the predicted time of one call in nanoseconds, beside that of an empty one."""
        product = machine.product(batch, self.constant_bytes)
        passes = self.elements * machine.ns_per_element + self.numbers * machine.ns_per_number
        a_row = self.multiply_adds * product + passes
        return self.steps * machine.ns_per_step + batch * a_row

    def time(self, machine: Machine = CPU) -> float:
        """Return the typical time of a call in nanoseconds: the geometric mean over the batches.

        Twice the time is then as bad for a single row as for many, and what every call takes
        anyway makes differences of a few steps small.
        """
        times = [machine.ns_per_call + self.predict(batch, machine) for batch in machine.batches]
        return float(prod(times) ** (1 / len(times)))

    def describe(self, machine: Machine = CPU) -> str:
        """Return the counts, and the times on a machine, as a sentence for people."""
        times = ", ".join(
            f"{self.predict(batch, machine) / 1e3:.0f} us at batch {batch}"
            for batch in machine.batches
        )
        return (
            f"{self.steps} steps, {self.multiply_adds:.3g} multiply-adds a row, "
            f"{name_bytes(self.constant_bytes)}; predicted {times}"
        )

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.multiply_adds + other.multiply_adds,
            self.elements + other.elements,
            self.steps + other.steps,
            self.constant_bytes + other.constant_bytes,
            self.numbers + other.numbers,
        )
