"""Repeatable random numbers that leave torch's global random state unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Start torch's random numbers on the CPU from `seed`, and restore their state at the end.

    Args:
        seed: at least 0; with None the numbers come from torch's global state.
    """
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also seed every accelerator, which the fork does not restore.
        torch.default_generator.manual_seed(seed)
        yield
