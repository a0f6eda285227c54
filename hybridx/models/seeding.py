"""Random numbers that can be repeated without touching anybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """While active, torch's random numbers on the CPU start from `seed`; then all is as before.

    Args:
        seed: at least 0; None changes nothing, the numbers come from torch's global state.
    """
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also seed every accelerator, which the fork does not restore.
        torch.default_generator.manual_seed(seed)
        yield
