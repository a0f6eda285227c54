"""Which nodes of a graph that is still being traced compute the same value."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import fx

from hybridx.capture.torch_internals import flatten, is_operator, writes_into_arguments


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
