"""Build a captured model, and compare it with the eager one at several lengths of open axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from hybridx.api.progress import Stages
from hybridx.errors import HybridxError, MismatchError, UnwrittenMemoryError
from hybridx.parity import (
    TOLERANCE,
    VERIFIED_BATCHES,
    Comparable,
    Comparison,
    Typical,
    compare_with_eager,
    draw_typical,
)
from hybridx.report import counted
from hybridx.storage import Array

if TYPE_CHECKING:
    from hybridx.capture import Capture, Example, Flat

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Built(Generic[T]):
    """A captured model, and what was built from it.

    Attributes:
        example: the inputs it was captured with.
        captured: the traced model.
        product: what was built from the capture.
        typical: inputs with the eager model's outputs; None if no model was run.
        tolerance: the largest error that passes.
        comparison: what was compared; None if nothing was.
    """

    example: Example
    captured: Capture
    product: T
    typical: Typical | None
    tolerance: float
    comparison: Comparison | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the capture and of the comparison."""
        return self.captured.notes + (() if self.comparison is None else self.comparison.notes)


def build_and_compare(
    flat: Flat,
    example: Example,
    build: Callable[[Capture, Example], T],
    execute: Callable[[T, Capture, Example], Comparable],
    *,
    dtype: str,
    atol: float | None,
    verify: bool,
    runs: bool = True,
    embed: bool = False,
    stages: Stages | None = None,
) -> Built[T]:
    """Capture a model, build something from it, and compare that with the eager model.

    torch.export may leave an axis open although the model runs at one length of it only. If no
    length of an axis other than the example's could be compared, the axis is fixed and the model is
    captured again.

    Args:
        flat: the model, in the mode and dtype of the export.
        example: inputs for the capture.
        build: makes the product from a capture.
        execute: returns an object that runs the product.
        dtype: of the circuits.
        atol: tolerance; by default `TOLERANCE` of the dtype.
        verify: compare.
        runs: the eager model can be run; if false, nothing is compared.
        embed: use the example itself as typical inputs, instead of drawn ones.
        stages: is told what is being done.

    Raises:
        CaptureError: the model cannot be captured.
        ParityError: what was built does not compute the same, or nothing could be compared.
    """
    from hybridx import capture

    told = Stages() if stages is None else stages

    def compared(captured: Capture) -> Built[T]:
        example = captured.example
        with told("lower"):
            product = build(captured, example)
        tolerance = TOLERANCE[captured.precision] if atol is None else atol
        typical = _typical(flat, example, embed=embed) if runs else None
        built = Built(example, captured, product, typical, tolerance, None)
        if typical is None or not verify:
            return built
        try:
            with told("verify") as tell:
                comparison = compare_with_eager(
                    execute(product, captured, example),
                    typical,
                    _eager(flat),
                    batches=choose_batches(example) if captured.has_open_batch else example.batches,
                    tolerance=tolerance,
                    changes=captured.changes,
                )
                tell(f"worst error {comparison.worst:.1e}, tolerance {tolerance:.0e}")
        except MismatchError as error:
            if captured.unwritten is None:
                raise
            raise UnwrittenMemoryError(*captured.unwritten) from error
        return replace(built, comparison=comparison)

    while True:
        with told("trace") as tell:
            captured = capture.capture(flat, example, dtype=dtype)
            tell(counted(len(captured.circuits), "circuit"))
        further = captured.example.further
        try:
            built = compared(captured)
        except HybridxError:
            if not further:
                raise
            example = captured.example.fixed(flat, dict.fromkeys(further, "no file came of it"))
            continue
        if built.comparison is None or not built.comparison.unmoved:
            return built
        example = captured.example.fixed(flat, {
            called: f"no other length could be compared: {reason}"
            for called, reason in built.comparison.unmoved.items()
        })  # fmt: skip


def _typical(flat: Flat, example: Example, *, embed: bool) -> Typical:
    expected = _eager(flat)
    arrays = {name: tensor.numpy() for name, tensor in example.tensors.items()}
    typical = draw_typical(arrays, expected)
    return Typical(typical.distribution, arrays, expected(arrays)) if embed else typical


def _eager(flat: Flat) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    from hybridx.parity.eager import run_eager

    return lambda inputs: run_eager(flat, inputs)


MOST_CALLS = 1000
"""How many circuits the eager model may simulate for a comparison: about ten seconds."""


def choose_batches(example: Example) -> tuple[int, ...]:
    """Return the batch sizes to compare at, without those at which eager would take minutes."""
    calls = 0 if example.rehearsal is None else len(example.rehearsal.dtypes)
    rows = example.rows or 1
    batches: tuple[int, ...] = VERIFIED_BATCHES
    while len(batches) > 2 and calls * sum(batches) > MOST_CALLS * rows:
        batches = batches[:-1]
    return batches
