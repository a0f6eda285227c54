"""Which arguments of `forward` are inputs of the file, and which are constants."""

from __future__ import annotations

import inspect
import re
from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from hybridx.capture.model.outputs import free_name
from hybridx.capture.model.structures import (
    as_tensor,
    holds_tensor,
    is_constant,
    is_single,
    named_parts,
)
from hybridx.capture.torch_internals import leaves_of, parameters_of
from hybridx.errors import ArgumentError, ArgumentsByNameError, ArgumentsDoNotFitError


@dataclass(frozen=True)
class Input:
    """An argument, or a part of one, that is an input of the file.

    Attributes:
        name: of the input.
        is_complex: the argument is complex; the input is real, with real and imaginary parts in a
            last axis of 2.
    """

    name: str
    is_complex: bool = False

    def argument(self, tensor: Tensor) -> Tensor:
        """Return the argument that an input stands for."""
        return torch.view_as_complex(tensor) if self.is_complex else tensor

    def tensor(self, argument: Any) -> Tensor:
        """Return what the input takes for an argument."""
        tensor = as_tensor(argument)
        return torch.view_as_real(tensor.resolve_conj()) if self.is_complex else tensor


@dataclass(frozen=True)
class Record:
    """An argument that is taken apart into named parts: a dataclass, a graph, any such object.

    Attributes:
        parts: the trees of the parts, in order; those that no file can keep are left out.
        is_tuple: the parts can also be taken in order.
        rebuild: returns an object of the argument's own class with these parts; None where only a
            file says what the argument was.
    """

    parts: Mapping[str, Any]
    is_tuple: bool
    rebuild: Callable[[Mapping[str, Any]], Any] | None = None

    def filled(self, tensors: Mapping[str, Tensor]) -> Any:
        """Return the argument, made of the inputs of these names."""
        parts = {name: _filled(tree, tensors) for name, tree in self.parts.items()}
        if self.rebuild is not None:
            return self.rebuild(parts)
        if self.is_tuple:
            return namedtuple("Record", parts)(**parts)  # noqa: PYI024 - its fields are data
        return SimpleNamespace(**parts)


@dataclass(frozen=True)
class ForwardCall:
    """The arguments of `forward`, with an `Input` in place of every tensor.

    Attributes:
        args: by position; lists, tuples and dicts may be nested.
        kwargs: by keyword.
        names: of the inputs, in the order of the signature.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    names: tuple[str, ...]

    def filled(self, tensors: Mapping[str, Tensor]) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments, made of the inputs of these names."""
        args = [_filled(tree, tensors) for tree in self.args]
        return args, {name: _filled(tree, tensors) for name, tree in self.kwargs.items()}

    @property
    def complex_names(self) -> tuple[str, ...]:
        """The names of the inputs that stand for complex arguments."""
        found = _inputs([self.args, dict(self.kwargs)])
        return tuple(one.name for one in found if one.is_complex)

    @property
    def is_plain(self) -> bool:
        """True if all arguments are real inputs, given by position."""
        return not self.kwargs and all(
            isinstance(tree, Input) and not tree.is_complex for tree in self.args
        )

    def renamed(self, names: Sequence[str]) -> ForwardCall:
        """Return the same call with other names of its inputs, in order."""
        new = dict(zip(self.names, names, strict=True))
        args = tuple(_renamed(tree, new) for tree in self.args)
        kwargs = {name: _renamed(tree, new) for name, tree in self.kwargs.items()}
        return ForwardCall(args, kwargs, tuple(names))

    def encode(self) -> dict[str, Any]:
        """Return the call as a JSON document that `decode_call` reads."""
        return {
            "args": [_encoded(tree) for tree in self.args],
            "kwargs": {name: _encoded(tree) for name, tree in self.kwargs.items()},
        }


def plain_call(names: Sequence[str]) -> ForwardCall:
    """Return the call that gives each input by position."""
    return ForwardCall(tuple(map(Input, names)), {}, tuple(names))


