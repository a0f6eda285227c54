"""The QNodes of a model, swapped in place for compiled ones and put back."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pennylane as qml
import torch
from torch import Tensor, nn

from hybridx.acceleration.calls import Calls, Compiled, Stays
from hybridx.acceleration.opaque import Site, call_in_graph
from hybridx.capture import (
    check_arguments,
    describe_call,
    every_call,
    is_intercepting,
    is_traced,
    map_leaves,
    owner_of,
    place_of,
    unchanged,
    untransformed,
)
from hybridx.errors import ForwardRaisesError, NoQuantumLayerError, first_line
from hybridx.report import Shown

_STATE = "_hybridx_calls"
_SITE = "_hybridx_site"
_OWNERS = "_hybridx_models"


class AcceleratedQNode(qml.QNode):  # type: ignore[misc] # PennyLane has no types
    """A QNode whose calls are answered by compiled circuits; all else is as it was."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Answer a call; to a trace or a comparison, as PennyLane does."""
        if torch.compiler.is_dynamo_compiling() and not torch.compiler.is_exporting():
            return call_in_graph(self.__dict__[_SITE], self.__dict__[_STATE].live, args, kwargs)
        if is_intercepting() or is_traced():
            return super().__call__(*args, **kwargs)
        return self.__dict__[_STATE].call(self, args, kwargs)

    # A TorchLayer has the methods of its QNode that it lacks itself, so there is no __deepcopy__.
    def __getstate__(self) -> dict[str, Any]:
        # No model has called the copy yet.
        return {name: value for name, value in vars(self).items() if name not in (_OWNERS, _SITE)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__[_SITE] = Site(self, state[_STATE])


@dataclass(frozen=True)
class AcceleratedLayer:
    """What became of one QNode.

    Attributes:
        layer: where it stands in the model.
        reason: why it stays eager, or None where it is compiled.
        steps: of the compiled circuit, which the interpreter runs.
    """

    layer: str
    reason: str | None
    steps: int = 0

    @property
    def is_compiled(self) -> bool:
        """True if all its calls of the example are answered by compiled circuits."""
        return self.reason is None


@dataclass(frozen=True)
class AccelerationReport(Shown):
    """What `accelerate` has done.

    Attributes:
        layers: of the model, in the order of their first calls.
    """

    layers: tuple[AcceleratedLayer, ...]


def accelerate_model(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> AccelerationReport:
    """Swap the QNodes that a call of a model reaches; see `hybridx.accelerate`."""
    met: dict[int, tuple[Any, list[tuple[Any, ...]]]] = {}

    def noted(
        original: Any, qnode: Any, given: tuple[Any, ...], named: dict[str, Any], layer: str
    ) -> Any:
        _, calls = met.setdefault(id(qnode), (qnode, []))
        # What a transform of torch wraps, and a list that forward fills, is as it is only now.
        calls.append((original, *map_leaves(_plain, (given, named)), layer))
        return original(qnode, *given, **named)

    own_args, own_kwargs = map_leaves(_copied, (args, dict(kwargs)))
    with every_call(model, noted), torch.enable_grad(), unchanged(model):
        try:
            model(*own_args, **own_kwargs)
        except Exception as error:  # the user's own code may raise anything
            _, tensors = describe_call(model, args, kwargs)
            check_arguments(model, args, kwargs, tensors, error)
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors.values())
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise ForwardRaisesError(shapes, reason, place_of(model, error)) from error
    if not met:
        raise NoQuantumLayerError
    layers = []
    for qnode, calls in met.values():
        original, _, _, layer = calls[0]
        state = qnode.__dict__.get(_STATE) or Calls(original, layer)
        found = [state.learn(qnode, given, named) for _, given, named, _ in calls]
        compiled = [one for one in found if isinstance(one, Compiled)]
        reasons = [one.reason for one in found if isinstance(one, Stays)]
        if type(qnode) not in (qml.QNode, AcceleratedQNode):
            reasons = [f"it is a {type(qnode).__name__}, not a QNode of PennyLane's own class"]
        elif compiled:
            _swap(qnode, state, owner_of(model))
        steps = sum(len(c.tape.steps) for one in compiled for c in one.circuits if c.tape)
        layers.append(AcceleratedLayer(layer, reasons[0] if reasons else None, steps))
    return AccelerationReport(tuple(layers))


def _copied(leaf: Any) -> Any:
    """Return a copy of a tensor, into which forward may write, and all else as it is."""
    if not isinstance(leaf, Tensor):
        return leaf
    return leaf.detach().clone().requires_grad_(leaf.requires_grad)


def _plain(leaf: Any) -> Any:
    """Return a tensor without what it was computed from, and all else as it is."""
    if not isinstance(leaf, Tensor):
        return leaf
    leaf = untransformed(leaf)
    return leaf if leaf.is_leaf else leaf.detach().requires_grad_()


def restore_model(model: nn.Module) -> int:
    """Put back what `accelerate_model` has swapped for a model; return how many QNodes."""
    owner = owner_of(model)
    qnodes = [*_SWAPPED.pop(owner, []), *_of_copies(model)]
    for qnode in qnodes:
        owners = qnode.__dict__.pop(_OWNERS, set())
        owners.discard(owner)
        if owners:
            qnode.__dict__[_OWNERS] = owners
        else:
            del qnode.__dict__[_STATE], qnode.__dict__[_SITE]
            qnode.__class__ = qml.QNode
    return len(qnodes)


def _of_copies(model: nn.Module) -> list[Any]:
    """Return the accelerated QNodes of a copy of a model, which no model has called yet."""
    found = (one for module in model.modules() for one in vars(module).values())
    return [one for one in found if isinstance(one, AcceleratedQNode) and _OWNERS not in vars(one)]


_SWAPPED: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


def _swap(qnode: Any, state: Calls, owner: Any) -> None:
    qnode.__dict__[_STATE] = state
    qnode.__dict__.setdefault(_SITE, Site(qnode, state))
    qnode.__class__ = AcceleratedQNode
    owners = qnode.__dict__.setdefault(_OWNERS, weakref.WeakSet())
    if owner not in owners:
        owners.add(owner)
        _SWAPPED.setdefault(owner, []).append(qnode)
