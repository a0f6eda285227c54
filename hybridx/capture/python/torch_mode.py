"""Functions of torch that exchange values with Python, as a model sees them while it is traced.

`.item()`, `.numpy()`, `float()` and similar functions have no value for a tensor that depends on
the model's inputs. They return tracers instead, and `torch.tensor` takes tracers. Inside a quantum
function they return tensors, because PennyLane takes those. For a tensor that depends on weights
and constants alone they return its value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pennylane as qml
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hybridx.capture.graph.formulas.projected_lstm import projected_lstm
from hybridx.capture.graph.provenance import is_whole_of_data
from hybridx.capture.python.branches import Branches
from hybridx.capture.python.concrete_values import ConcreteValues
from hybridx.capture.python.known_results import UNKNOWN, known_result, with_known_parts
from hybridx.capture.python.number_indices import get_item, holds_number, set_item
from hybridx.capture.python.packed_sequences import NOT_PACKED, PackedSequences
from hybridx.capture.python.patches import current
from hybridx.capture.python.refusals import refuse_length
from hybridx.capture.python.tracers import (
    ArrayTracer,
    NumberTracer,
    array_of,
    as_tensors,
    holds_traced,
    made_of,
)
from hybridx.capture.torch_internals import (
    assertions,
    depends_on_data,
    is_fake,
    packed_recurrences,
    packing,
    untraced,
)


def as_seen(tracer: NumberTracer | ArrayTracer) -> Any:
    """Return a tracer, or inside a quantum function its tensor."""
    return tracer.plain if qml.QueuingManager.recording() else tracer


def constructor(original: Callable[..., Any], fixed: torch.dtype | None = None) -> Any:
    """Return a function that makes tensors and also takes tracers.

    Args:
        original: makes tensors of numbers and arrays, such as `torch.tensor`.
        fixed: the dtype of the tensors, if it makes only one.
    """

    def make(data: Any = (), *args: Any, **kwargs: Any) -> Any:
        if isinstance(data, list) and any(map(is_whole_of_data, data)):
            data = [NumberTracer(torch.scalar_tensor(one, dtype=torch.int64)) for one in data]
        if isinstance(data, Tensor) or not holds_traced(data):
            return original(as_tensors(data), *args, **kwargs)
        dtype = fixed or kwargs.get("dtype")
        if isinstance(dtype, type):
            dtype = getattr(torch, np.dtype(dtype).name)
        return made_of(data, dtype)

    return make


class TracingMode(TorchFunctionMode):
    """Replaces, in this thread, the functions that read the values of a traced tensor.

    Args:
        values: of what depends on weights and constants alone.
        branches: answers whether any other value is true.
    """

    def __init__(self, values: ConcreteValues, branches: Branches) -> None:
        super().__init__()
        self._values = values
        self._branches = branches
        self._asked: dict[Any, Callable[..., Any]] = {
            Tensor.numpy: self._numpy,
            Tensor.__array__: self._numpy,
            Tensor.tolist: self._tolist,
            Tensor.item: self._item,
            Tensor.__format__: self._format,
            Tensor.__bool__: branches.decide,
            Tensor.is_nonzero: branches.decide,
            torch.is_nonzero: branches.decide,
            nn.functional.one_hot: self._one_hot,
            **dict.fromkeys(assertions(), self._assert),
            **dict.fromkeys(_EQUALITIES, self._equal),
            **dict.fromkeys(_CLOSENESS, self._close),
            torch.cdist: _distances,
            **{function: function for function in _CONVERSIONS},
        }
        self._otherwise: dict[Any, Callable[..., Any]] = {
            **dict.fromkeys(_LOG_SUMS, _log_sum_of_exponentials),
            packed_recurrences()[0]: _lstm,
            torch.bincount: _counts,
            Tensor.bincount: _counts,
            torch.topk: _largest,
            Tensor.topk: _largest,
        }
        self._packing = packing()
        self._sequences = PackedSequences()
        self._made = {function: constructor(function) for function in _MAKE_TENSORS}
        self._data: Any = Tensor.data.__get__  # type: ignore[attr-defined]

    def __torch_function__(
        self, func: Any, types: Iterable[Any], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, or its replacement."""
        kwargs = kwargs or {}
        packed = self._sequences.answer(func, args, kwargs)
        if packed is not NOT_PACKED:
            return packed
        known = known_result(func, args, kwargs, self._values.value)
        if known is not UNKNOWN:
            return known
        if func in self._asked and args and is_fake(args[0]):
            return self._answer(func, *args, **kwargs)
        if func in self._otherwise and args and is_fake(args[0]):
            return self._otherwise[func](*args, **kwargs)
        if func is self._packing and is_fake(args[1]):
            return self._pack(*args, **kwargs)
        if func in self._made:
            return self._made[func](*args, **kwargs)
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            is_read = func is Tensor.__getitem__
            key = with_known_parts(args[1], self._values.value, masks=is_read)
            args = (args[0], key, *args[2:])
        if func is Tensor.__getitem__ and holds_number(args[1]):
            return get_item(args[0], args[1], self._values.value)
        if func is Tensor.__setitem__ and holds_number(args[1]):
            return set_item(args[0], args[1], args[2], self._values.value)
        if func is Tensor.unbind:
            refuse_length(*args, **kwargs)
        if func == self._data and is_fake(args[0]):
            return args[0].detach()  # torch's own `.data` is not part of the trace
        return func(*args, **kwargs)

    def _answer(self, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        # Two tensors that are compared are known only together.
        value = None if func in _COMPARISONS else self._values.value(tensor)
        if value is None:
            return self._asked[func](tensor, *args, **kwargs)
        with untraced():
            return func(value.detach().clone(), *args, **kwargs)

    def _numpy(self, tensor: Tensor, *_: Any, **__: Any) -> Any:
        return as_seen(array_of(tensor))

    def _tolist(self, tensor: Tensor) -> Any:
        if tensor.dim() == 0:
            return self._answer(Tensor.item, tensor)
        if not isinstance(tensor.shape[0], int):
            return as_seen(array_of(tensor))  # a list would fix its length
        return [self._answer(Tensor.tolist, part) for part in tensor]

    def _format(self, tensor: Tensor, specification: str) -> str:
        number = NumberTracer(tensor) if tensor.dim() == 0 else tensor
        return format(number, specification)

    def _pack(self, sequences: Tensor, lengths: Tensor, *args: Any) -> Any:
        if self._values.value(lengths) is not None:
            return packing()(sequences, lengths, *args)
        data, sizes = self._sequences.pack(sequences, lengths, *args)
        self._branches.assume_lengths(sizes.shape[0])
        return data, sizes

    def _assert(self, *_: Any, **__: Any) -> None:
        self._branches.check()

    def _equal(self, one: Tensor, other: Tensor) -> bool:
        return one.shape == other.shape and self._branches.decide((one == other).all())

    def _close(self, one: Tensor, other: Tensor, *args: Any, **kwargs: Any) -> bool:
        return self._branches.decide(torch.isclose(one, other, *args, **kwargs).all())

    def _one_hot(self, classes: Tensor, num_classes: Any = -1) -> Tensor:
        """Return what `one_hot` returns, whose number of columns the data may give."""
        if is_fake(num_classes):
            num_classes = num_classes.item()
        if type(num_classes) is int and num_classes >= 0:
            return nn.functional.one_hot(classes, num_classes)
        if type(num_classes) is int:
            num_classes = classes.max().item() + 1
        return (classes.unsqueeze(-1) == torch.arange(num_classes)).to(torch.int64)

    def _item(self, tensor: Tensor) -> Any:
        if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
            return as_seen(NumberTracer(tensor.reshape(()) if tensor.dim() else tensor))
        return tensor.item()  # torch gives a symbol and tracks its constraints


def _distances(
    one: Tensor, other: Tensor, p: float = 2.0, compute_mode: str | None = None
) -> Tensor:
    """Return what `torch.cdist` returns, whose way torch would choose by the number of rows."""
    del compute_mode
    return torch.cdist(one, other, p, "donot_use_mm_for_euclid_dist")


def _lstm(*args: Any) -> Any:
    """Return what `torch.lstm` returns of padded sequences, without projections."""
    found = projected_lstm(*args) if isinstance(args[1], list | tuple) else NotImplemented
    return packed_recurrences()[0](*args) if found is NotImplemented else found


def _largest(x: Tensor, k: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what `torch.topk` returns.

    That a part of an open length, such as its half, is no longer than it, torch does not prove: the
    part becomes a number of the data.
    """
    if isinstance(k, torch.SymInt) and not depends_on_data(k):
        number: Any = k
        k = torch.scalar_tensor(number, dtype=torch.int64).item()
    return torch.topk(x, k, *args, **kwargs)


def _counts(x: Tensor, weights: Tensor | None = None, minlength: Any = 0) -> Tensor:
    """Return what `torch.bincount` returns; a length of the data is taken for the greatest one."""
    if type(minlength) is int:
        return torch.bincount(x, weights, minlength)
    if weights is not None and weights.dtype is not torch.float32:
        weights = weights.double()
    one = torch.ones_like(x) if weights is None else weights
    return one.new_zeros(minlength).index_add(0, x, one)


def _log_sum_of_exponentials(x: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Return what `torch.logsumexp` returns, which asks whether there is any element."""
    for axis in dim if isinstance(dim, list | tuple) else [dim]:
        if depends_on_data(x.shape[axis]):
            # One more, whose exponential is 0: then there always is.
            one = x.narrow(axis, 0, 0).sum(axis, keepdim=True)
            x = torch.cat([x, torch.full_like(one, -torch.inf)], axis)
    return torch.logsumexp(x, dim, keepdim)


_LOG_SUMS = (torch.logsumexp, Tensor.logsumexp, torch.special.logsumexp)
_CONVERSIONS = (Tensor.__int__, Tensor.__float__, Tensor.__index__)
_EQUALITIES = (torch.equal, Tensor.equal)
_CLOSENESS = (torch.allclose, Tensor.allclose)
_COMPARISONS = (*_EQUALITIES, *_CLOSENESS)
_MAKE_TENSORS = (torch.tensor, torch.as_tensor)


class NumbersMode(TracingMode):
    """Traces what code does with the numbers of tensors, which have no derivatives then.

    Whatever else it asks of the data, torch refuses.
    """

    def __init__(self, values: ConcreteValues, branches: Branches) -> None:
        super().__init__(values, branches)
        reading = (Tensor.numpy, Tensor.__array__, Tensor.tolist, Tensor.item)
        self._asked = {function: self._without_slope(self._asked[function]) for function in reading}

    @staticmethod
    def _without_slope(answer: Callable[..., Any]) -> Callable[..., Any]:
        return lambda tensor, *args, **kwargs: answer(tensor.detach(), *args, **kwargs)


def following() -> AbstractContextManager[Any]:
    """Trace values through the code of a model, if this thread traces it."""
    values, branches = current().values, current().branches
    if values is None or branches is None:
        return nullcontext()
    return TracingMode(values, branches)
