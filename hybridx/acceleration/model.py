"""The QNodes of a model, swapped in place for compiled ones and put back."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pennylane as qml
import torch
from torch import Tensor, nn

from hybridx.acceleration.calls import Calls, Compiled, Stays
from hybridx.acceleration.layers import AcceleratedLayer, AccelerationReport
from hybridx.acceleration.opaque import Site, call_in_graph
from hybridx.capture import (
    call_of_layer,
    check_arguments,
    describe_call,
    describe_qnode,
    every_call,
    is_intercepting,
    is_traced,
    map_leaves,
    modules_of,
    outside_transforms,
    owner_of,
    place_of,
    unchanged,
    untransformed,
)
from hybridx.errors import ForwardRaisesError, NoQuantumLayerError, first_line

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
    def __reduce_ex__(self, protocol: Any) -> Any:
        # No model has called the copy yet.
        state = {name: value for name, value in vars(self).items() if name not in (_OWNERS, _SITE)}
        return _new_qnode, (_own_class(self),), state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__[_SITE] = Site(self, state[_STATE])


@cache
def _accelerated_class(kind: Any) -> Any:
    """Return the class of accelerated QNodes of a class; a `__call__` of its own still runs."""
    if kind is qml.QNode:
        return AcceleratedQNode
    return type(kind.__name__, (kind, AcceleratedQNode), {"__module__": kind.__module__})


def _own_class(qnode: Any) -> Any:
    """Return the class that a QNode has when it is not accelerated."""
    kind = type(qnode)
    if kind is AcceleratedQNode:
        return qml.QNode
    return kind.__bases__[0] if isinstance(qnode, AcceleratedQNode) else kind


def _new_qnode(kind: Any) -> Any:
    accelerated = _accelerated_class(kind)
    return accelerated.__new__(accelerated)


def _replaced_method(kind: Any) -> str | None:
    """Return a part of PennyLane's QNode that a class defines anew and a compiled call skips."""
    ours = vars(qml.QNode).keys() - {
        "__call__", "__init__", "__doc__", "__module__", "__dict__", "__weakref__", "__repr__",
    }  # fmt: skip
    for base in kind.__mro__[: kind.__mro__.index(qml.QNode)]:
        replaced: list[str] = sorted(ours & vars(base).keys())
        if replaced:
            return replaced[0]
    return None


