"""Functions of torch that are computed while a model is traced, as no input is involved.

A trace gives the result of `torch.unique` no length, and numbers that are drawn no values. Where
all that such a function reads is known, what it returns is a constant of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hybridx.capture.python.tracers import is_traced
from hybridx.capture.torch_internals import flatten, is_fake, map_leaves, unflatten, untraced

UNKNOWN = object()
"""The result where something that a function reads depends on the inputs."""


def _named(names: str, *owners: Any) -> frozenset[Any]:
    """Return the functions and methods of these names."""
    return frozenset(
        getattr(owner, name) for owner in owners for name in names.split() if hasattr(owner, name)
    )


_LENGTHS = _named(
    "unique unique_consecutive nonzero argwhere masked_select bincount repeat_interleave "
    "combinations tensor_split one_hot equal allclose is_nonzero __contains__",
    *(torch, Tensor, nn.functional),
)
_MASKED = _named("__getitem__", Tensor)
_WHERE = _named("where", torch)
_SIZED = _named("arange linspace zeros ones full empty eye", torch)
_DRAWS = _named(
    "rand randn randint randperm normal bernoulli multinomial poisson binomial", torch, Tensor
)
_DRAWS_LIKE = _named("rand_like randn_like randint_like", torch)
_FILLS = _named(
    "normal_ uniform_ random_ bernoulli_ exponential_ geometric_ cauchy_ log_normal_", Tensor
) | _named(
    "normal_ uniform_ trunc_normal_ xavier_normal_ xavier_uniform_ kaiming_normal_ "
    "kaiming_uniform_ orthogonal_ sparse_",
    nn.init,
)


def known_result(
    func: Any, args: Any, kwargs: dict[str, Any], value_of: Callable[[Tensor], Tensor | None]
) -> Any:
    """Return the result of a function whose result is a constant, else `UNKNOWN`.

    Args:
        func: of torch.
        args: by position.
        kwargs: by name.
        value_of: returns the value of a traced tensor, or None if it depends on the inputs.
    """
    if func in _FILLS:
        return _filled(func, args, kwargs, value_of)
    if func in _DRAWS_LIKE:
        first, *rest = args
        return _computed(func, (_shaped(first), *rest), kwargs, value_of)
    is_asked = (
        func in _LENGTHS
        or func in _DRAWS
        or (func in _MASKED and _holds_mask(args[1]))
        or (func in _WHERE and len(args) + len(kwargs) == 1)
        or (func in _SIZED and any(map(is_fake, (*args, *kwargs.values()))))
    )
    return _computed(func, args, kwargs, value_of) if is_asked else UNKNOWN


def _holds_mask(key: Any) -> bool:
    """Return whether a key of `tensor[key]` has a mask in it, or a slice with a traced end."""
    parts = key if isinstance(key, tuple) else (key,)
    return any(
        (isinstance(part, Tensor) and part.dtype in (torch.bool, torch.uint8))
        or (isinstance(part, slice) and any(map(is_fake, _ends(part))))
        for part in parts
    )


def _ends(part: slice) -> tuple[Any, Any, Any]:
    return part.start, part.stop, part.step


def with_known_parts(
    key: Any, value_of: Callable[[Tensor], Tensor | None], *, masks: bool = True
) -> Any:
    """Return a key of `tensor[key]` with what is known in it in numbers.

    Args:
        key: what Python passes.
        value_of: returns the value of a traced tensor, or None if it depends on the inputs.
        masks: give the positions of a known mask in its place.
    """

    def end(value: Any) -> Any:
        known = value_of(value) if is_fake(value) and value.dim() == 0 else None
        return value if known is None else int(known)

    parts: list[Any] = []
    for part in key if isinstance(key, tuple) else (key,):
        is_mask = masks and isinstance(part, Tensor) and part.dtype is torch.bool and part.dim()
        known = value_of(part) if is_mask else None
        if isinstance(part, slice):
            parts.append(slice(*map(end, _ends(part))))
        elif known is None:
            parts.append(part)
        else:
            with untraced():
                positions = known.detach().nonzero(as_tuple=True)
            parts += map(_as_constant, positions)
    return tuple(parts) if isinstance(key, tuple) or len(parts) > 1 else parts[0]


def _computed(
    func: Any, args: Any, kwargs: dict[str, Any], value_of: Callable[[Tensor], Tensor | None]
) -> Any:
    leaves, structure = flatten((args, kwargs))
    known: list[Any] = []
    for leaf in leaves:
        value = _known(leaf, value_of)
        if value is UNKNOWN:
            return UNKNOWN
        known.append(value)
    args, kwargs = unflatten(known, structure)
    with untraced():
        result = func(*args, **kwargs)
    return map_leaves(_as_constant, result)


def _known(leaf: Any, value_of: Callable[[Tensor], Tensor | None]) -> Any:
    if isinstance(leaf, slice):
        leaf = with_known_parts(leaf, value_of)
        return UNKNOWN if any(_known(end, value_of) is UNKNOWN for end in _ends(leaf)) else leaf
    if isinstance(leaf, Tensor):
        value = value_of(leaf)
        if value is None:
            return UNKNOWN
        with untraced():
            return value.detach().clone()
    is_symbol = isinstance(leaf, torch.SymInt | torch.SymFloat | torch.SymBool)
    return UNKNOWN if is_symbol or is_traced(leaf) else leaf


def _as_constant(leaf: Any) -> Any:
    """Return a tensor with numbers as a constant of the trace, into which a model may write."""
    return torch.ops.aten.lift_fresh_copy.default(leaf) if isinstance(leaf, Tensor) else leaf


def _shaped(tensor: Any) -> Any:
    """Return a tensor of the shape of another one, whose numbers are not read."""
    if not is_fake(tensor) or not all(type(length) is int for length in tensor.shape):
        return tensor
    with untraced():
        return torch.empty(tensor.shape, dtype=tensor.dtype)


def _filled(
    func: Any, args: Any, kwargs: dict[str, Any], value_of: Callable[[Tensor], Tensor | None]
) -> Any:
    """Fill a tensor of the trace with numbers that are drawn."""
    given = dict(kwargs)
    target, *rest = args or (given.pop("tensor"),)
    if not is_fake(target):
        return UNKNOWN
    numbers = _computed(func, (_shaped(target), *rest), given, value_of)
    if numbers is UNKNOWN:
        return UNKNOWN
    target.detach().copy_(numbers)
    return target
