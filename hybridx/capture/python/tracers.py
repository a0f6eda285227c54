"""Tracers: they stand for Python numbers and NumPy arrays whose values depend on the inputs.

`NumberTracer` and `ArrayTracer` hold traced tensors and behave as a number and an array: dtypes
follow the rules of Python and NumPy, and torch takes them where it takes a float or an array.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hybridx.capture.torch_internals import is_fake, leaves_of, map_leaves, tensor_numpy

tnp: Any = tensor_numpy()  # it has no type annotations
"""Torch's own version of NumPy, on tensors."""


def is_traced(leaf: Any) -> bool:
    """Return whether a value is traced and so has no numbers in it."""
    if isinstance(leaf, ArrayTracer):
        return leaf.tensor is not None
    return isinstance(leaf, NumberTracer) or is_fake(leaf)


def holds_traced(tree: Any) -> bool:
    """Return whether nested lists, tuples and dicts hold a traced value."""
    return any(map(is_traced, leaves_of(tree)))


def as_tensors(tree: Any) -> Any:
    """Return nested values with tracers replaced by tensors, or arrays if they hold numbers."""
    return map_leaves(
        lambda leaf: leaf.plain if isinstance(leaf, NumberTracer | ArrayTracer) else leaf, tree
    )


class NumberTracer:
    """A Python float, complex number or bool.

    Attributes:
        tensor: shape `()`, float64, complex128 or bool.
    """

    def __init__(self, tensor: Tensor) -> None:
        wide = torch.complex128 if tensor.is_complex() else torch.float64
        self.tensor = tensor if tensor.dtype == torch.bool else tensor.to(wide)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What it stands for: `isinstance` is to say so."""
        if self.tensor.dtype == torch.bool:
            return bool
        return complex if self.tensor.is_complex() else float

    @property
    def plain(self) -> Tensor:
        """The number as a tensor."""
        return self.tensor

    def like(self, dtype: torch.dtype | None) -> Tensor:
        """Return the number for arithmetic with a tensor; it does not widen a dtype of its kind."""
        if dtype is None or not (dtype.is_floating_point or dtype.is_complex):
            dtype = torch.get_default_dtype()
        return self.tensor if self.tensor.is_complex() else self.tensor.to(dtype)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Let torch compute with it."""
        return _by_torch(func, args, kwargs or {})

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """Let NumPy compute with it."""
        return call(ufunc, args, kwargs) if method == "__call__" else NotImplemented

    def __bool__(self) -> bool:
        return bool(self.tensor)

    def __float__(self) -> float:
        return float(self.tensor)

    def __int__(self) -> int:
        return int(self.tensor)

    def __repr__(self) -> str:
        return "<a number that depends on the inputs>"

    def __format__(self, specification: str) -> str:
        return repr(self)  # no digits: a text is no place to compute with them

    def __abs__(self) -> NumberTracer:
        return NumberTracer(abs(self.tensor))

    def __neg__(self) -> NumberTracer:
        return NumberTracer(-self.tensor)

    def __pos__(self) -> NumberTracer:
        return self

    def __round__(self, digits: int | None = None) -> Any:
        return int(self) if digits is None else NumberTracer(self.tensor.round(decimals=digits))

    __hash__ = object.__hash__


