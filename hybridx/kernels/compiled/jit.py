"""How the loops are compiled, and the numbers by which they know a step."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from numba import njit

from hybridx.kernels.tape import Kind, Source

# NaN and infinity must stay what they are, so not all of "fast math".
_FAST: Final = {"reassoc", "contract", "arcp", "nsz"}
_INNER: Final[dict[str, Any]] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}

# A loop that only other loops call. It is not kept on disk: whoever calls it holds its code.
inner: Any = njit(fastmath=_FAST, **_INNER)
# The same, in the order of operations that is written; what is not said here, the caller decides.
exact: Any = njit(fastmath=False, **_INNER)
# A few lines that call such loops. They become part of their caller: LLVM optimises whatever a
# compiled function calls once more with it, so that each level of calls costs as much again.
thin: Any = njit(inline="always", fastmath=_FAST, **_INNER)


def entry(function: Any) -> Any:
    """Compile what Python calls, and keep it on disk where there is a folder for it.

    Numba finds the kept code of a function again by the time of its own file and by the values
    that it captures, not by what it calls: so it must capture STAMP.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": _FAST, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither beside the source nor in the user's cache can a file be made
        return njit(**options)(function)


# What tells a matrix from its adjoint. As a literal number it would be part of a loop's type, and
# the loop compiled for each: hence `np.int64(FORWARD)`.
FORWARD, BACK = 1, -1
REAL, CROSS, PAIR, DENSE = int(Kind.REAL), int(Kind.CROSS), int(Kind.PAIR), int(Kind.DENSE)
PERMUTE, PHASES = int(Kind.PERMUTE), int(Kind.PHASES)
NONE, SHARED, ROW = int(Source.NONE), int(Source.SHARED), int(Source.ROW)


def _stamp() -> int:
    """Return a number that changes with every source of this package."""
    digest = hashlib.sha256(repr([*Kind, *Source]).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:7])


STAMP: Final = _stamp()
