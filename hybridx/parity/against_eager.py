"""An execution compared with the eager model, at several lengths of its open axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hybridx.artifact import BATCH, Signature
from hybridx.parity.compare import Array, compare
from hybridx.parity.draw import draw_inputs
from hybridx.parity.trials import SEED, Expected, open_axes


@dataclass(frozen=True)
class Comparison:
    """How a session compares with the eager model.

    Attributes:
        worst: the largest error.
        batches: the sizes that were compared.
        refused: the sizes that the eager model itself refuses, each with its reason; the size is
            None where there is no batch.
    """

    worst: float
    batches: tuple[int, ...]
    refused: Mapping[int | None, str]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of it."""
        if not self.refused:
            return ()
        *others, last = map(str, self.refused)
        what = f"batch sizes {', '.join(others)} and {last}" if others else f"batch size {last}"
        what = "drawn inputs" if None in self.refused else what
        reason = next(iter(self.refused.values()))
        left = "these are not compared" if self.batches else "the file is compared with nothing"
        return (f"the model itself refuses {what}, {left}: {reason}",)


class Comparable(Protocol):
    """What can be compared with the eager model: a session, or a graph in memory."""

    @property
    def inputs(self) -> tuple[Signature, ...]:
        """Names, dtypes and shapes."""

    @property
    def device(self) -> str:
        """What runs the circuits."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name."""


def compare_with_eager(
    session: Comparable,
    examples: Mapping[str, Array],
    expected: Expected,
    trials: Sequence[Mapping[str, int]],
    distribution: str,
    tolerance: float,
) -> Comparison:
    """Compare a session with the eager model at several lengths of the open axes.

    What the eager model itself refuses is left out: it may take lengths up to a limit, or hold
    numbers of rows in an integer input.

    Raises:
        MismatchError: an error is above the tolerance.
    """
    from hybridx.capture import first_line

    axes = open_axes(session.inputs)
    worst = 0.0
    compared: list[int] = []
    refused: dict[int | None, str] = {}
    for lengths in trials:
        batch = lengths.get(BATCH, 1)
        # Rather than nothing, the example's own lengths of the other axes.
        for tried in (lengths, {BATCH: batch}):
            inputs = draw_inputs(
                examples, axes, lengths=tried, distribution=distribution, seed=SEED + batch
            )
            try:
                outputs = expected(inputs)
            except Exception as refusal:
                # The model is the user's own code and may raise anything.
                refused[lengths.get(BATCH)] = f"{type(refusal).__name__}: {first_line(refusal)}"
                continue
            refused.pop(lengths.get(BATCH), None)
            error = compare(
                session.run(inputs),
                outputs,
                tolerance=tolerance,
                left=f"the file on {session.device}",
                right="the eager model",
                batch=batch,
            )
            worst = max(worst, error)
            compared.append(batch)
            break
    return Comparison(worst, tuple(compared), refused)