def describe_call(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[ForwardCall, dict[str, Tensor]]:
    """Return how `model(*args, **kwargs)` calls it, and the inputs among the arguments by name.

    A complex tensor becomes a real input with a last axis of 2.

    Raises:
        ArgumentError: an argument holds something that is neither a tensor nor a constant.
    """
    if not holds_tensor([*args, *kwargs.values()]):
        # A file without an input would be of no use, so numbers are the input here.
        args = _numbers_as_tensors(args)
        kwargs = dict(zip(kwargs, _numbers_as_tensors(kwargs.values()), strict=True))
    parameters = list(inspect.signature(model.forward).parameters.values())
    order = [parameter.name for parameter in parameters]
    tensors: dict[str, Tensor] = {}
    given = [
        _described(value, name, tensors)
        for value, name in zip(args, _positional_names(parameters, len(args)), strict=True)
    ]
    by_signature = sorted(kwargs, key=lambda n: order.index(n) if n in order else len(order))
    named = {name: _described(kwargs[name], name, tensors) for name in by_signature}
    return ForwardCall(tuple(given), named, tuple(tensors)), tensors


def _positional_names(parameters: Sequence[inspect.Parameter], count: int) -> list[str]:
    """Return a name for each positional argument: that of its parameter, or one with a number."""
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "input")
    return [*names, *(f"{rest}_{index}" for index in range(count - len(names)))][:count]


def read_arguments(args: Any) -> Sequence[Any]:
    """Return the example arguments of forward: a value that is no tuple or list is the only one.

    Raises:
        ArgumentError: they are given by name.
    """
    if type(args) in (list, tuple):
        return args  # type: ignore[no-any-return]
    if isinstance(args, dict):
        raise ArgumentsByNameError(type(args).__name__)
    return (args,)


def check_arguments(
    model: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    error: Exception,
) -> None:
    """Refuse what forward cannot take, of arguments on which the model raised.

    Args:
        model: the model.
        args: by position.
        kwargs: by keyword.
        tensors: the inputs among them, by name.
        error: of the model.

    Raises:
        ArgumentsDoNotFitError: they are more, fewer or others than the parameters of forward, or
            of another dtype than the weights.
    """
    signature = inspect.signature(model.forward)
    shown = ", ".join(map(str, signature.parameters.values()))
    try:
        signature.bind(*args, **kwargs)
    except TypeError as unbound:
        is_shape = bool(args) and all(type(one) is int for one in args)
        advice = "give one example value for each, with args=(…,) and kwargs="
        if is_shape:
            advice = f"give a tensor of this shape, for example torch.randn{tuple(args)}"
        raise ArgumentsDoNotFitError(shown, str(unbound), advice) from error
    weights = {weight.dtype for _, weight in parameters_of(model) if weight.is_floating_point()}
    others = [
        (name, tensor.dtype) for name, tensor in tensors.items() if tensor.dtype not in weights
    ]
    if len(weights) == 1 and others and re.search(r"\bdtype\b|scalar type", str(error)):
        (own,) = weights
        name, dtype = max(others, key=lambda pair: pair[1].is_floating_point)
        reason = f"{name} is {dtype}, and the weights are {own}"
        raise ArgumentsDoNotFitError(shown, reason, f"give {name}.to({own})") from error


def _described(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor) and value.layout != torch.strided:
        raise ArgumentError(
            name, f"sparse tensor ({value.layout}); .to_dense() makes it a plain one"
        )
    if is_single(value):
        one = Input(free_name(name, tensors), as_tensor(value).is_complex())
        tensors[one.name] = one.tensor(value)
        return one
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple() if type(value) in (list, tuple):
            items = [_described(item, f"{name}_{i}", tensors) for i, item in enumerate(value)]
            return type(value)(items)
        case dict() if all(isinstance(key, str) for key in value):
            return {key: _described(item, f"{name}_{key}", tensors) for key, item in value.items()}
    parts = named_parts(value)
    if parts is None or not all(isinstance(key, str) for key in parts.items):
        raise ArgumentError(name, type(value).__name__)
    kept = {
        key: _described(item, f"{name}_{key}" if key else name, tensors)
        for key, item in parts.items.items()
        if isinstance(value, tuple) or is_constant(item) or holds_tensor(item)
    }
    return Record(kept, isinstance(value, tuple), parts.rebuild)


