"""On what a model is compared: lengths of its open axes, and typical inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from hybridx.artifact import PERIOD
from hybridx.circuit import BATCH
from hybridx.errors import HybridxError, NoFiniteInputError, NothingComparedError
from hybridx.parity.draw import DISTRIBUTIONS, draw_inputs
from hybridx.storage import Array

Expected: TypeAlias = Callable[[Mapping[str, Array]], dict[str, Array]]
"""The eager model on named arrays: its outputs by name. It may raise anything."""

VERIFIED_BATCHES = (1, 2, 5, 16)
"""Batch sizes at which a model is compared, besides the size of its example."""

VERIFIED_STEPS = (1, -1, 2, 5)
"""What is added to the example's length of other open axes, one for each batch size."""

SEED = 2026
"""Seed of every drawn input, so that exports repeat byte for byte."""


def choose_trials(own: Mapping[str, int], batches: Sequence[int]) -> list[dict[str, int]]:
    """Return lengths of the open axes to compare at, one trial for each batch size.

    Args:
        own: the example's length of each open axis.
        batches: sizes of the batch; empty for a model without one.
    """
    others = {called: length for called, length in own.items() if called != BATCH}
    steps = VERIFIED_STEPS if others else VERIFIED_STEPS[:1]
    trials = [{called: length + step for called, length in others.items()} for step in steps]
    if not batches:
        return trials
    return [{BATCH: batch} | trials[index % len(trials)] for index, batch in enumerate(batches)]


def other_lengths(own: int) -> Iterator[int]:
    """Yield lengths near the example's own, for an axis that no trial has moved."""
    return (own + step for step in VERIFIED_STEPS if own + step > 0)


@dataclass(frozen=True, eq=False)
class Typical:
    """Inputs as long as the example on which the eager model gives finite outputs.

    Attributes:
        distribution: what further inputs are drawn from; None repeats the numbers of these.
        inputs: arrays by name.
        outputs: what the eager model gives for them.
    """

    distribution: str | None
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


def draw_typical(examples: Mapping[str, Array], expected: Expected) -> Typical:
    """Return inputs of the first distribution on which the eager model gives finite outputs.

    Where no distribution has such inputs, they are the example itself. An input of more than
    `PERIOD` numbers repeats so many, so that a self-test of it is small; integers do only where
    the model runs on them.

    Args:
        examples: arrays by name.
        expected: the eager model.

    Raises:
        NoFiniteInputError: the outputs are never finite.
        NothingComparedError: the model raises on all of them.
    """
    refusal: Exception | None = None
    has_run = False
    whole = {name: one for name, one in examples.items() if one.dtype.kind != "f"}
    kept = any(array.size > PERIOD for array in whole.values())
    tries = [*((one, False) for one in DISTRIBUTIONS)]
    tries += [(one, True) for one in DISTRIBUTIONS] if kept else []
    for distribution, keeps in (*tries, (None, True)):
        inputs = draw_inputs(
            examples,
            {},
            lengths={},
            distribution=distribution,
            seed=SEED,
            period=None if distribution is None else PERIOD,
        )
        inputs |= whole if keeps else {}
        try:
            outputs = expected(inputs)
        except HybridxError:
            raise
        except Exception as error:
            # The model is the user's own code and may raise anything.
            refusal = refusal or error
            continue
        has_run = True
        if all(np.isfinite(output).all() for output in outputs.values()):
            return Typical(distribution, inputs, outputs)
    if has_run or refusal is None:
        raise NoFiniteInputError
    reason = f"the model refuses inputs like the example: {reason_of(refusal)}"
    raise NothingComparedError("the file", "the eager model", reason) from refusal


def reason_of(error: Exception) -> str:
    """Return the class and the first line of an error of the model."""
    from hybridx.errors import first_line

    return f"{type(error).__name__}: {first_line(error)}"
