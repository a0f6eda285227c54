"""The names of the strategies, so that a wrong one is refused before NumPy is imported."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

StrategyName: TypeAlias = Literal[
    "cones",
    "multilinear",
    "fourier",
    "unitary",
    "density",
    "alternation",
    "halves",
    "sweep",
    "statevector",
]

STRATEGY_NAMES: Final[tuple[StrategyName, ...]] = get_args(StrategyName)
"""In the order of `STRATEGIES`."""
