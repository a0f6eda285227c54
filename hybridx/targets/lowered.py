"""A module that is called like the user's model and has its circuits as torch operators."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, fx, nn

from hybridx.capture import (
    ForwardCall,
    Input,
    Record,
    as_tensor,
    is_single,
    named_parts,
    read_arguments,
)
from hybridx.errors import FixedArgumentError
from hybridx.targets.graphed import Buffers, CudaGraph, Graphed, cuda_device


@dataclasses.dataclass(frozen=True)
class _Output:
    """The place of a tensor in what the model returns.

    Attributes:
        index: of the graph's output that is put there.
        is_complex: the output holds real and imaginary parts in its last axis.
    """

    index: int
    is_complex: bool


class Lowered(nn.Module):
    """A model in eval mode with its quantum layers as torch operators.

    It takes the model's arguments and returns the same structure of tensors. It is for inference:
    the weights of quantum layers are constants in it. It can be compiled by torch.compile and moved
    to any device of torch; on a CUDA device `graphed` makes a call one launch.

    Attributes:
        graph: takes a tensor for each input and returns a tuple of tensors.
        notes: remarks for the user.
    """

    def __init__(
        self,
        graph: fx.GraphModule,
        call: ForwardCall,
        model: nn.Module,
        returned: Any,
        notes: tuple[str, ...],
    ) -> None:
        """Join the parts.

        Args:
            graph: of `splice`.
            call: how the model was called when it was captured.
            model: for the names of its arguments.
            returned: what the model returned then, for the structure around its tensors.
            notes: remarks for the user.
        """
        super().__init__()
        self.graph = graph
        self.notes = notes
        self._args, self._kwargs = call.args, dict(call.kwargs)
        self._inputs = call.names
        self._signature = inspect.signature(model.forward)
        self._returned = _template(returned, [])
        self.eval()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model.

        Raises:
            FixedArgumentError: an argument that is not a tensor differs from that of the capture.
        """
        tensors = self._read(args, kwargs)
        return self._write(self.graph(*[tensors[name] for name in self._inputs]))

    def graphed(self, args: Any, *, kwargs: Mapping[str, Any] = MappingProxyType({})) -> Graphed:
        """Return the model as a CUDA graph, for arguments of the same shapes as an example's.

        A call then is one launch, instead of one for each step. The model stays as it is.

        Args:
            args: example arguments of `forward`, on a CUDA device: a tuple, or the only one.
            kwargs: example arguments by keyword, likewise.

        Raises:
            ArgumentsByNameError: `args` is a dict.
            FixedArgumentError: an argument that is not a tensor differs from that of the capture.
            NoCudaDeviceError: torch finds no CUDA device.
            NotOnCudaError: an argument or a weight is not on the same CUDA device as the others.
            UngraphableError: a step depends on results, or on the CPU, while it is launched.
            OutOfMemoryError: the device has too little memory.
        """
        inputs = self._read(read_arguments(args), dict(kwargs))
        constants = dict(self.graph.named_parameters()) | dict(self.graph.named_buffers())
        device = cuda_device(inputs, constants)
        buffers = Buffers(inputs)
        ordered = [buffers.tensors[name] for name in self._inputs]
        # What is recorded are places in memory: a weight that moves later must not give its free.
        held = list(constants.values())

        def run() -> Sequence[Tensor]:
            outputs: Sequence[Tensor] = self.graph(*ordered)
            return outputs

        return Graphed(self._read, buffers, CudaGraph(run, held, device), self._write)

    def _read(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the tensors among the arguments of a call, by the names of the inputs.

        Raises:
            FixedArgumentError: an argument that is not a tensor differs from that of the capture.
        """
        given: Any = (args, kwargs)
        expected: Any = (self._args, self._kwargs)
        if len(args) != len(self._args) or kwargs.keys() != self._kwargs.keys():
            # The same argument may be given by position or by name.
            given = self._signature.bind(*args, **kwargs).arguments
            expected = self._signature.bind(*self._args, **self._kwargs).arguments
        tensors: dict[str, Tensor] = {}
        _collect(expected, given, "the call", tensors)
        return tensors

    def _write(self, outputs: Sequence[Tensor]) -> Any:
        """Return what the model returns, made of the outputs of the graph."""
        return _filled(self._returned, outputs)


def _collect(expected: Any, given: Any, name: str, tensors: dict[str, Tensor]) -> None:
    """Add the tensors of an argument to `tensors`, and refuse whatever else differs.

    Args:
        expected: the argument of the capture, with an `Input` in the place of each tensor.
        given: the argument of the call.
        name: of the argument, for the error.
        tensors: filled here, by the names of the inputs.
    """
    if isinstance(expected, Input):
        if not is_single(given):
            raise FixedArgumentError(expected.name, repr(given), "a tensor")
        tensors[expected.name] = expected.tensor(given)
    elif isinstance(expected, Record):
        parts = named_parts(given)
        found = {} if parts is None else dict(parts.items)
        if not found.keys() >= expected.parts.keys():
            raise FixedArgumentError(name, _keys(found), _keys(expected.parts))
        for key, item in expected.parts.items():
            _collect(item, found[key], key, tensors)
    elif isinstance(expected, dict):
        if not isinstance(given, dict) or given.keys() != expected.keys():
            raise FixedArgumentError(name, _keys(given), _keys(expected))
        for key, item in expected.items():
            _collect(item, given[key], str(key), tensors)
    elif isinstance(expected, list | tuple):
        if not isinstance(given, list | tuple) or len(given) != len(expected):
            raise FixedArgumentError(name, _length(given), _length(expected))
        for index, item in enumerate(expected):
            _collect(item, given[index], f"{name}[{index}]", tensors)
    elif isinstance(given, Tensor) or expected != given:
        raise FixedArgumentError(name, repr(given), repr(expected))


def _keys(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__


def _length(value: Any) -> str:
    return f"{len(value)} long" if isinstance(value, list | tuple) else type(value).__name__


def _template(value: Any, seen: list[Tensor]) -> Any:
    """Return a structure with an `_Output` for each tensor, and add the tensors to `seen`."""
    if is_single(value):
        seen.append(as_tensor(value))
        return _Output(len(seen) - 1, seen[-1].is_complex())
    parts = named_parts(value)
    if parts is not None:
        fields = {name: _template(item, seen) for name, item in parts.items.items()}
        return _Parts(fields, parts.rebuild)
    if isinstance(value, list | tuple):
        return type(value)(_template(item, seen) for item in value)
    return value


@dataclasses.dataclass(frozen=True)
class _Parts:
    """A value that is taken apart because its parts are not known yet.

    Attributes:
        fields: templates of the parts.
        rebuild: returns the value with other parts.
    """

    fields: Mapping[Any, Any]
    rebuild: Callable[[Mapping[Any, Any]], Any]


def _filled(template: Any, outputs: Sequence[Tensor]) -> Any:
    """Return a template with the outputs of the graph in their places."""
    match template:
        case _Output(index, is_complex):
            output = outputs[index]
            return torch.view_as_complex(output.contiguous()) if is_complex else output
        case _Parts(fields, rebuild):
            return rebuild({name: _filled(part, outputs) for name, part in fields.items()})
        case list() | tuple():
            return type(template)(_filled(part, outputs) for part in template)
    return template
