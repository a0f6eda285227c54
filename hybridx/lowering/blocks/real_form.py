"""Complex numbers as pairs of real ones: what a complex matrix is for real and imaginary parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Matrix


def real_form(matrices: Matrix) -> NDArray[np.float64]:
    """Return [[Re M, -Im M], [Im M, Re M]], which acts on real parts and imaginary parts.

    Args:
        matrices: shape `(..., rows, columns)`.

    Returns:
        Shape `(..., 2, rows, 2, columns)`, each 2 for real and imaginary parts. A caller that
        wants them in another order has to move two axes.
    """
    upper = np.stack([matrices.real, -matrices.imag], axis=-2)
    lower = np.stack([matrices.imag, matrices.real], axis=-2)
    return np.stack([upper, lower], axis=-4)


def real_matrix(matrix: Matrix) -> NDArray[np.float64]:
    """Return the real form of one matrix, shape `(2 * rows, 2 * columns)`."""
    rows, columns = matrix.shape
    return real_form(matrix).reshape(2 * rows, 2 * columns)


def real_columns(matrix: Matrix) -> NDArray[np.float64]:
    """Return a complex matrix `(rows, columns)` as real columns (Re, Im), `(rows, 2 * columns)`.

    A real row vector times the result is its complex product, real parts first.
    """
    return np.concatenate([matrix.real, matrix.imag], axis=1)


def real_form_places(size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return where the entries of a real form are in a list of entries, and their signs.

    Args:
        size: rows and columns of the complex matrix, whose entries stand row by row, all real parts
            before all imaginary parts.

    Returns:
        Two arrays of shape `(2 * size, 2 * size)`.
    """
    count = size * size
    # The places as entries of a matrix; those of imaginary parts are positive, so have a sign.
    places = np.arange(count).reshape(size, size)
    form = real_matrix(places + 1j * (places + count))
    return np.abs(form).astype(np.int64), np.where(form < 0, -1.0, 1.0)
