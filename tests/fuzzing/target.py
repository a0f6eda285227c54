"""What is fuzzed: a reader of bytes, the inputs to begin with, and how they are changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

HERE = Path(__file__).parent

Mutate: TypeAlias = Callable[[bytes], bytes]
"""Changes bytes somewhere, as libFuzzer does by default."""


@dataclass(frozen=True)
class Target:
    """A reader of what others wrote.

    Attributes:
        name: of it.
        read: reads an input. It returns, or raises a `HybridxError`; all else is a finding, and so
            is an `AssertionError` for a wrong answer.
        made: yields inputs to begin with that are made from other files.
        change: changes an input where changed bytes would not get past a checksum or a parser;
            takes a source of random numbers, the input, and what changes bytes.
        words: that inputs are made of.
    """

    name: str
    read: Callable[[bytes], None]
    made: Callable[[], Iterator[bytes]]
    change: Callable[[random.Random, bytes, Mutate], bytes] | None = None
    words: tuple[str, ...] = ()

    def seeds(self) -> Iterator[bytes]:
        """Yield the inputs to begin with: made ones, kept ones, and those of earlier findings."""
        yield from self.made()
        for kind in ("seeds", "found"):
            folder = HERE / kind / self.name
            if folder.is_dir():
                yield from (one.read_bytes() for one in sorted(folder.iterdir()))
