"""What holds values that can change, with what it held at one moment.

Each class takes an object when it is made. `changed` says what differs since, by its path, and
`put_back` restores it in place: the object stays the same one.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from types import CellType, FunctionType, ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from hybridx.capture.python.patches import ABSENT
from hybridx.capture.torch_internals import dotted, set_version, version_of

KEPT_BYTES = 2**26
"""Weights beyond this are copied for one run only; of other tensors, none beyond it is copied."""

VALUES = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)
"""Types whose objects cannot change."""


class Holder(Protocol):
    """Something that can change, and what it held when this was made."""

    def changed(self) -> Collection[str]:
        """Return the paths of what has changed since."""

    def put_back(self, keep: Collection[str] = ()) -> None:
        """Restore what has changed, except what has one of these paths."""


class Copies:
    """Copies of the numbers in tensors and arrays, made once for all runs of an export.

    Args:
        with_parameters: also of parameters, which are by far the most numbers.

    Attributes:
        written: those that a run has written into, by `id`.
    """

    def __init__(self, *, with_parameters: bool = True) -> None:
        self._with_parameters = with_parameters
        self.written: set[int] = set()
        self._copies: dict[int, tuple[Any, Any]] = {}
        self._new: set[int] = set()
        self._weights: set[int] = set()

    def add(self, value: Tensor | np.ndarray[Any, Any], *, is_weight: bool = False) -> None:
        """Copy a tensor or an array, unless that was done before or it is large and no weight."""
        key = id(value)
        if key in self._copies or (not is_weight and value.nbytes > KEPT_BYTES):
            return
        if isinstance(value, nn.Parameter) and not self._with_parameters:
            return
        copy = value.detach().clone() if isinstance(value, Tensor) else value.copy()
        self._copies[key] = value, copy
        self._new.add(key)
        if is_weight:
            self._weights.add(key)

    def of(self, value: Any) -> Any:
        """Return the copy, or None if there is none."""
        return self._copies.get(id(value), (None, None))[1]

    def is_suspect(self, value: Any) -> bool:
        """Return whether a run may have written into a value although torch counted nothing."""
        return id(value) in self._new or id(value) in self.written

    def settle(self) -> None:
        """End the first run: its writes are known, and large weights need no copy any more."""
        self._new.clear()
        unwritten = self._weights - self.written
        if sum(self._copies[key][1].nbytes for key in unwritten) > KEPT_BYTES:
            self._copies |= {key: (self._copies[key][0], None) for key in unwritten}
        self._weights -= unwritten


def is_same(before: Any, now: Any) -> bool:
    """Return whether two values are one object, or equal and of a type that cannot change."""
    if before is now:
        return True
    return type(before) is type(now) and isinstance(before, VALUES) and bool(before == now)


class Names:
    """A dictionary: the attributes of an object, or one that the user keeps.

    Args:
        names: the dictionary.
        path: of the object or of the dictionary.
        is_own: its keys are attributes, each with a path of its own.
    """

    def __init__(self, names: dict[Any, Any], path: str, *, is_own: bool = True) -> None:
        self._names = names
        self._before = dict(names)
        self._path = path
        self._is_own = is_own

    def _path_of(self, key: Any) -> str:
        return dotted(self._path, str(key)) if self._is_own else self._path

    def _differing(self, is_equal: Callable[[Any, Any], bool]) -> Iterator[Any]:
        for key in {**self._before, **self._names}:
            if not is_equal(self._before.get(key, ABSENT), self._names.get(key, ABSENT)):
                yield key

    def changed(self) -> list[str]:
        """Return the paths of the keys with other values."""
        return [self._path_of(key) for key in self._differing(is_same)]

    def put_back(self, keep: Collection[str] = ()) -> None:
        """Restore values, keys and their order."""
        for key in list(self._differing(lambda before, now: before is now)):
            if self._path_of(key) in keep:
                continue
            if key in self._before:
                self._names[key] = self._before[key]
            else:
                del self._names[key]
        if not keep and list(self._names) != list(self._before):
            (OrderedDict if isinstance(self._names, OrderedDict) else dict).clear(self._names)
            self._names.update(self._before)

    def replace(self, copied: Callable[[Any], Any]) -> None:
        """Replace each value by what a function returns for it."""
        for key, value in list(self._names.items()):
            self._names[key] = copied(value)

    def advance(self, calls: int) -> bool:
        """Change numbers that have changed as if there had been so many calls; tell if any has."""
        advanced = False
        for key in list(self._differing(is_same)):
            before, now = self._before.get(key), self._names.get(key)
            if all(isinstance(one, int | float) and type(one) is not bool for one in (before, now)):
                self._names[key] = before + (now - before) * calls  # type: ignore[operator]
                advanced = True
        return advanced


class Attributes:
    """Some attributes of a class, or names of a module: they are set and deleted one by one.

    Args:
        read: returns the present values by name.
        write: sets a name, or deletes it if the value is `ABSENT`.
        path: of the class, or nothing.
    """

    def __init__(
        self, read: Callable[[], Mapping[str, Any]], write: Callable[[str, Any], None], path: str
    ) -> None:
        self._read, self._write, self._path = read, write, path
        self._before = dict(read())

    def _differing(self) -> Iterator[str]:
        now = self._read()
        for name in {**self._before, **now}:
            value = now.get(name, ABSENT)
            if value is not self._before.get(name, ABSENT) and not isinstance(value, FIXED):
                yield name

    def changed(self) -> list[str]:
        """Return the paths of the names with other values."""
        now = self._read()
        return [
            dotted(self._path, name)
            for name in self._differing()
            if not is_same(self._before.get(name, ABSENT), now.get(name, ABSENT))
        ]

    def put_back(self, keep: Collection[str] = ()) -> None:
        """Restore the values."""
        for name in list(self._differing()):
            if dotted(self._path, name) not in keep:
                self._write(name, self._before.get(name, ABSENT))


FIXED = (ModuleType, FunctionType, type)
"""Types of what is defined, not kept: hybridx itself gives such names other values for a time."""


class Items:
    """A list or a deque."""

    def __init__(self, items: list[Any] | deque[Any], path: str) -> None:
        self._items, self._path = items, path
        self._before = list(items)

    def _is_changed(self, is_equal: Callable[[Any, Any], bool]) -> bool:
        is_as_long = len(self._items) == len(self._before)
        return not (is_as_long and all(map(is_equal, self._before, self._items)))

    def changed(self) -> list[str]:
        """Return the path if an item is another one."""
        return [self._path] if self._is_changed(is_same) else []

    def put_back(self, keep: Collection[str] = ()) -> None:
        """Restore the items."""
        if self._path not in keep and self._is_changed(lambda before, now: before is now):
            self._set(self._before)

    def _set(self, items: list[Any]) -> None:
        if isinstance(self._items, deque):
            deque.clear(self._items)
            deque.extend(self._items, items)
        else:
            list.__setitem__(self._items, slice(None), items)

    def replace(self, copied: Callable[[Any], Any]) -> None:
        """Replace each item by what a function returns for it."""
        self._set([copied(item) for item in self._items])


class Members:
    """A set."""

    def __init__(self, members: set[Any], path: str) -> None:
        self._members, self._path = members, path
        self._before = set(members)

    def changed(self) -> list[str]:
        """Return the path if the set is another one."""
        return [] if self._members == self._before else [self._path]

    def put_back(self, keep: Collection[str] = ()) -> None:
        """Restore the members."""
        if self._path not in keep and self._members != self._before:
            set.clear(self._members)
            set.update(self._members, self._before)


class Cell:
    """A variable of an enclosing function."""

    def __init__(self, cell: CellType, path: str) -> None:
        self._cell, self._path = cell, path
        self._before = content_of(cell)

    def changed(self) -> list[str]:
        """Return the path if the variable has another value."""
        now = content_of(self._cell)
        return [] if isinstance(now, FIXED) or is_same(self._before, now) else [self._path]

    def put_back(self, keep: Collection[str] = ()) -> None:
        """Restore the value."""
        now = content_of(self._cell)
        if self._path in keep or isinstance(now, FIXED) or now is self._before:
            return
        if self._before is ABSENT:
            del self._cell.cell_contents
        else:
            self._cell.cell_contents = self._before


def content_of(cell: CellType) -> Any:
    """Return the value of a variable; `ABSENT` if it has none yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return ABSENT


