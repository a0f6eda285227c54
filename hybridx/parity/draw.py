"""Inputs drawn from a fixed seed, so that nobody's data is needed to check a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

_Draw: TypeAlias = Callable[[np.random.Generator, Sequence[int]], NDArray[np.float64]]

# In the order in which they are tried: a model may take square roots or arcsines of its inputs.
DISTRIBUTIONS: Mapping[str, _Draw] = MappingProxyType({
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "uniform on (0, 1)": lambda rng, shape: rng.uniform(0.05, 0.95, shape),
})  # fmt: skip


def draw(
    examples: Mapping[str, Array], *, batch: int | None, distribution: str, seed: int
) -> dict[str, Array]:
    """Return inputs like the examples, with another batch size.

    Floating-point inputs are drawn; of integer and boolean ones, whose range nobody knows, the
    rows of the example are used again.

    Args:
        examples: arrays by name, with the batch as their first axis.
        batch: rows wanted, or None for as many as each example has.
        distribution: a key of `DISTRIBUTIONS`.
        seed: of the generator.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, Array] = {}
    for name, example in examples.items():
        rows = (batch if example.ndim and batch is not None else None) or len(example)
        shape = (rows, *example.shape[1:])
        if example.dtype.kind == "f":
            drawn[name] = DISTRIBUTIONS[distribution](rng, shape).astype(example.dtype)
        else:
            drawn[name] = example[np.arange(rows) % len(example)]
    return drawn
