"""The interpreter of tapes, compiled by Numba once for each dtype and kept on disk.

A state is two arrays of shape `(A * R,)`, real and imaginary parts: amplitude a of row r stands at
`a * R + r`, so that the innermost loops run over neighbouring numbers. R rows are taken at a time,
as many as fit into the cache of a core: a multiple of what one instruction computes at once, or a
single one. Backward, the state is not kept for every step: each step is undone on the state and on
its cotangent, so that memory does not grow with depth.

The cotangent of a complex amplitude is `dL/d(real part) + i dL/d(imaginary part)`.

The loops are simple on purpose: the compiler turns a loop over one-dimensional slices into vector
instructions, and one over computed indices of a whole array not, because an index may be negative.
"""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.kernels.compiled.entries import backward, forward
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = ["backward", "forward"]
