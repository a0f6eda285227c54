"""One sample of each operator and of each module in torch's own databases, for each dtype.

The databases are those that torch's tests use. A sample is the first one that torch draws which has
elements, and whose first tensor has axes, if there is such a one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db
from torch.utils import _pytree

DTYPES = (torch.float32, torch.int64, torch.bool, torch.complex64)
SEED = 7
_MEMORY = frozenset(
    {"empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"}
)
"""Their results are what happens to be in memory."""

DRAWN = 40
"""Of so many samples that torch draws, one is taken."""


@dataclass(frozen=True)
class Sample:
    """An operator or a module, with arguments.

    Attributes:
        function: the operator, or a module in eval mode.
        args: by position; tensors, and constants among them.
        kwargs: by keyword, likewise.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@cache
def names() -> tuple[str, ...]:
    """Return the names of all samples: the operator or the module, a slash, the dtype."""
    of_operators = (
        f"{operator.formatted_name}/{_short(dtype)}"
        for operator in op_db
        for dtype in DTYPES
        if dtype in operator.dtypes
    )
    of_modules = (f"{info.name}/{_short(torch.float32)}" for info in module_db)
    return tuple(sorted({*of_operators, *of_modules}, key=str.casefold))


def draw(name: str) -> Sample | None:
    """Return the sample of a name, always the same; None if there is none that can be compared."""
    called, _, short = name.rpartition("/")
    if called in _MEMORY:
        return None
    dtype: torch.dtype = getattr(torch, short)
    torch.manual_seed(SEED)
    if called.startswith("nn."):
        return _of_module(called, dtype)
    operator = _operators()[called]
    drawn = [
        Sample(operator.op, (one.input, *one.args), one.kwargs)
        for one in itertools.islice(
            operator.sample_inputs("cpu", dtype, requires_grad=False), DRAWN
        )
    ]
    filled = [one for one in drawn if all(tensor.numel() for tensor in tensors_of(one))]
    shaped = [one for one in filled if next((t.dim() for t in tensors_of(one)), 0)]
    return next(itertools.chain(shaped, filled, drawn), None)


def tensors_of(sample: Sample) -> Iterator[Tensor]:
    """Yield the tensors among the arguments of a sample."""
    for leaf in _pytree.tree_leaves((sample.args, sample.kwargs)):
        if isinstance(leaf, Tensor):
            yield leaf


@cache
def _operators() -> Mapping[str, Any]:
    return MappingProxyType({operator.formatted_name: operator for operator in op_db})


def _of_module(name: str, dtype: torch.dtype) -> Sample | None:
    (info,) = (info for info in module_db if info.name == name)
    (*drawn,) = info.module_inputs_func(
        info, device="cpu", dtype=dtype, requires_grad=False, training=False
    )
    if not drawn:
        return None
    made, given = drawn[0].constructor_input, drawn[0].forward_input
    module = info.module_cls(*made.args, **made.kwargs).eval()
    return Sample(module, tuple(given.args), given.kwargs)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
