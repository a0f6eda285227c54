"""One model of the corpus, with its example; and how examples are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

SEED = 7


@dataclass(frozen=True)
class Case:
    """A small hybrid model as somebody might write it.

    Attributes:
        name: unique, in snake case.
        bundle: A to G of what models need, `branches`, `signatures`, `arguments`, `sequences`,
            `number_kinds`, `derivatives` or `refusals`.
        make: returns the untrained model; `build` seeds it.
        args: example inputs in order; unless `batch` is `none`, their first axis is the batch.
        kwargs: example inputs by keyword, likewise.
        batch: `dynamic` if the model itself takes any number of rows, `fixed` if only the
            example's, `none` if its inputs have no batch axis, `own` if they have open lengths of
            their own.
        note: what is special about it.
        refused: short name of the reason why it can have no file, or None.
    """

    name: str
    bundle: str
    make: Callable[[], nn.Module]
    args: tuple[Tensor, ...]
    kwargs: Mapping[str, Tensor] = field(default_factory=dict)
    batch: Literal["dynamic", "fixed", "none", "own"] = "dynamic"
    note: str = ""
    refused: str | None = None

    def build(self) -> nn.Module:
        """Return the model in eval mode, the same one each time."""
        state = np.random.get_state()
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            np.random.seed(SEED)
            model = self.make().eval()
        np.random.set_state(state)
        return model

    def rows(self, count: int) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Return inputs of `count` rows: those of the example, then scaled copies of them."""
        if self.batch != "dynamic":
            return self.args, dict(self.kwargs)
        return (
            tuple(_rows(tensor, count) for tensor in self.args),
            {name: _rows(tensor, count) for name, tensor in self.kwargs.items()},
        )


def _rows(example: Tensor, count: int) -> Tensor:
    """Return `count` rows; repeated ones are smaller, so that they stay where they may be."""
    index = torch.arange(count)
    tensor = example[index % len(example)]
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor
    scale = 0.8 ** (index // len(example)).to(tensor.dtype)
    return tensor * scale.reshape(-1, *[1] * (tensor.ndim - 1))


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return standard normal numbers, always the same for one shape."""
    return torch.randn(shape, generator=_generator(), dtype=dtype)


def uniform(*shape: int, low: float = -0.95, high: float = 0.95) -> Tensor:
    """Return uniform float32 numbers, always the same for one shape."""
    return low + (high - low) * torch.rand(shape, generator=_generator())


def integers(high: int, *shape: int) -> Tensor:
    """Return integers from 0 to below `high`, always the same for one shape."""
    return torch.randint(high, shape, generator=_generator())


def _generator() -> Any:
    return torch.Generator().manual_seed(SEED)
