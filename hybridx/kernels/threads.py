"""Work shared out among threads, which wait without spinning and are made anew after a fork."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_pools: list[ThreadPoolExecutor] = []
if hasattr(os, "register_at_fork"):  # a child has the pool's queue, but none of its threads
    os.register_at_fork(after_in_child=_pools.clear)


def run_all(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """Return what tasks return, each run by a thread of its own, the first by the caller's."""
    first, *others = tasks
    if not others:
        return [first()]
    if not _pools:
        _pools.append(ThreadPoolExecutor(os.cpu_count(), "hybridx"))
    try:
        futures = [_pools[0].submit(task) for task in others]
    except RuntimeError:  # the interpreter is shutting down
        return [task() for task in tasks]
    return [first(), *(future.result() for future in futures)]