def _numbers_as_tensors(values: Iterable[Any]) -> list[Any]:
    """Return arguments with tensors in the places of floats and of lists of numbers."""
    return [
        torch.tensor(value) if isinstance(value, float) or _is_table(value) else value
        for value in values
    ]


def _is_table(value: Any) -> bool:
    """Return whether a value is a list of numbers, or of such lists, and some of them is a float.

    A list of whole numbers alone may be sizes or axes.
    """
    leaves = leaves_of(value) if isinstance(value, list | tuple) else []
    return any(isinstance(leaf, float) for leaf in leaves) and all(
        isinstance(leaf, float | int) and not isinstance(leaf, bool) for leaf in leaves
    )


def _filled(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    match tree:
        case Input():
            return tree.argument(tensors[tree.name])
        case list() | tuple():
            return type(tree)(_filled(item, tensors) for item in tree)
        case dict():
            return {key: _filled(item, tensors) for key, item in tree.items()}
        case Record():
            return tree.filled(tensors)
    return tree


def _renamed(tree: Any, names: Mapping[str, str]) -> Any:
    match tree:
        case Input():
            return replace(tree, name=names[tree.name])
        case list() | tuple():
            return type(tree)(_renamed(item, names) for item in tree)
        case dict():
            return {key: _renamed(item, names) for key, item in tree.items()}
        case Record():
            parts = {key: _renamed(item, names) for key, item in tree.parts.items()}
            return replace(tree, parts=parts)
    return tree


def _inputs(tree: Any) -> Iterator[Input]:
    match tree:
        case Input():
            yield tree
        case list() | tuple():
            for item in tree:
                yield from _inputs(item)
        case dict():
            yield from _inputs(list(tree.values()))
        case Record():
            yield from _inputs(list(tree.parts.values()))


def _encoded(tree: Any) -> Any:
    match tree:
        case Input(name, is_complex):
            return {"input": name, "complex": True} if is_complex else {"input": name}
        case tuple():
            return {"tuple": [_encoded(item) for item in tree]}
        case list():
            return [_encoded(item) for item in tree]
        case dict():
            return {"dict": {key: _encoded(item) for key, item in tree.items()}}
        case Record():
            kind = "named_tuple" if tree.is_tuple else "object"
            return {kind: {key: _encoded(item) for key, item in tree.parts.items()}}
    return tree


def decode_call(document: Any, names: Collection[str]) -> ForwardCall:
    """Read what `ForwardCall.encode` wrote, for a file with inputs of these names.

    Raises:
        ValueError: the document does not have that form.
    """
    try:
        args = tuple(_decoded(tree) for tree in document["args"])
        kwargs = {str(name): _decoded(tree) for name, tree in document["kwargs"].items()}
        call = ForwardCall(args, kwargs, tuple(names))
        unknown = {one.name for one in _inputs([args, kwargs])}.difference(names)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if unknown:
        raise ValueError(f"there is no input {min(unknown)}")
    return call


def _decoded(tree: Any) -> Any:
    match tree:
        case {"input": str(name)}:
            return Input(name, tree.get("complex") is True)
        case {"tuple": items}:
            return tuple(_decoded(item) for item in items)
        case {"dict": items}:
            return {key: _decoded(item) for key, item in items.items()}
        case {"object": fields}:
            return Record({key: _decoded(item) for key, item in fields.items()}, is_tuple=False)
        case {"named_tuple": fields}:
            return Record({key: _decoded(item) for key, item in fields.items()}, is_tuple=True)
        case list():
            return [_decoded(item) for item in tree]
    return tree
