"""The values, while tracing, of tensors that depend on weights and constants alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from hybridx.capture.graph.constants import Constants
from hybridx.capture.torch_internals import (
    constant_of,
    current_tracer,
    is_fake,
    node_of,
    untraced,
    writes_into_arguments,
)


class ConcreteValues:
    """The known values while a model is traced: its weights, and what is computed from them.

    Attributes:
        reads: how often a known value was read.
    """

    def __init__(self) -> None:
        self.reads = 0
        self._weights: list[tuple[Tensor, Tensor]] = []
        self._tracer: Any = None
        self._constants: Constants

    def give(self, traced: Tensor, weight: Tensor) -> None:
        """Tell the value of a tensor that torch.export puts in place of a weight."""
        self._weights.append((traced, weight))

    def value(self, tensor: Tensor) -> Tensor | None:
        """Return the values of a traced tensor, or None if they depend on the inputs."""
        if not is_fake(tensor):
            return tensor
        constant = constant_of(tensor)
        if constant is not None:
            return constant
        tracer = current_tracer()
        if tracer is None:
            return None
        if tracer is not self._tracer:
            self._start(tracer)
        node = node_of(tensor, tracer)
        with untraced():
            if node is None or not self._constants.has(node) or _is_written(node):
                return None
            value = self._constants.value(node)
        self.reads += 1
        return value if isinstance(value, Tensor) else None

    def _start(self, tracer: Any) -> None:
        self._tracer = tracer
        self._constants = Constants(tracer.root)
        for traced, weight in self._weights:
            node = node_of(traced, tracer)
            if node is not None and node.op == "placeholder":
                with untraced():
                    self._constants.give(node, weight.detach())


def _is_written(node: fx.Node) -> bool:
    """Return whether a tensor that a node is computed from may have been written into.

    The graph is not functional yet: a write is a node of its own, possibly on a view.
    """
    sources = _ancestors(node)
    return any(
        _writes(other) and not sources.isdisjoint(_ancestors(other.args[0]))
        for other in node.graph.nodes
    )


def _writes(node: fx.Node) -> bool:
    target = node.target
    return writes_into_arguments(target) and target is not torch.ops.aten.detach_.default


def _ancestors(node: Any) -> set[fx.Node]:
    """Return a node and all nodes that it is computed from."""
    found: set[fx.Node] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, fx.Node) and current not in found:
            found.add(current)
            pending += current.all_input_nodes
    return found
