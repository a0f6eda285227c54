"""What a QNode call has read, noted so that later calls can be checked in microseconds.

An object that cannot change needs no check: whether a call meets the same one is told by the cell,
dictionary, list or attribute that holds it. So each of these is noted with what it held, and all
are compared by identity, in a few loops that run in C. A tensor is not compared: the place where it
stood is noted, and its numbers are read anew in each call.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from operator import getitem, is_
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from torch import Tensor

_MISSING: Final = object()
_GET: Final[dict[type, Callable[[Any, Any], Any]]] = {
    dict: dict.get,
    MappingProxyType: MappingProxyType.get,
}

Place: TypeAlias = tuple[Callable[[Any, Any], Any], Any, Any]
"""How a tensor is read anew: a function of the two values behind it."""


class Watch:
    """Collects what a call reads.

    Attributes:
        is_whole: false if the call reads something that has no cheap check.
        tensors: that it reads, in the order in which they are met.
    """

    def __init__(self) -> None:
        self.is_whole = True
        self.tensors: list[Tensor] = []
        self._attributes: list[tuple[Any, str, Any]] = []
        self._entries: dict[Any, list[tuple[Any, Any, Any]]] = {dict: [], MappingProxyType: []}
        self._elements: list[tuple[Any, int, Any]] = []
        self._contents: list[tuple[Any, list[Any]]] = []
        self._kinds: list[Any] = []
        self._absent: list[tuple[Mapping[str, Any], frozenset[str]]] = []
        self._checks: list[tuple[Callable[[Any], Hashable], Any, Hashable]] = []
        self._arrays: list[tuple[Any, Any]] = []
        self._places: dict[int, list[Place]] = {}

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        """Note an attribute, a slot or the content of a cell."""
        if isinstance(value, Tensor):
            self._place(value, (getattr, owner, name))
        else:
            self._attributes.append((owner, name, value))

    def entry(self, mapping: Mapping[Any, Any], key: Any, value: Any) -> None:
        """Note an entry of a dictionary."""
        kind = MappingProxyType if type(mapping) is MappingProxyType else dict
        if isinstance(value, Tensor):
            self._place(value, (_GET[kind], mapping, key))
        else:
            self._entries[kind].append((mapping, key, value))

    def mapping(self, mapping: Mapping[Any, Any]) -> None:
        """Note all keys and values of a dictionary."""
        self._contents.append((mapping, list(mapping)))
        if any(isinstance(value, Tensor) for value in mapping.values()):
            for key, value in mapping.items():
                self.entry(mapping, key, value)
        else:
            self._contents.append((mapping.values(), list(mapping.values())))

    def items(self, items: Any) -> None:
        """Note the items of a list, a tuple, a set or a deque, in the order of iteration."""
        if any(isinstance(item, Tensor) for item in items):
            self._checks.append((len, items, len(items)))
            for place, item in enumerate(items):
                if isinstance(item, Tensor):
                    self._place(item, (getitem, items, place))
                else:
                    self._elements.append((items, place, item))
        elif not isinstance(items, tuple | frozenset):
            self._contents.append((items, list(items)))

    def kind(self, value: Any) -> None:
        """Note the class of an object."""
        self._kinds.append(value)

    def absent(self, namespace: Mapping[str, Any], names: Iterable[str]) -> None:
        """Note names that a namespace does not have."""
        missing = frozenset(name for name in names if name not in namespace)
        if missing:
            self._absent.append((namespace, missing))

    def names(self, namespace: Mapping[str, Any]) -> None:
        """Note which names a namespace has."""
        self._contents.append((namespace, list(namespace)))

    def check(self, function: Callable[[Any], Hashable], value: Any) -> None:
        """Note what a function says of a value."""
        self._checks.append((function, value, function(value)))

    def array(self, value: Any) -> None:
        """Note the numbers of an array."""
        self._arrays.append((value, fingerprint(value)))

    def _place(self, tensor: Tensor, place: Place) -> None:
        self._places.setdefault(id(tensor), []).append(place)

    def places(self, tensor: Tensor) -> Sequence[Place]:
        """Return where a tensor stands; a place that a check already holds fixed gives itself."""
        return self._places.get(id(tensor)) or [(_itself, tensor, None)]

    def slots(self) -> list[Place]:
        """Return all places where tensors stand."""
        return [place for places in self._places.values() for place in places]


class Guard:
    """Tells whether a call reads what an earlier one has read.

    Args:
        watch: what that call read.
        live: the tensors whose numbers are read anew, by their numbers in `watch.tensors`.
        known: tensors whose numbers have to be what they were, likewise.
    """

    def __init__(self, watch: Watch, live: Sequence[int], known: Sequence[int]) -> None:
        self._attributes = _columns(watch._attributes)
        self._entries = _columns(watch._entries[dict])
        self._members = _columns(watch._entries[MappingProxyType])
        self._elements = _columns(watch._elements)
        self._containers = [one for one, _ in watch._contents]
        self._lengths = [len(content) for _, content in watch._contents]
        self._contents = [item for _, content in watch._contents for item in content]
        self._objects = watch._kinds
        self._kinds = list(map(type, watch._kinds))
        self._absent = watch._absent
        self._checks = watch._checks
        self._arrays = watch._arrays
        tensors = watch.tensors
        # A tensor that stands in two places is read in one; the other has to hold the same one.
        self._live = [watch.places(tensors[number]) for number in live]
        self._expected = [_form(tensors[number]) for number in live]
        self._known = [
            (place, fingerprint(tensors[number]))
            for number in known
            for place in watch.places(tensors[number])
        ]
        used = {id(place) for places in self._live for place in places}
        used |= {id(place) for place, _ in self._known}
        self._others = [place for place in watch.slots() if id(place) not in used]

    def tensors(self) -> list[Tensor] | None:
        """Return the live tensors, or None if the call reads anything else than the earlier one."""
        try:
            return self._tensors() if self._holds() else None
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            return None  # what was read is not there any more

    def _holds(self) -> bool:
        owners, names, values = self._attributes
        if not all(map(is_, map(getattr, owners, names), values)):
            return False
        mappings, keys, values = self._entries
        if not all(map(is_, map(dict.get, mappings, keys, repeat(_MISSING)), values)):
            return False
        if self._containers:
            if list(map(len, self._containers)) != self._lengths:
                return False
            if not all(map(is_, chain.from_iterable(self._containers), self._contents)):
                return False
        if not all(map(is_, map(type, self._objects), self._kinds)):
            return False
        for namespace, missing in self._absent:
            if not namespace.keys().isdisjoint(missing):
                return False
        mappings, keys, values = self._members
        if mappings and not all(
            map(is_, map(MappingProxyType.get, mappings, keys, repeat(_MISSING)), values)
        ):
            return False
        owners, places, values = self._elements
        if owners and not all(map(is_, map(getitem, owners, places), values)):
            return False
        for function, value, answer in self._checks:
            if function(value) != answer:
                return False
        return all(fingerprint(array) == numbers for array, numbers in self._arrays)

    def _tensors(self) -> list[Tensor] | None:
        found = []
        for (first, *others), form in zip(self._live, self._expected, strict=True):
            get, owner, key = first
            tensor = get(owner, key)
            if _form(tensor) != form:
                return None
            for get, owner, key in others:
                if get(owner, key) is not tensor:
                    return None
            found.append(tensor)
        for (get, owner, key), numbers in self._known:
            if fingerprint(get(owner, key)) != numbers:
                return None
        for get, owner, key in self._others:
            if not isinstance(get(owner, key), Tensor):
                return None
        return found


def fingerprint(value: Any) -> Hashable:
    """Return the numbers of an array or a tensor, with their dtype and shape.

    Raises:
        RuntimeError: it is a tensor whose numbers cannot be read.
    """
    if isinstance(value, Tensor):
        numbers = value.detach().cpu().resolve_conj().resolve_neg().numpy()
        return value.device, numbers.dtype, numbers.shape, numbers.tobytes()
    if value.dtype.hasobject:
        return value.dtype, value.shape, tuple(map(id, value.ravel().tolist()))
    return value.dtype, value.shape, np.asarray(value).tobytes()


def _form(tensor: Tensor) -> Hashable:
    return tensor.shape, tensor.dtype, tensor.device


def _itself(value: Any, _: None) -> Any:
    return value


def _columns(rows: Sequence[tuple[Any, Any, Any]]) -> tuple[list[Any], list[Any], list[Any]]:
    return [one for one, _, _ in rows], [one for _, one, _ in rows], [one for _, _, one in rows]
