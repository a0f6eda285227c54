"""A model whose circuits are torch operators, called as the model itself is."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from hybridx.capture import Call
from hybridx.errors import FixedArgumentError


@dataclasses.dataclass(frozen=True)
class _Input:
    """Where a tensor stands among the arguments."""

    name: str


@dataclasses.dataclass(frozen=True)
class _Output:
    """Where a tensor stands in what the model returns."""

    index: int
    is_complex: bool


class Lowered(nn.Module):
    """A model in eval mode with its quantum layers as torch operators.

    It takes what the model takes and returns what the model returns. Weights of quantum layers are
    numbers in it; it is for inference, by itself, under torch.compile, and on any device that it
    is moved to.

    Attributes:
        graph: takes tensors and returns a tuple of tensors.
        notes: what the user should know.
    """

    def __init__(
        self,
        graph: fx.GraphModule,
        call: Call,
        model: nn.Module,
        returned: Any,
        notes: tuple[str, ...],
    ) -> None:
        """Join the parts.

        Args:
            graph: of `splice`.
            call: how the model was called when it was captured.
            model: for the names of its arguments.
            returned: what the model returned then; its tensors are replaced.
            notes: what the user should know.
        """
        super().__init__()
        self.graph = graph
        self.notes = notes
        places: Any = {name: _Input(name) for name in call.names}
        self._args, self._kwargs = call.filled(places)
        self._inputs = call.names
        self._signature = inspect.signature(model.forward)
        self._returned = _template(returned, [])
        self.eval()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model.

        Raises:
            FixedArgumentError: an argument that is no tensor is not what it was in the capture.
        """
        given: Any = (args, kwargs)
        made: Any = (self._args, self._kwargs)
        if len(args) != len(self._args) or kwargs.keys() != self._kwargs.keys():
            # The same argument may be given by position or by name.
            given = self._signature.bind(*args, **kwargs).arguments
            made = self._signature.bind(*self._args, **self._kwargs).arguments
        tensors: dict[str, Tensor] = {}
        _collect(made, given, "the call", tensors)
        outputs = self.graph(*[tensors[name] for name in self._inputs])
        return _filled(self._returned, outputs)


def _collect(made: Any, given: Any, name: str, tensors: dict[str, Tensor]) -> None:
    """Put the tensors among arguments under the names of the inputs."""
    if isinstance(made, _Input):
        if not isinstance(given, Tensor):
            raise FixedArgumentError(made.name, repr(given), "a tensor")
        tensors[made.name] = given
    elif isinstance(made, dict):
        if not isinstance(given, dict) or given.keys() != made.keys():
            raise FixedArgumentError(name, _keys(given), _keys(made))
        for key, item in made.items():
            _collect(item, given[key], str(key), tensors)
    elif isinstance(made, list | tuple):
        if not isinstance(given, list | tuple) or len(given) != len(made):
            raise FixedArgumentError(name, _length(given), _length(made))
        for index, item in enumerate(made):
            _collect(item, given[index], f"{name}[{index}]", tensors)
    elif isinstance(given, Tensor) or made != given:
        raise FixedArgumentError(name, repr(given), repr(made))


def _keys(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__


def _length(value: Any) -> str:
    return f"{len(value)} long" if isinstance(value, list | tuple) else type(value).__name__


def _template(value: Any, seen: list[Tensor]) -> Any:
    """Return what a model returned with an `_Output` in place of every tensor."""
    match value:
        case Tensor():
            seen.append(value)
            return _Output(len(seen) - 1, value.is_complex())
        case Mapping():
            return _rebuilt(value, {key: _template(item, seen) for key, item in value.items()})
        case list() | tuple():
            return _rebuilt(value, [_template(item, seen) for item in value])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        fields = {name: _template(getattr(value, name), seen) for name in names}
        return _Record(type(value), fields)
    return value


@dataclasses.dataclass(frozen=True)
class _Record:
    """A dataclass of the user's in which tensors are missing."""

    kind: type
    fields: Mapping[str, Any]


def _rebuilt(value: Any, parts: Any) -> Any:
    """Return a container like `value` of other parts."""
    if hasattr(value, "_fields"):
        return type(value)(*parts)
    return type(value)(parts)


def _filled(template: Any, outputs: Sequence[Tensor]) -> Any:
    match template:
        case _Output(index, is_complex):
            output = outputs[index]
            return torch.view_as_complex(output.contiguous()) if is_complex else output
        case _Record(kind, fields):
            return kind(**{name: _filled(part, outputs) for name, part in fields.items()})
        case Mapping():
            return _rebuilt(template, {key: _filled(p, outputs) for key, p in template.items()})
        case list() | tuple():
            return _rebuilt(template, [_filled(part, outputs) for part in template])
    return template
