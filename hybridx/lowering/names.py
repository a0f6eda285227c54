"""The names of strategies and machines, so that a wrong one is refused before NumPy is imported."""

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

MachineName: TypeAlias = Literal["cpu", "cuda", "web"]

MACHINE_NAMES: Final[tuple[MachineName, ...]] = get_args(MachineName)
"""The kinds of machine for which circuits are compiled."""