class Numbers:
    """A tensor: its numbers, where they are stored, its gradient and whether it needs one.

    Args:
        tensor: one that has numbers.
        path: of the tensor.
        copies: of numbers; None to restore all but these.
    """

    def __init__(self, tensor: Tensor, path: str, copies: Copies | None) -> None:
        self._tensor, self._path, self._copies = tensor, path, copies
        self._stored = tensor.data
        self._version = version_of(tensor)
        self._needs = tensor.requires_grad
        self._grad = tensor.grad if tensor.is_leaf else None

    def _is_moved(self) -> bool:
        now, before = self._tensor, self._stored
        return (
            now.data_ptr() != before.data_ptr()
            or now.dtype != before.dtype
            or now.shape != before.shape
            or now.stride() != before.stride()
        )

    def _is_written(self) -> bool:
        copies = self._copies
        copy = None if copies is None else copies.of(self._tensor)
        if copies is None or copy is None:
            return False
        is_counted = self._version is None or version_of(self._tensor) != self._version
        if not is_counted and not copies.is_suspect(self._tensor):
            return False
        if _has_numbers_of(self._stored, copy):
            return False
        copies.written.add(id(self._tensor))
        return True

    def changed(self) -> list[str]:
        """Return the path if the numbers are others."""
        if self._is_moved():
            if self._copies is not None:
                self._copies.written.add(id(self._tensor))
            return [self._path]
        return [self._path] if self._is_written() else []

    def put_back(self, keep: Collection[str] = ()) -> None:
        """Restore the numbers, in their place, and the gradient."""
        tensor = self._tensor
        if self._path in keep:
            return
        is_counted = self._version is not None and version_of(tensor) != self._version
        if self._is_written():
            assert self._copies is not None
            with torch.no_grad():
                self._stored.copy_(self._copies.of(tensor))
        if self._is_moved():
            tensor.grad = None  # torch refuses data that a gradient does not fit
            tensor.data = self._stored
        if is_counted and self._copies is not None and self._copies.of(tensor) is not None:
            # A backward pass that waits compares it.
            set_version(tensor, self._version or 0)
        if tensor.is_leaf:
            if tensor.requires_grad != self._needs:
                tensor.requires_grad_(self._needs)
            if tensor.grad is not self._grad:
                tensor.grad = self._grad

    def advance(self, calls: int) -> bool:
        """Change a single number, if it has changed, as if there had been so many calls."""
        tensor = self._tensor
        is_number = tensor.numel() == 1 and not tensor.is_complex() and tensor.dtype != torch.bool
        if not is_number or self._is_moved() or not self._is_written():
            return False
        assert self._copies is not None
        before = self._copies.of(tensor)
        self._stored.copy_(before + (self._stored - before) * calls)
        return True


