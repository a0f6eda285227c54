"""An operation with the arguments of all rows, and helpers that several rules share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor, fx

from hybridx.capture.batching.batched import NoRowRule, Rows, argument_leaves, spread
from hybridx.capture.torch_internals import argument_names, map_leaves

_aten = torch.ops.aten
_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class OperatorCall:
    """One operation of the traced graph with the arguments of all rows."""

    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    node: fx.Node
    rows: int | torch.SymInt

    def arg(self, index: int, default: Any = None) -> Any:
        """Return an argument, or its default."""
        return self.args[index] if index < len(self.args) else default

    def rank(self, index: int) -> int:
        """Return the number of axes of an argument in one row."""
        argument = self.args[index]
        return argument.rank if isinstance(argument, Rows) else argument.dim()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result in one row."""
        return tuple(self.node.meta["val"].shape)

    def spread(self, argument: Any) -> Tensor:
        """Return an argument with a row axis; one that all rows share is expanded."""
        return spread(argument, self.rows)

    def alone(self, *indices: int) -> None:
        """Raise `NoRowRule` unless all rows share these arguments."""
        for index in indices:
            if any(isinstance(leaf, Rows) for leaf in argument_leaves(self.arg(index))):
                raise NoRowRule(f"{self.target} with argument {index} from the data")


Rule: TypeAlias = Callable[[OperatorCall], Any]


def axis_at(position: int, default: Any = 0) -> Rule:
    """Return the rule of an operation whose axis, or axes, are the argument at `position`."""

    def rule(call: OperatorCall) -> Any:
        call.alone(*range(1, len(call.args)))
        rank = call.rank(0)
        args = list(call.args)
        args[0] = args[0].value
        kwargs = dict(call.kwargs)
        axis = kwargs.pop("dim", args[position] if position < len(args) else default)
        if rank == 0:
            # Where torch needs an axis it treats a number as a vector of one element.
            args[0] = args[0].unsqueeze(1)
        every = list(range(max(rank, 1)))
        if axis is None or axis == []:
            axis = every
        if isinstance(axis, list | tuple):
            shifted: Any = [d % max(rank, 1) + 1 for d in axis]
        else:
            shifted = axis % max(rank, 1) + 1
        if position < len(args):
            args[position] = shifted
        else:
            kwargs[argument_names(call.target)[position]] = shifted
        result = call.target(*args, **kwargs)
        if rank == 0:
            return map_leaves(lambda leaf: leaf.reshape(call.rows), result)
        return result

    return rule


def table(*groups: tuple[_Kind, str]) -> dict[Any, _Kind]:
    """Return the entries by operator, from names of aten operators separated by blanks."""
    return {getattr(_aten, name): kind for kind, names in groups for name in names.split()}
