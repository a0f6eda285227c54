"""A call whose answer is known, and the check that another call is like it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from hybridx.acceleration.batch import Axes
from hybridx.capture import Arguments, Guard, fingerprint, flatten

# Values of these classes are the same if they are equal.
_PLAIN: Final = frozenset({
    bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device,
})  # fmt: skip


class CheckedCall:
    """Tells in microseconds whether a call has the same answer as an earlier one.

    Args:
        qnode: that was called.
        given: its arguments.
        axes: for each tensor among them, the axis that is open, or None.
        guard: of all else that it read.
        answer: how it is computed.

    Attributes:
        takes: how many tensors are among the arguments.
    """

    def __init__(self, qnode: Any, given: Arguments, axes: Axes, guard: Guard, answer: Any) -> None:
        self.answer = answer
        self.takes = len(given.tensors)
        self._qnode = qnode
        self._guard = guard
        self._structure = given.structure
        args, kwargs = given.call
        self._count = len(args)
        self._names = tuple(kwargs)
        self._is_flat = len(given.leaves) == len(args) + len(kwargs) and not any(
            isinstance(value, dict | list | tuple) for value in (*args, *kwargs.values())
        )
        each = iter(axes)
        self._forms = [
            _Form(leaf, next(each) if isinstance(leaf, Tensor) else None) for leaf in given.leaves
        ]

    def inputs(
        self, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[Tensor] | None:
        """Return the tensors that a call takes, its arguments first, or None if it is another."""
        if qnode is not self._qnode or len(args) != self._count or tuple(kwargs) != self._names:
            return None
        if self._is_flat:
            leaves = [*args, *kwargs.values()]
        else:
            leaves, structure = flatten((args, kwargs))
            if structure != self._structure:
                return None
        tensors: list[Tensor] = []
        rows = 0
        for leaf, form in zip(leaves, self._forms, strict=True):
            if not form.is_like(leaf):
                return None
            if form.is_tensor:
                tensors.append(leaf)
                if form.axis is not None:
                    length = leaf.shape[form.axis]
                    if length < 2 or rows not in (0, length):
                        return None
                    rows = length
        live = self._guard.tensors()
        return None if live is None else tensors + live


class _Form:
    """What one argument has to be."""

    def __init__(self, leaf: Any, axis: int | None) -> None:
        self.is_tensor = isinstance(leaf, Tensor)
        self.axis = axis
        self._leaf = leaf
        self._kind = type(leaf)
        if self.is_tensor:
            self._leaf = None  # it may be large
            self._dtype, self._device = leaf.dtype, leaf.device
            self._shape = _without(leaf.shape, axis)
            self._dim = leaf.dim()
        self._numbers: Hashable = fingerprint(leaf) if isinstance(leaf, np.ndarray) else None

    def is_like(self, leaf: Any) -> bool:
        if self.is_tensor:
            return (
                isinstance(leaf, Tensor)
                and leaf.dtype is self._dtype
                and leaf.dim() == self._dim
                and _without(leaf.shape, self.axis) == self._shape
                and leaf.device == self._device
            )
        if type(leaf) is not self._kind:
            return False
        if self._kind in _PLAIN:
            return bool(leaf == self._leaf)
        if self._numbers is not None:
            return fingerprint(leaf) == self._numbers
        return leaf is self._leaf


def _without(shape: torch.Size, axis: int | None) -> tuple[int, ...]:
    if axis is None:
        return shape
    return shape[1:] if axis == 0 else shape[:axis] + shape[axis + 1 :]
