"""Run a graph that was traced for one row on a batch: each operation gets a leading row axis.

A model that loops over its batch in Python cannot be traced with an open batch. It can be traced at
one row, where the loop runs once. Here that graph is run on tensors with a leading axis for the
rows, which gives the whole model at any batch size. `torch.vmap` does the same in principle, but
under `torch.export` several of its rules fix the batch size (seen in 2.13).
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

from hybridx.capture.batching.arithmetic import ARITHMETIC, by_vmap, pointwise
from hybridx.capture.batching.batched import NoRowRule, Rows, argument_leaves, is_rows
from hybridx.capture.batching.movement import MOVEMENT
from hybridx.capture.batching.passthrough import may_stay, stay
from hybridx.capture.batching.rule import OperatorCall
from hybridx.capture.torch_internals import Retracing, is_operator, map_leaves
from hybridx.errors import CaptureError

_RULES = MOVEMENT | ARITHMETIC


class RowInterpreter(Retracing):
    """Runs a graph whose inputs may be `Rows`; values that depend on such inputs are `Rows` too."""

    def __init__(self, module: fx.GraphModule, rows: int | torch.SymInt) -> None:
        super().__init__(module)
        self._rows = rows
        self._node: fx.Node

    def run_node(self, n: fx.Node) -> Any:
        """Remember which node is run: rules look up the shapes of the trace."""
        self._node = n
        return super().run_node(n)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operation, by its rule if an argument is `Rows`."""
        if not any(isinstance(leaf, Rows) for leaf in argument_leaves((args, kwargs))):
            return super().call_function(target, args, kwargs)
        if target is operator.getitem:
            return args[0][args[1]]
        packet = getattr(target, "overloadpacket", target)
        rule = _RULES.get(packet)
        if rule is None and is_operator(target):
            rule = pointwise if torch.Tag.pointwise in target.tags else by_vmap
        if rule is None:
            raise NoRowRule(str(target))
        call = OperatorCall(target, args, kwargs, self._node, self._rows)
        try:
            if may_stay(call):
                return stay(call)
            return map_leaves(_wrapped, rule(call), is_leaf=is_rows)
        except (NoRowRule, CaptureError):
            raise
        except Exception as error:
            # torch may raise any error if a rule does not support this form of its operation.
            raise NoRowRule(str(target)) from error


def _wrapped(leaf: Any) -> Any:
    return Rows(leaf) if isinstance(leaf, Tensor) else leaf
