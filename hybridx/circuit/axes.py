"""A matrix applied to some axes of a tensor: what an operation does to a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Number = TypeVar("_Number", np.float64, np.complex128)


def apply_to_axes(
    matrix: NDArray[_Number], axes: Sequence[int], tensor: NDArray[_Number]
) -> NDArray[_Number]:
    """Return a tensor of the same shape, with a matrix applied to some of its axes.

    Args:
        matrix: square, as long as the product of the lengths of `axes`.
        axes: the first is the most significant of the matrix. For a state these are wires.
        tensor: any shape; the other axes are left as they are.

    Example:
        >>> zero = np.array([[1.0, 0.0], [0.0, 0.0]])
        >>> flip = np.array([[0.0, 1.0], [1.0, 0.0]])
        >>> apply_to_axes(flip, (1,), zero)
        array([[0., 1.],
               [0., 0.]])
    """
    count = len(axes)
    block = matrix.reshape([tensor.shape[axis] for axis in axes] * 2)
    moved = np.tensordot(block, tensor, axes=(range(count, 2 * count), axes))
    return np.moveaxis(moved, range(count), axes)
