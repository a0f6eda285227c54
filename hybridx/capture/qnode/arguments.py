"""The arguments of a QNode call, taken apart into tensors and all else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from hybridx.capture.torch_internals import flatten, map_leaves, unflatten


class Arguments:
    """The arguments of a call, in which other tensors can stand.

    Args:
        args: by position.
        kwargs: by name.
        live: tensors that the call reads from elsewhere, such as a weight in a closure.

    Attributes:
        tensors: among them, in a fixed order, and then the live ones.
        leaves: all of them.
        rest: all leaves that are no tensors, in the same order.
        structure: how they are nested.
    """

    def __init__(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], live: Sequence[Tensor] = ()
    ) -> None:
        self.leaves, self.structure = flatten((args, kwargs))
        self._live = live
        self.tensors = [leaf for leaf in self.leaves if isinstance(leaf, Tensor)]
        self._own = len(self.tensors)
        self.tensors += live
        self.rest = [leaf for leaf in self.leaves if not isinstance(leaf, Tensor)]

    @property
    def call(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments by position and by name."""
        args, kwargs = unflatten(self.leaves, self.structure)
        return args, kwargs

    def with_live(self, live: Sequence[Tensor]) -> Arguments:
        """Return the same arguments with live tensors."""
        return Arguments(*self.call, live)

    def with_tensors(self, tensors: Sequence[Tensor]) -> Arguments:
        """Return these arguments with other tensors in them."""
        given = iter(tensors)
        leaves = [next(given) if isinstance(leaf, Tensor) else leaf for leaf in self.leaves]
        args, kwargs = unflatten(leaves, self.structure)
        made = Arguments(args, kwargs, self._live)
        made.tensors[self._own :] = given
        return made

    def given_to(self, function: Callable[..., Any], tensors: Sequence[Tensor]) -> Any:
        """Return what a function returns for these arguments with other tensors in them."""
        made = self.with_tensors(tensors)
        args, kwargs = made.call
        if not self._live:
            return function(*args, **kwargs)
        with _InPlaceOf(self._live, tensors[self._own :]):
            return function(*args, **kwargs)


class _InPlaceOf(TorchFunctionMode):
    """While active, functions of torch take other tensors in the places of some.

    Args:
        tensors: that are replaced wherever they stand.
        others: in their places.
    """

    def __init__(self, tensors: Sequence[Tensor], others: Sequence[Tensor]) -> None:
        super().__init__()
        self._tensors = tensors  # so that no new tensor gets one of the identities
        self._others = {id(one): two for one, two in zip(tensors, others, strict=True)}

    def __torch_function__(
        self, func: Any, types: Iterable[Any], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch."""
        args, kwargs = map_leaves(lambda leaf: self._others.get(id(leaf), leaf), (args, kwargs))
        return func(*args, **(kwargs or {}))
