"""Decompose the operations of a graph that must be, and leave all others as they are.

`ExportedProgram.run_decompositions` traces the whole graph once more, at some milliseconds a node.
Most nodes come out as they went in. Here only the operations that are decomposed are traced, each
by itself, and equal ones once: a loop of a hundred steps costs no more than one step.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Mapping
from itertools import count
from typing import Any

import torch
from torch import Tensor, fx

from hybridx.capture.graph.float64 import DECOMPOSITIONS
from hybridx.capture.torch_internals import (
    is_composite,
    is_fake,
    is_operator,
    origin_of,
    traced_operation,
    without_writing,
    writes_into_arguments,
)


class NotLocal(Exception):  # noqa: N818
    """A graph holds what only a trace of the whole graph makes functional."""


def decomposed(
    module: fx.GraphModule, table: Mapping[Any, Any], *, composites: bool = True
) -> fx.Graph:
    """Return a graph with the operations in a table, and composite ones, decomposed.

    Args:
        module: a traced graph that holds its weights; constants of decompositions are added to it.
        table: decompositions by operator.
        composites: also decompose composite operators that are not in the table.

    Raises:
        NotLocal: an operation writes into its arguments, or the graph holds other graphs.
    """
    return _Pass(module, table, composites=composites).run()


# Of functions that compute with sizes, and take results apart.
_PLAIN = ("_operator", "math", "torch")


class _Pass:
    """One pass over a graph; see `decomposed`."""

    def __init__(
        self, module: fx.GraphModule, table: Mapping[Any, Any], *, composites: bool
    ) -> None:
        self._module = module
        self._table = table
        self._composites = composites
        self._like = next(
            (value for node in module.graph.nodes if is_fake(value := node.meta.get("val"))), None
        )
        self._graph = fx.Graph()
        self._copies: dict[fx.Node, Any] = {}
        self._known: dict[Hashable, fx.GraphModule] = {}
        self._origin: dict[str, Any] = {}

    def run(self) -> fx.Graph:
        for node in self._module.graph.nodes:
            self._origin = origin_of(node)
            if node.op == "call_function" and node.target is operator.getitem:
                self._copies[node] = self._item(node)
            elif node.op == "call_function":
                is_whole = not is_operator(node.target) or not self._is_decomposed(node)
                self._copies[node] = self._copied(node) if is_whole else self._pieces(node)
            elif node.op == "output":
                self._graph.output(fx.node.map_arg(node.args[0], self._copies.__getitem__))
            elif node.op in ("placeholder", "get_attr"):
                self._copies[node] = self._graph.node_copy(node)
            else:
                raise NotLocal
        self._graph.eliminate_dead_code()
        return self._graph

    def _is_decomposed(self, node: fx.Node) -> bool:
        target: Any = node.target
        if writes_into_arguments(target):
            raise NotLocal
        own = self._table.get(target)
        if own is not None and own is DECOMPOSITIONS.get(target) and not _has_float64(node):
            # The formula is for float64.
            return self._is_composite(target)
        return target in self._table or self._is_composite(target)

    def _is_composite(self, target: Any) -> bool:
        return self._composites and is_composite(target)

    def _copied(self, node: fx.Node) -> Any:
        target: Any = node.target
        if not is_operator(target) and target.__module__ not in _PLAIN:
            raise NotLocal  # an operator on graphs, or the begin of a vmap
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self._copies.__getitem__)
        if node.target is operator.getitem and isinstance(args[0], list | tuple):
            pieces: Any = args[0]  # of an operation that was decomposed
            return pieces[args[1]]
        return self._insert(node.target, args, kwargs, node.meta["val"])

    def _item(self, node: fx.Node) -> Any:
        """Return one of several results, itself where its operation was decomposed."""
        source: Any = self._copies[node.args[0]]  # type: ignore[index]
        is_apart = isinstance(source, list | tuple)
        return source[node.args[1]] if is_apart else self._copied(node)

    def _insert(self, target: Any, args: Any, kwargs: Any, value: Any) -> fx.Node:
        name = target.overloadpacket.__name__ if is_operator(target) else target.__name__
        node = self._graph.create_node("call_function", target, args, kwargs, name=name)
        node.meta.update(self._origin, val=value)
        return node

    def _pieces(self, node: fx.Node) -> Any:
        """Insert what an operation is made of, and return its results."""
        inputs = list(dict.fromkeys(node.all_input_nodes))
        key = _key(node, inputs)
        if key not in self._known:
            values = [_apart(given.meta["val"]) for given in inputs]
            self._known[key] = traced_operation(node, inputs, values, self._table, self._like)
        inner = self._known[key]
        copies: dict[fx.Node, Any] = {}
        given = iter(inputs)
        for piece in inner.graph.nodes:
            if piece.op == "placeholder":
                copies[piece] = self._copies[next(given)]
            elif piece.op == "get_attr":
                copies[piece] = self._constant(getattr(inner, str(piece.target)), piece)
            elif piece.op == "output":
                return fx.node.map_arg(piece.args[0], copies.__getitem__)
            else:
                target: Any = piece.target
                if writes_into_arguments(target):
                    target = without_writing(piece)
                    if target is None:
                        raise NotLocal
                args, kwargs = fx.node.map_arg((piece.args, piece.kwargs), copies.__getitem__)
                copies[piece] = self._insert(target, args, kwargs, piece.meta.get("val"))
        raise AssertionError

    def _constant(self, value: Any, piece: fx.Node) -> fx.Node:
        if not isinstance(value, Tensor):
            raise NotLocal
        # An earlier pass may have left constants with such names.
        name = next(free for n in count() if not hasattr(self._module, free := f"decomposed_{n}"))
        self._module.register_buffer(name, value, persistent=False)
        node = self._graph.get_attr(name)
        node.meta["val"] = piece.meta.get("val", value)
        return node


def _apart(value: Any) -> Any:
    """Return a tensor as an object of its own; a trace tells its inputs apart by their identity."""
    return value.detach() if isinstance(value, Tensor) else value


def _has_float64(node: fx.Node) -> bool:
    values = [given.meta.get("val") for given in node.all_input_nodes]
    return any(isinstance(v, Tensor) and v.dtype == torch.float64 for v in values)


def _key(node: fx.Node, inputs: list[fx.Node]) -> Hashable:
    """Return a key that is equal for operations with equal decompositions."""
    places: dict[fx.Node, Any] = {given: _Place(number) for number, given in enumerate(inputs)}
    arguments = fx.node.map_arg((node.args, node.kwargs), places.__getitem__)
    return node.target, repr(arguments), tuple(_shown(given.meta["val"]) for given in inputs)


class _Place:
    """Stands for an input of an operation in the text of its arguments."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __repr__(self) -> str:
        return f"<input {self._number}>"


def _shown(value: Any) -> Hashable:
    """Return what a decomposition may depend on in a value."""
    if isinstance(value, Tensor):
        layout = (value.dtype, value.device, str(tuple(value.shape)), str(value.stride()))
        return (*layout, value.is_conj(), value.is_neg())
    return type(value), str(value)
