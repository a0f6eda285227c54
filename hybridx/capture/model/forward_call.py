"""Which arguments of `forward` are inputs of the file, and which are constants."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from hybridx.capture.model.outputs import free_name, named_tensors
from hybridx.capture.python.torch_mode import following
from hybridx.capture.torch_internals import share_state
from hybridx.errors import ArgumentError, NoOutputError


@dataclass(frozen=True)
class Input:
    """An argument, or a part of one, that is an input of the file."""

    name: str


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
        """Return the arguments with the tensors in place of each `Input`."""
        args = [_filled(tree, tensors) for tree in self.args]
        return args, {name: _filled(tree, tensors) for name, tree in self.kwargs.items()}

    @property
    def is_plain(self) -> bool:
        """True if all arguments are inputs, given by position."""
        return not self.kwargs and all(isinstance(tree, Input) for tree in self.args)

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
    """Return how `model(*args, **kwargs)` calls it, and the tensors among the arguments by name.

    Raises:
        ArgumentError: an argument holds something that is neither a tensor nor a constant.
    """
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


def _described(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    match value:
        case Tensor():
            name = free_name(name, tensors)
            tensors[name] = value
            return Input(name)
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple() if type(value) in (list, tuple):
            items = [_described(item, f"{name}_{i}", tensors) for i, item in enumerate(value)]
            return type(value)(items)
        case dict() if all(isinstance(key, str) for key in value):
            return {key: _described(item, f"{name}_{key}", tensors) for key, item in value.items()}
    raise ArgumentError(name, type(value).__name__)


def _filled(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    match tree:
        case Input(name):
            return tensors[name]
        case list() | tuple():
            return type(tree)(_filled(item, tensors) for item in tree)
        case dict():
            return {key: _filled(item, tensors) for key, item in tree.items()}
    return tree


def _encoded(tree: Any) -> Any:
    match tree:
        case Input(name):
            return {"input": name}
        case tuple():
            return {"tuple": [_encoded(item) for item in tree]}
        case list():
            return [_encoded(item) for item in tree]
        case dict():
            return {"dict": {key: _encoded(item) for key, item in tree.items()}}
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
        call.filled(dict.fromkeys(names))  # type: ignore[arg-type]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return call


def _decoded(tree: Any) -> Any:
    match tree:
        case {"input": str(name)}:
            return Input(name)
        case {"tuple": items}:
            return tuple(_decoded(item) for item in items)
        case {"dict": items}:
            return {key: _decoded(item) for key, item in items.items()}
        case list():
            return [_decoded(item) for item in tree]
    return tree


class Flat:
    """A model as a function of tensors alone that returns tensors alone.

    Attributes:
        model: the model itself.
        call: how the tensors become arguments of `forward`.
        module: the function as a module, for torch.export.
        output_names: of the tensors that the latest call returned.
        left_out: sentences on the values it returned that are not tensors.
    """

    def __init__(self, model: nn.Module, call: ForwardCall) -> None:
        self.model = model
        self.call = call
        self.module = _FlatModule(self)
        self.output_names: tuple[str, ...] = ()
        self.left_out: tuple[str, ...] = ()

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Call the model; `tensors` are in the order of the call's names.

        Raises:
            NoOutputError: the model returns no tensor.
        """
        args, kwargs = self.call.filled(dict(zip(self.call.names, tensors, strict=True)))
        with following():
            returned = self.model(*args, **kwargs)
        found, left_out = named_tensors(returned, taken=self.call.names)
        if not found:
            raise NoOutputError("; ".join(left_out) or "nothing at all")
        self.output_names, self.left_out = tuple(found), left_out
        return tuple(found.values())


class _FlatModule(nn.Module):
    """A module with the weights of a model under their own names, which calls a `Flat`."""

    def __init__(self, flat: Flat) -> None:
        super().__init__()
        share_state(self, flat.model)
        self._flat = flat

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return self._flat(*tensors)
