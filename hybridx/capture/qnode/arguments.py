"""The arguments of a QNode call, taken apart into tensors and all else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from hybridx.capture.torch_internals import flatten, unflatten


class Arguments:
    """The arguments of a call, in which other tensors can stand.

    Args:
        args: by position.
        kwargs: by name.

    Attributes:
        tensors: among them, in a fixed order.
        rest: all other leaves, in the same order.
        structure: how they are nested.
    """

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._leaves, self.structure = flatten((args, kwargs))
        self.tensors = [leaf for leaf in self._leaves if isinstance(leaf, Tensor)]
        self.rest = [leaf for leaf in self._leaves if not isinstance(leaf, Tensor)]

    def with_tensors(self, tensors: Sequence[Tensor]) -> Arguments:
        """Return these arguments with other tensors in them."""
        made: Arguments = self.given_to(lambda *args, **kwargs: Arguments(args, kwargs), tensors)
        return made

    def given_to(self, function: Callable[..., Any], tensors: Sequence[Tensor]) -> Any:
        """Return what a function returns for these arguments with other tensors in them."""
        others = iter(tensors)
        leaves = [next(others) if isinstance(leaf, Tensor) else leaf for leaf in self._leaves]
        args, kwargs = unflatten(leaves, self.structure)
        return function(*args, **kwargs)