def _arithmetic(name: str, *, is_reflected: bool) -> Callable[[NumberTracer, Any], Any]:
    function = getattr(operator, name)

    def method(self: NumberTracer, other: Any) -> Any:
        if isinstance(other, np.generic):
            return NotImplemented  # np.float64 is a float, but NumPy's rules apply
        if isinstance(other, NumberTracer):
            other = other.tensor
        elif not isinstance(other, int | float | complex):
            return NotImplemented
        sides = (other, self.tensor) if is_reflected else (self.tensor, other)
        return NumberTracer(function(*sides))

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(NumberTracer, f"__{_name}__", _arithmetic(_name, is_reflected=False))
    setattr(NumberTracer, f"__r{_name}__", _arithmetic(_name, is_reflected=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(NumberTracer, f"__{_name}__", _arithmetic(_name, is_reflected=False))


class ArrayTracer(np.lib.mixins.NDArrayOperatorsMixin):
    """A NumPy array or scalar, which may hold numbers until a traced value is written into it.

    Args:
        content: torch's own version of an array, which is traced, or an array of numbers.
        parent: the array of which this one is the part at `key`; writes go to it too.
    """

    def __init__(self, content: Any, parent: ArrayTracer | None = None, key: Any = None) -> None:
        self._content = content
        self._parent = parent
        self._key = key

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What it stands for: `isinstance` is to say so."""
        return np.ndarray

    @property
    def content(self) -> Any:
        """The array that it stands for."""
        parent = self._parent
        if parent is not None and parent.tensor is not None:
            # The parent has become a traced array in the meantime.
            self._content, self._parent = parent.content[_for_tnp(self._key)], None
        return self._content

    @property
    def tensor(self) -> Tensor | None:
        """The tensor behind it, or None for an array of numbers."""
        content = self.content
        return content.tensor if isinstance(content, tnp.ndarray) else None

    @property
    def plain(self) -> Any:
        """The tensor behind it, or the array of numbers."""
        return self.content if self.tensor is None else self.tensor

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype, also of a traced array."""
        content = self.content
        found: np.dtype[Any] = content.dtype
        return found if isinstance(content, np.ndarray) else np.dtype(content.dtype.name)

    @property
    def T(self) -> Any:  # noqa: N802 - NumPy's name
        """The transposed array."""
        return _wrapped(self.content.T)

    def trace(self) -> None:
        """Change to a traced array, and the parent too."""
        if self.tensor is None and self._parent is not None:
            self._parent.trace()
        elif self.tensor is None:
            self._content = tnp.asarray(self._content.copy())

    def __getitem__(self, key: Any) -> Any:
        if self.tensor is None and not holds_traced(key):
            part = self._content[as_tensors(key)]
            return ArrayTracer(part, self, key) if isinstance(part, np.ndarray) else part
        self.trace()
        return _wrapped(self.content[_for_tnp(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.tensor is None and not holds_traced((key, value)):
            self._content[as_tensors(key)] = as_tensors(value)
            return
        self.trace()
        self.content[_for_tnp(key)] = tnp.ndarray(joined(value, float_dtype=torch.float64))

    def __iter__(self) -> Any:
        return (self[index] for index in range(len(self)))

    def __len__(self) -> int:
        return len(self.content)

    def __bool__(self) -> bool:
        return bool(self.plain)

    def __int__(self) -> int:
        return int(self.plain)

    def __float__(self) -> float:
        return float(self.plain)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the numbers to NumPy, if the array holds numbers."""
        if self.tensor is not None:
            raise TypeError("NumPy needs the numbers of an array that depends on the inputs")
        return np.asarray(self._content).__array__(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.content, name)
        if not callable(found):
            return _wrapped(found)
        return lambda *args, **kwargs: call(found, args, kwargs, is_traced=self.tensor is not None)

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """Let NumPy compute with it."""
        return call(ufunc, args, kwargs) if method == "__call__" else NotImplemented

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Let NumPy compute with it."""
        return call(func, args, kwargs)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Let torch compute with it."""
        return _by_torch(func, args, kwargs or {})


def array_of(tensor: Tensor) -> ArrayTracer:
    """Return the tracer of the array with a tensor's values."""
    return ArrayTracer(tnp.ndarray(tensor))


def call(func: Any, args: Any, kwargs: dict[str, Any], *, is_traced: bool = False) -> Any:
    """Call a function of NumPy, or a method of an array, on traced values.

    Args:
        func: of NumPy, or torch's version of it.
        args: by position.
        kwargs: by name.
        is_traced: treat the call as traced even if no argument is a traced value.
    """
    if not is_traced and not holds_traced((args, kwargs)):
        return func(*as_tensors(args), **as_tensors(kwargs))
    out = kwargs.pop("out", None)
    result = _wrapped(_rule(func)(*_joined_lists(func, args), **_for_tnp(kwargs)))
    if out is None:
        return result
    (target,) = out if isinstance(out, tuple) else (out,)
    target[...] = result
    return target


def _rule(func: Any) -> Callable[..., Any]:
    """Return torch's version of a NumPy function."""
    if func.__name__ in _ARRAYS:
        return _ARRAYS[func.__name__]
    if "torch" in getattr(func, "__module__", ""):  # a ufunc has no `__module__` before NumPy 2.2
        found: Callable[..., Any] = func
        return found
    room: Any = tnp
    for part in (getattr(func, "__module__", None) or "numpy").split(".")[1:]:
        room = getattr(room, part, None)
    rule = getattr(room, func.__name__, None)
    if rule is None:
        raise TypeError(f"numpy.{func.__name__} has no rule for values that depend on the inputs")
    return rule  # type: ignore[no-any-return]


# These take a list of arrays; all other functions treat a list as one array.
_OF_LISTS = ("stack", "vstack", "hstack", "dstack", "column_stack", "row_stack", "concatenate")


def _joined_lists(func: Any, args: Any) -> list[Any]:
    """Return the arguments of a NumPy function, with lists of traced values as arrays."""

    def array(value: Any) -> Any:
        if not isinstance(value, list | tuple) or not holds_traced(value):
            return value
        return array_of(joined(value, torch.float64))

    if func.__name__ in _OF_LISTS and args and isinstance(args[0], list | tuple):
        args = [[array(item) for item in args[0]], *map(array, args[1:])]
    return [_for_tnp(array(arg)) for arg in args]


def _as_array(data: Any, dtype: Any = None, **_: Any) -> Any:
    tensor = data.tensor if isinstance(data, tnp.ndarray) else joined(data, torch.float64)
    return tnp.ndarray(tensor) if dtype is None else tnp.ndarray(tensor).astype(dtype)


def _new_array(data: Any, dtype: Any = None, **_: Any) -> Any:
    return tnp.ndarray(_as_array(data, dtype).tensor.clone())


_ARRAYS: dict[str, Callable[..., Any]] = {
    "array": _new_array,
    "asarray": _as_array,
    "asanyarray": _as_array,
    "ascontiguousarray": _as_array,
}


def joined(data: Any, float_dtype: torch.dtype, *, unwraps: bool = False) -> Tensor:
    """Return nested lists of numbers, tensors and tracers as one tensor.

    Args:
        data: what `numpy.array` or `torch.tensor` takes.
        float_dtype: of Python numbers.
        unwraps: treat a tensor of one element in a list as a number, as `torch.tensor` does.
    """
    if isinstance(data, NumberTracer):
        return data.like(float_dtype)
    if isinstance(data, list | tuple) and data:
        items = [joined(item, float_dtype, unwraps=unwraps) for item in data]
        if unwraps:
            items = [
                part.reshape(()) if isinstance(item, Tensor) and part.numel() == 1 else part
                for item, part in zip(data, items, strict=True)
            ]
        dtype = items[0].dtype
        for item in items:
            dtype = torch.promote_types(dtype, item.dtype)
        return torch.stack([item.to(dtype) for item in items])
    plain = as_tensors(data)
    if isinstance(plain, float | complex) and not isinstance(plain, np.generic):
        kind = float_dtype.to_complex() if isinstance(plain, complex) else float_dtype
        return torch.full((), plain, dtype=kind)
    return plain if isinstance(plain, Tensor) else torch.as_tensor(plain)


def made_of(data: Any, dtype: torch.dtype | None = None) -> Tensor:
    """Return the tensor that torch would make of lists and arrays with traced values.

    Args:
        data: what `torch.tensor` takes.
        dtype: of the tensor; by default the one that torch would choose.
    """
    tensor = joined(data, torch.get_default_dtype(), unwraps=True)
    return tensor.to(dtype or tensor.dtype).detach().clone()


def _wrapped(result: Any) -> Any:
    return map_leaves(
        lambda leaf: ArrayTracer(leaf) if isinstance(leaf, tnp.ndarray) else leaf, result
    )


def _for_tnp(tree: Any) -> Any:
    """Return the arguments of a NumPy function as torch's version of it takes them."""
    dtype = _dtype_beside(tree) or torch.float64

    def converted(leaf: Any) -> Any:
        if isinstance(leaf, NumberTracer):
            return tnp.ndarray(leaf.like(dtype))
        if isinstance(leaf, ArrayTracer):
            leaf = leaf.content
        if isinstance(leaf, Tensor):
            return tnp.ndarray(leaf)
        if isinstance(leaf, np.ndarray | np.generic):
            return tnp.asarray(np.asarray(leaf))
        if isinstance(leaf, np.dtype) or (isinstance(leaf, type) and leaf is not bool):
            return getattr(tnp, np.dtype(leaf).name)
        return leaf

    return map_leaves(converted, tree)


def _by_torch(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    dtype = _dtype_beside((args, kwargs))

    def converted(leaf: Any) -> Any:
        if isinstance(leaf, ArrayTracer):
            # torch treats a NumPy scalar as a float, which widens no dtype.
            is_scalar = isinstance(leaf.plain, Tensor) and leaf.plain.dim() == 0
            return (
                NumberTracer(leaf.plain).like(dtype) if is_scalar else torch.as_tensor(leaf.plain)
            )
        return leaf.like(dtype) if isinstance(leaf, NumberTracer) else leaf

    args, kwargs = map_leaves(converted, (args, kwargs))
    return func(*args, **kwargs)


def _dtype_beside(tree: Any) -> torch.dtype | None:
    """Return the dtype of the floating-point tensors and arrays among arguments, if any."""
    tensors = [leaf.tensor if isinstance(leaf, ArrayTracer) else leaf for leaf in leaves_of(tree)]
    dtypes = [t.dtype for t in tensors if isinstance(t, Tensor) and t.is_floating_point()]
    return dtypes[0] if dtypes else None
