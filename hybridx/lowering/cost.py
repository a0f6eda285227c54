"""The cost of a program, counted before it is built, the time predicted from it, and limits."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

# Nanoseconds on one core, fitted by hand to bodies of 4 to 10 wires in ONNX Runtime 1.31, float32.
NS_PER_STEP = 400.0  # a node that starts
NS_PER_MULTIPLY_ADD = {1: 0.04, 256: 0.014}  # a matrix times a vector waits for memory
FAR_BYTES, FAR = 4e6, 1.35  # constants that leave the cache near a core: products take longer
NS_PER_ELEMENT = 2.0  # written by a cosine or a transpose
EASY = 0.125  # of that, for one written by a multiplication
NS_PER_CALL = 6000.0  # that a session takes for no work at all

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
    """

    multiply_adds: float
    elements: float
    steps: int
    constant_bytes: float

    def predict(self, batch: int) -> float:
        """Return the predicted time of one call in nanoseconds, for a batch of 1 or 256."""
        ns_per_product = NS_PER_MULTIPLY_ADD[batch] * (
            FAR if self.constant_bytes > FAR_BYTES else 1
        )
        a_row = self.multiply_adds * ns_per_product + self.elements * NS_PER_ELEMENT
        return self.steps * NS_PER_STEP + batch * a_row

    @property
    def time(self) -> float:
        """The typical time of a call in nanoseconds: the geometric mean over the batches.

        Twice the time is then as bad for a single row as for many, and what every call takes
        anyway makes differences of a few steps small.
        """
        times = [NS_PER_CALL + self.predict(batch) for batch in NS_PER_MULTIPLY_ADD]
        return prod(times) ** (1 / len(times))

    def describe(self) -> str:
        """Return the counts as a sentence for people."""
        return (
            f"{self.steps} steps, {self.multiply_adds:.3g} multiply-adds a row, "
            f"{name_bytes(self.constant_bytes)}; predicted {self.predict(1) / 1e3:.0f} us "
            f"at batch 1, {self.predict(256) / 1e3:.0f} us at batch 256"
        )

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.multiply_adds + other.multiply_adds,
            self.elements + other.elements,
            self.steps + other.steps,
            self.constant_bytes + other.constant_bytes,
        )
