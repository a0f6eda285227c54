"""What is known of values while tracing: those of weights and constants, and which are equal."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, fx

from hybridx.capture.graph.constants import Constants
from hybridx.capture.torch_internals import (
    constant_of,
    current_tracer,
    flatten,
    is_fake,
    is_operator,
    node_of,
    returns_argument,
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
        self._latest: fx.Node | None = None
        self._writers: dict[fx.Node, list[fx.Node]] = {}

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
        if node is None:
            return None
        with untraced():
            needed = self._needed(node)
            constants = self._constants
            if any(map(_writes, needed)):
                # The graph is not functional yet: writes are nodes of their own.
                constants = constants.computed_in_order(needed)
            if not constants.has(node) or not constants.has(needed[0]):
                return None
            value = constants.value(node)
        self.reads += 1
        return value if isinstance(value, Tensor) else None

    def _needed(self, node: fx.Node) -> list[fx.Node]:
        """Return the nodes that a node is computed from, in order, also those that write there.

        If one of them is an input, only that is returned.
        """
        nodes = reversed(node.graph.nodes)
        for other in takewhile(lambda other: other is not self._latest, nodes):
            if _writes(other):
                self._writers.setdefault(_base(other), []).append(other)
        self._latest = next(iter(reversed(node.graph.nodes)))
        found: set[fx.Node] = set()
        pending = [node, *self._writers.get(_base(node), ())]
        while pending:
            current = pending.pop()
            if current in found:
                continue
            if current.op == "placeholder" and not self._constants.has(current):
                return [current]
            found.add(current)
            pending += current.all_input_nodes
            if self._writers:
                writers = self._writers.get(_base(current), ())
                pending += [writer for writer in writers if writer < current]
        return sorted(found)

    def _start(self, tracer: Any) -> None:
        self._tracer = tracer
        self._latest, self._writers = None, {}
        self._constants = Constants(tracer.root)
        for traced, weight in self._weights:
            node = node_of(traced, tracer)
            if node is not None and node.op == "placeholder":
                with untraced():
                    self._constants.give(node, weight.detach())


def _writes(node: fx.Node) -> bool:
    target = node.target
    return writes_into_arguments(target) and target is not torch.ops.aten.detach_.default


def _base(node: fx.Node) -> fx.Node:
    """Return the node whose memory the result of a node is in."""
    while returns_argument(node.target) and isinstance(node.args[0], fx.Node):
        node = node.args[0]
    return node


class EqualValues:
    """Numbers the values of a graph: nodes with equal numbers compute the same.

    A graph that is being traced writes into tensors, so what comes before a write and what comes
    behind it are taken to differ.
    """

    def __init__(self) -> None:
        self._numbers: dict[fx.Node, int] = {}
        self._known: dict[Hashable, int] = {}
        self._writes = 0

    def number(self, node: fx.Node) -> int:
        """Return the number of a node's value."""
        unknown = []
        before: fx.Node = node
        while before.op != "root" and before not in self._numbers:
            unknown.append(before)
            before = before.prev
        for one in reversed(unknown):
            self._numbers[one] = self._known.setdefault(self._key(one), len(self._numbers))
        return self._numbers[node]

    def _key(self, node: fx.Node) -> Hashable:
        if node.op in ("placeholder", "get_attr"):
            return node.op, node.target
        target: Any = node.target
        if writes_into_arguments(target):
            self._writes += 1
            return node
        if is_operator(target) and torch.Tag.nondeterministic_seeded in target.tags:
            return node  # a random draw, or a circuit
        leaves, structure = flatten((node.args, node.kwargs))
        # 1, 1.0 and True are equal, but not the same argument.
        values = tuple(
            self._numbers[leaf] if isinstance(leaf, fx.Node) else (type(leaf), leaf)
            for leaf in leaves
        )
        return target, values, str(structure), self._writes
