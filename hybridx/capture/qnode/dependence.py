"""What an eager run shows: which QNode calls depend on each other, and who reads numbers.

Calls of one layer that do not, as on the patches of an image, become one call on a larger batch.
Calls that do, as in the steps of a recurrent network, stay calls of their own.
"""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any
from weakref import ref

from torch import Tensor
from torch.overrides import TorchFunctionMode

from hybridx.capture.python.source_location import is_of_models
from hybridx.capture.torch_internals import leaves_of


class CallOrder(TorchFunctionMode):
    """Follows the results of QNode calls through the operations of torch, in this thread.

    It does not follow them through NumPy and numbers of Python: calls on these count as
    independent.

    Attributes:
        readers: the globals of the model's functions that make numbers of tensors, by identity.
    """

    def __init__(self) -> None:
        super().__init__()
        # By the identity of a tensor: the tensor, and for each layer how many of its calls lie
        # behind one another in what the tensor was computed from.
        self._depths: dict[int, tuple[ref[Tensor], Mapping[str, int]]] = {}
        self._calls: Counter[tuple[str, int]] = Counter()
        self._is_inside = False
        self.readers: dict[int, dict[str, Any]] = {}

    @property
    def has_independent(self) -> bool:
        """True if two calls of one layer do not depend on each other."""
        return any(count > 1 for count in self._calls.values())

    @contextmanager
    def calling(self, layer: str, arguments: Any) -> Iterator[list[Any]]:
        """While active, a QNode runs; its results are to be put into the list that is given."""
        depths = self._deepest(leaves_of(arguments))
        depth = depths.get(layer, 0)
        self._calls[layer, depth] += 1
        results: list[Any] = []
        self._is_inside = True
        try:
            yield results
        finally:
            self._is_inside = False
        self._mark(results, {**depths, layer: depth + 1})

    def __torch_function__(
        self, func: Any, types: Iterable[Any], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, and note what its result was computed from."""
        result = func(*args, **(kwargs or {}))
        if func in _READS and not self._is_inside:
            self._note_reader(sys._getframe(1))
        if self._is_inside or not self._depths:
            return result
        depths = self._deepest(leaves_of((args, kwargs)))
        if depths:
            # The first argument may have been written into.
            self._mark((result, args[:1] if _writes(func) else ()), depths)
        return result

    def _note_reader(self, frame: FrameType) -> None:
        """Note the function that reads, which torch's and NumPy's own code may do for it."""
        for one, _ in traceback.walk_stack(frame):
            if is_of_models(one.f_code.co_filename):
                self.readers[id(one.f_globals)] = one.f_globals
                return

    def _deepest(self, leaves: Iterable[Any]) -> dict[str, int]:
        found: dict[str, int] = {}
        for leaf in leaves:
            known, depths = self._depths.get(id(leaf), (None, {}))
            if known is not None and known() is leaf:
                for layer, depth in depths.items():
                    found[layer] = max(depth, found.get(layer, 0))
        return found

    def _mark(self, tree: Any, depths: Mapping[str, int]) -> None:
        for leaf in leaves_of(tree):
            if isinstance(leaf, Tensor):
                self._depths[id(leaf)] = (ref(leaf), depths)


_READS = frozenset(
    {
        Tensor.__int__, Tensor.__float__, Tensor.__index__, Tensor.__len__, Tensor.__array__,
        Tensor.item, Tensor.tolist, Tensor.numpy,
    }
)  # fmt: skip
"""Functions by which Python and NumPy read the numbers or the length of a tensor."""


def _writes(func: Any) -> bool:
    name = getattr(func, "__name__", "")
    return name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
