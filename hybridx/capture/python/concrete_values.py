"""The values, while tracing, of tensors that depend on weights and constants alone."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx.experimental.proxy_tensor import get_proxy_mode, get_proxy_slot
from torch.utils._python_dispatch import _disable_current_modes

from hybridx.capture.graph.constants import Constants


class Known:
    """What is known while a model is traced: its weights, and what is computed from them.

    Args:
        model: whose weights torch.export replaces by tensors without values.

    Attributes:
        reads: how often a value was asked for and known.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._weights = {name: tensor.detach().clone() for name, tensor in _weights(model)}
        self._tracer: Any = None
        self.reads = 0
        self._constants: Constants

    def value(self, tensor: Tensor) -> Tensor | None:
        """Return a tensor with the values of one of the trace, or None if the inputs decide."""
        if not isinstance(tensor, FakeTensor):
            return tensor
        if tensor.constant is not None:
            return tensor.constant
        mode = get_proxy_mode()
        if mode is None:
            return None
        if mode.tracer is not self._tracer:
            self._start(mode.tracer)
        node = self._node(tensor)
        with _disable_current_modes():
            if node is None or not self._constants.has(node) or _is_written(node):
                return None
            value = self._constants.value(node)
        self.reads += 1
        return value if isinstance(value, Tensor) else None

    def _start(self, tracer: Any) -> None:
        self._tracer = tracer
        self._constants = Constants(tracer.root)
        for name, tensor in _weights(self._model):
            node = self._node(tensor)
            if node is not None and node.op == "placeholder":
                self._constants.give(node, self._weights[name])

    def _node(self, tensor: Tensor) -> fx.Node | None:
        slot: Any = get_proxy_slot(tensor, self._tracer, default=None)
        return slot.proxy.node if slot is not None else None


def _weights(model: nn.Module) -> Any:
    return chain(
        model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False)
    )


def _is_written(node: fx.Node) -> bool:
    """Return whether anything may have been written into what a node is computed from.

    The graph is not functional yet: a write is a node of its own, on a view perhaps.
    """
    sources = _ancestors(node)
    return any(
        _writes(other) and not sources.isdisjoint(_ancestors(other.args[0]))
        for other in node.graph.nodes
    )


def _writes(node: fx.Node) -> bool:
    target = node.target
    return (
        isinstance(target, torch._ops.OpOverload)
        and target._schema.is_mutable
        and target is not torch.ops.aten.detach_.default
    )


def _ancestors(node: Any) -> set[fx.Node]:
    """Return a node and all that it is computed from."""
    found: set[fx.Node] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, fx.Node) and current not in found:
            found.add(current)
            pending += current.all_input_nodes
    return found