class LayerCall:
    """What a TorchLayer computes with its QNode, without taking the results apart and together.

    It stands as `_evaluate_qnode` among the attributes of the layer, so that `forward`, hooks and
    what a subclass does around it stay as they are.

    Args:
        layer: of which the QNode may be compiled.
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    def __call__(self, x: Tensor) -> Any:
        """Return what `TorchLayer._evaluate_qnode` returns."""
        layer = self._layer
        qnode = layer.qnode
        is_ours = type(qnode) is AcceleratedQNode and not torch.compiler.is_compiling()
        if is_ours and not is_intercepting() and not is_traced():
            arguments = {layer.input_arg: x}
            for name, weight in layer.qnode_weights.items():
                arguments[name] = weight.to(x)
            results = vars(qnode)[_STATE].call_side_by_side(qnode, arguments)
            if results is not None and results.dim() == x.dim():
                return results.type(x.dtype)
        return getattr(type(layer), _EVALUATE)(layer, x)


def accelerate_model(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> AccelerationReport:
    """Swap the QNodes that a call of a model reaches; see `hybridx.accelerate`."""
    met: dict[int, _Met] = {}
    gone: dict[str, _Met] = {}

    def noted(
        original: Any, qnode: Any, given: tuple[Any, ...], named: dict[str, Any], layer: str
    ) -> Any:
        known = met.get(id(qnode))
        if known is None or known.qnode() is not qnode:
            if known is not None:
                gone[known.layer] = known
            known = met[id(qnode)] = _Met(weakref.ref(qnode), original, layer, [])
        # What a transform of torch wraps, and a list that forward fills, is as it is only now.
        known.calls.append(map_leaves(_plain, (given, named)))
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
    gone.update({one.layer: one for one in met.values() if one.qnode() is None})
    layers = [AcceleratedLayer(layer, _MADE_ANEW) for layer in gone]
    swaps = []
    for one in met.values():
        qnode = one.qnode()
        if qnode is None:
            continue
        layer, state = _learnt(qnode, one)
        layers.append(layer)
        if state is not None:
            swaps.append((qnode, state))
    layers += [
        AcceleratedLayer(describe_qnode(one, path), _NOT_CALLED)
        for path, one in _qnodes_of(model)
        if id(one) not in met and not isinstance(one, AcceleratedQNode)
    ]
    # Nothing is swapped before all circuits are compiled and compared.
    for qnode, state in swaps:
        _swap(qnode, state, owner_of(model))
    _call_side_by_side(model)
    return AccelerationReport(tuple(layers))


def _copied(leaf: Any) -> Any:
    """Return a copy of a tensor, into which forward may write, and all else as it is."""
    if not isinstance(leaf, Tensor):
        return leaf
    return leaf.detach().clone().requires_grad_(leaf.requires_grad)


@dataclass(frozen=True)
class _Met:
    """A QNode that the model has called.

    Attributes:
        qnode: none any more if only a call held it.
        original: `QNode.__call__`.
        layer: where it stands, in the user's words.
        calls: the arguments of each call.
    """

    qnode: weakref.ref[Any]
    original: Any
    layer: str
    calls: list[Any]


def _learnt(qnode: Any, met: _Met) -> tuple[AcceleratedLayer, Calls | None]:
    """Return what becomes of a QNode, and what is known of its calls if it is to be swapped."""
    name = _replaced_method(_own_class(qnode))
    if name is not None:
        reason = f"its class {_own_class(qnode).__name__} defines {name!r} of a QNode anew"
        return AcceleratedLayer(met.layer, reason), None
    is_accelerated = isinstance(qnode, AcceleratedQNode)
    state = vars(qnode)[_STATE] if is_accelerated else Calls(met.original, met.layer)
    found = [state.learn(qnode, given, named) for given, named in met.calls]
    compiled = list({id(one): one for one in found if isinstance(one, Compiled)}.values())
    reasons = [one.reason for one in found if isinstance(one, Stays)]
    circuits = [circuit for one in compiled for circuit in one.circuits]
    by_operators = [circuit for circuit in circuits if circuit.tape is None]
    layer = AcceleratedLayer(
        met.layer,
        reason=reasons[0] if reasons else None,
        steps=sum(len(circuit.tape.steps) for circuit in circuits if circuit.tape),
        calls=len(found),
        circuits=len(circuits),
        execution=None if not circuits else "torch" if by_operators else "interpreter",
    )
    return layer, state if compiled else None


_MADE_ANEW = (
    "forward makes this QNode anew in each call: make it once, in __init__, and call it in forward"
)


_NOT_CALLED = (
    "forward does not call it on this example: call accelerate again, with an example on which it "
    "does"
)


def _plain(leaf: Any) -> Any:
    """Return a tensor without what it was computed from, and all else as it is."""
    if not isinstance(leaf, Tensor):
        return leaf
    with outside_transforms():
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
            qnode.__class__ = _own_class(qnode)
    for layer in _layers_of(model):
        vars(layer).pop(_EVALUATE, None)
    return len(qnodes)


def _of_copies(model: nn.Module) -> list[Any]:
    """Return the accelerated QNodes of a copy of a model, which no model has called yet."""
    return [
        one
        for _, one in _qnodes_of(model)
        if isinstance(one, AcceleratedQNode) and _OWNERS not in vars(one)
    ]


def _qnodes_of(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield the QNodes in attributes of modules, and in lists there, with the module's path."""
    seen: dict[int, Any] = {}
    for path, module in modules_of(model):
        pending: list[Any] = [vars(module)]
        while pending:
            value = pending.pop()
            if id(value) in seen or isinstance(value, nn.Module):
                continue
            seen[id(value)] = value
            if isinstance(value, qml.QNode):
                yield path, value
            elif isinstance(value, dict):
                pending += value.values()
            elif isinstance(value, list | tuple | set):
                pending += value


def _layers_of(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, qml.qnn.TorchLayer)]


def _call_side_by_side(model: nn.Module) -> None:
    """Let the TorchLayers of a model call their QNodes by `LayerCall`."""
    original = getattr(qml.qnn.TorchLayer, _EVALUATE)
    for layer in _layers_of(model):
        is_plain = getattr(type(layer), _EVALUATE) is original
        if is_plain and isinstance(vars(layer).get("qnode"), AcceleratedQNode):
            vars(layer)[_EVALUATE] = LayerCall(layer)


_EVALUATE = call_of_layer()[1]
_SWAPPED: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


def _swap(qnode: Any, state: Calls, owner: Any) -> None:
    if not isinstance(qnode, AcceleratedQNode):
        for name in (_OWNERS, _SITE):  # PennyLane's copy of an accelerated QNode has them
            vars(qnode).pop(name, None)
    qnode.__dict__[_STATE] = state
    qnode.__dict__.setdefault(_SITE, Site(qnode, state))
    qnode.__class__ = _accelerated_class(_own_class(qnode))
    owners = qnode.__dict__.setdefault(_OWNERS, weakref.WeakSet())
    if owner not in owners:
        owners.add(owner)
        _SWAPPED.setdefault(owner, []).append(qnode)
