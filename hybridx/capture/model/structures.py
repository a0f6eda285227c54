"""Values with named parts, as models take and return them: how they come apart and together.

One table serves arguments, results and `hybridx.lower`. A distribution of torch comes apart into
its parameters, any object into its attributes.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from hybridx.capture.python.tracers import ArrayTracer


@dataclass(frozen=True)
class Parts:
    """The named parts of a value.

    Attributes:
        items: by name. A part that takes the place of the value itself has the name "".
        rebuild: returns a value like it, with other parts in the places of the given ones.
    """

    items: Mapping[Any, Any]
    rebuild: Callable[[Mapping[Any, Any]], Any]


def named_parts(value: Any) -> Parts | None:
    """Return the named parts of a value, or None if it has none that could hold a tensor."""
    if is_single(value) or isinstance(value, _WHOLE):
        return None
    if isinstance(value, Distribution):
        return _distribution(value)
    if isinstance(value, Mapping):
        return Parts(value, lambda items: _mapping(value, items))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields = dict(zip(value._fields, value, strict=True))
        return Parts(fields, lambda items: type(value)(**{**fields, **items}))
    if isinstance(value, list | tuple | set | frozenset) or inspect.isgenerator(value):
        return None
    if dataclasses.is_dataclass(value):
        named = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return Parts(named, lambda items: _changed(value, items))
    if _is_record(value):
        return Parts(value.to_dict(), lambda items: _changed(value, items))
    attributes = {
        name: part
        for name, part in _attributes(value)
        if holds_tensor(part) or (is_constant(part) and not name.startswith("_"))
    }
    if not holds_tensor(attributes):
        return None
    return Parts(attributes, lambda items: _changed(value, items))


_NUMBERS = (int, float, complex, torch.SymInt, torch.SymFloat, torch.SymBool)
_WHOLE = (*_NUMBERS, str, bytes, type, nn.Module, NoneType)
"""What has no parts that are tensors of the user's; a number of a trace has tensors of its own."""


def is_constant(value: Any) -> bool:
    """Return whether a value is one that a file can keep as it is."""
    return isinstance(value, bool | int | float | str | None)


def is_single(value: Any) -> bool:
    """Return whether a value is one tensor, or an array, which may be a traced one."""
    return isinstance(value, Tensor | np.ndarray | ArrayTracer)


def as_tensor(value: Any) -> Tensor:
    """Return a value that `is_single` as a tensor."""
    if isinstance(value, Tensor):
        return value
    plain = value.plain if isinstance(value, ArrayTracer) else value
    return plain if isinstance(plain, Tensor) else torch.from_numpy(np.ascontiguousarray(plain))


def holds_tensor(value: Any) -> bool:
    """Return whether a value is a tensor or an array, or has one among its parts at any depth."""
    return _holds_tensor(value, set())


def _holds_tensor(value: Any, seen: set[int]) -> bool:
    if is_single(value):
        return True
    if isinstance(value, _WHOLE):
        return False
    if id(value) in seen:
        return False
    seen.add(id(value))
    inside: Iterable[Any]
    if isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inside = value
    elif isinstance(value, Distribution):
        return True
    elif _is_record(value):
        inside = value.to_dict().values()
    else:
        inside = [part for _, part in _attributes(value)]
    return any(_holds_tensor(part, seen) for part in inside)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that an object holds itself, those in slots too."""
    if callable(value) and hasattr(value, "__code__"):
        return
    for cls in reversed(type(value).__mro__):
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name) and name not in ("__dict__", "__weakref__"):
                yield name, getattr(value, name)
    yield from getattr(value, "__dict__", {}).items()


def _is_record(value: Any) -> bool:
    """Return whether an object says what it holds, as torch_geometric's graphs do."""
    return all(callable(getattr(value, name, None)) for name in ("to_dict", "keys"))


def _changed(value: Any, items: Mapping[Any, Any]) -> Any:
    """Return a copy of an object with other attributes, without calling its constructor."""
    other = copy.copy(value)
    for name, part in items.items():
        if _is_record(other):
            other[name] = part
        else:
            object.__setattr__(other, name, part)  # frozen dataclasses have another `__setattr__`
    return other


def _mapping(value: Mapping[Any, Any], items: Mapping[Any, Any]) -> Any:
    if type(value) is dict:
        return {**value, **items}
    if not hasattr(value, "__setitem__"):
        return type(value)({**value, **items})  # type: ignore[call-arg]
    other: Any = copy.copy(value)
    for name, part in items.items():
        other[name] = part
    return other


# --- Distributions -------------------------------------------------------------------------------

_BASE = "base_distribution"


def _distribution(value: Distribution) -> Parts:
    """Return the parameters that determine a distribution, as the parts of its value.

    They are those of its constructor. Where a constructor takes one of several (`probs` or
    `logits`), the logits are taken, which torch normalises, or else what the user gave.
    """
    cls, given = _parameters(value)
    items = {
        "" if name == _BASE else name: part for name, part in given.items() if holds_tensor(part)
    }

    def rebuild(parts: Mapping[Any, Any]) -> Any:
        named = {_BASE if name == "" else name: part for name, part in parts.items()}
        return cls(**{**given, **named})

    return Parts(items, rebuild)


def _parameters(value: Distribution) -> tuple[type, dict[str, Any]]:
    """Return the class whose constructor makes a distribution, and what it takes, by name."""
    for cls in type(value).__mro__:
        taken = [
            parameter
            for parameter in inspect.signature(cls).parameters.values()
            if parameter.name != "validate_args"
        ]
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in taken) or not taken:
            continue
        needed = [p.name for p in taken if p.default is p.empty]
        if not all(hasattr(value, _attribute(name)) for name in needed):
            continue  # a constructor of the user's that keeps nothing of what it was given
        choices = [p.name for p in taken if p.default is None]
        own = [p.name for p in taken if p.default is not p.empty and p.default is not None]
        names = [
            *needed,
            *(name for name in own if hasattr(value, name)),
            *([_chosen(value, choices)] if choices else []),
        ]
        return cls, {name: getattr(value, _attribute(name)) for name in names}
    raise AssertionError("the constructor of Distribution itself needs nothing")


def _attribute(name: str) -> str:
    return "base_dist" if name == _BASE else name


def _chosen(value: Distribution, choices: list[str]) -> str:
    if "logits" in choices:
        return "logits"
    return next(name for name in choices if name in vars(value))
