"""On what a model is compared: lengths of its open axes, and typical inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.artifact import BATCH, Signature
from hybridx.errors import NoFiniteInputError
from hybridx.parity.draw import DISTRIBUTIONS, draw_inputs

if TYPE_CHECKING:
    from hybridx.capture import Axes

Array: TypeAlias = NDArray[Any]

Expected: TypeAlias = Callable[[Mapping[str, Array]], dict[str, Array]]

VERIFIED_BATCHES = (1, 2, 5, 16)
"""Batch sizes that are tried; none of them is the one that an export traces."""

VERIFIED_STEPS = (1, -1, 2, 5)
"""What is added to the traced length of other open axes, one for each batch size."""

SEED = 2026
"""Of every drawn input, so that exports repeat byte for byte."""


def choose_trials(
    examples: Mapping[str, Array], axes: Axes, batches: Sequence[int]
) -> list[dict[str, int]]:
    """Return lengths of the open axes to compare at, none of them but a batch a traced one."""
    others = {
        called: examples[name].shape[axis]
        for name, named in axes.items()
        for axis, called in named.items()
        if called != BATCH
    }
    steps = VERIFIED_STEPS if others else VERIFIED_STEPS[:1]
    trials = [{called: length + step for called, length in others.items()} for step in steps]
    if not batches:
        return trials
    return [{BATCH: batch} | trials[index % len(trials)] for index, batch in enumerate(batches)]


@dataclass(frozen=True, eq=False)
class Typical:
    """Inputs on which the eager model gives finite outputs.

    Attributes:
        distribution: what they are drawn from.
        inputs: as long as the example.
        outputs: of the eager model.
    """

    distribution: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


def draw_typical(examples: Mapping[str, Array], expected: Expected) -> Typical:
    """Return inputs of the first distribution on which the eager model gives finite outputs.

    Raises:
        NoFiniteInputError: there is none.
    """
    for distribution in DISTRIBUTIONS:
        inputs = draw_inputs(examples, {}, lengths={}, distribution=distribution, seed=SEED)
        outputs = expected(inputs)
        if all(np.isfinite(output).all() for output in outputs.values()):
            return Typical(distribution, inputs, outputs)
    raise NoFiniteInputError


def open_axes(inputs: Sequence[Signature]) -> dict[str, dict[int, str]]:
    """Return, by input, the names of the axes that may have any length."""
    return {
        signature.name: {
            axis: called for axis, called in enumerate(signature.shape) if isinstance(called, str)
        }
        for signature in inputs
    }
