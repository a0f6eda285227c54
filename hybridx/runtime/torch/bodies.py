"""The parts of a program for torch that are its compiled circuits, as functions of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx

from hybridx.artifact import Body

BodyFunction: TypeAlias = Callable[[Tensor], Tensor]


class NoBodyThereError(Exception):
    """A program has no such part, or it is no function of its parameters alone."""


def of_script(module: Any, body: Body) -> tuple[BodyFunction, int | None]:
    """Return a compiled circuit of a TorchScript module, which takes any number of rows."""
    method: BodyFunction = getattr(module, body.method)
    return method, None


def of_program(module: fx.GraphModule, body: Body) -> tuple[BodyFunction, int | None]:
    """Return a compiled circuit of a module of torch.export, and how many rows it takes if fixed.

    Args:
        module: the unlifted program.
        body: the values between which the circuit is.

    Raises:
        NoBodyThereError: a value is not there, no output depends on the results, or these depend on
            an input of the program in another way than through the parameters.
    """
    # fx gives an input another name if a function of Python has it; its target is the old one.
    nodes = {
        node.target if node.op == "placeholder" else node.name: node for node in module.graph.nodes
    }
    if body.parameters not in nodes or body.results not in nodes:
        raise NoBodyThereError(f"there is no value {body.parameters} or {body.results}")
    start, end = nodes[body.parameters], nodes[body.results]
    if end not in _needed(module.graph.output_node(), None):
        raise NoBodyThereError(f"no output depends on {body.results}")
    needed = _needed(end, start)
    graph = fx.Graph()
    copies = {start: graph.placeholder("parameters")}
    for node in module.graph.nodes:
        if node not in needed or node is start:
            continue
        if node.op == "placeholder":
            raise NoBodyThereError(f"{body.results} depends on {node.name}")
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[end])
    rows = start.meta["val"].shape[:1]
    if len(rows) == 0 or rows[0] == 0:
        raise NoBodyThereError(f"{body.parameters} has no rows")
    return fx.GraphModule(module, graph), rows[0] if isinstance(rows[0], int) else None


def _needed(end: fx.Node, start: fx.Node | None) -> set[fx.Node]:
    """Return the nodes of which a value is computed, but not those behind another one."""
    found: set[fx.Node] = set()
    waiting = [end]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            if node is not start:
                waiting += node.all_input_nodes
    return found


def on_rows(function: BodyFunction, rows: int | None, parameters: Tensor) -> Tensor:
    """Return what a compiled circuit gives for parameters of shape `(n, P)`, for any `n`.

    Args:
        function: the circuit.
        rows: how many it takes; None for any number.
        parameters: its parameters.
    """
    if rows is None:
        return function(parameters)
    count = len(parameters)
    padded = parameters.repeat(-(-rows // count), 1)
    # Each call takes the given rows in turn; what comes first of them is kept.
    parts = [function(padded.roll(-first, 0)[:rows]) for first in range(0, count, rows)]
    return torch.cat(parts)[:count]