def _has_numbers_of(left: Tensor, right: Tensor) -> bool:
    if torch.equal(left, right):
        return True
    is_inexact = left.is_floating_point() or left.is_complex()
    return is_inexact and torch.allclose(left, right, rtol=0, atol=0, equal_nan=True)


class Elements:
    """A NumPy array that can be written, of which there is a copy."""

    def __init__(self, array: np.ndarray[Any, Any], path: str, copy: Any) -> None:
        self._array, self._path, self._copy = array, path, copy

    def _is_changed(self) -> bool:
        return bool(self._array.tobytes() != self._copy.tobytes())

    def changed(self) -> list[str]:
        """Return the path if an element is another one."""
        return [self._path] if self._is_changed() else []

    def put_back(self, keep: Collection[str] = ()) -> None:
        """Restore the elements."""
        if self._path not in keep and self._is_changed():
            self._array[...] = self._copy


class Generator:
    """A random generator of torch, NumPy or Python.

    Args:
        read: returns its state.
        write: sets its state.
        path: of the generator.
    """

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], Any], path: str) -> None:
        self._read, self._write, self._path = read, write, path
        self._before = read()

    def _is_changed(self) -> bool:
        return bool(_comparable(self._read()) != _comparable(self._before))

    def changed(self) -> list[str]:
        """Return the path if the generator has drawn."""
        return [self._path] if self._is_changed() else []

    def put_back(self, keep: Collection[str] = ()) -> None:
        """Restore the state."""
        if self._path not in keep and self._is_changed():
            self._write(self._before)


def _comparable(state: Any) -> Any:
    """Return the state of a generator in a form that can be compared."""
    match state:
        case Tensor():
            return state.numpy().tobytes()
        case np.ndarray():
            return state.tobytes()
        case dict():
            return {key: _comparable(value) for key, value in state.items()}
        case tuple():
            return tuple(map(_comparable, state))
    return state
