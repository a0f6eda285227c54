"""Nodes put into a traced graph by hand."""

from __future__ import annotations

from typing import Any

from torch import fx


def call_node(module: fx.GraphModule, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
    """Insert a call and note the shape and dtype of its result, for those who look later."""
    node = module.graph.call_function(target, args, kwargs)
    seen_args, seen_kwargs = fx.node.map_arg((args, kwargs), lambda n: n.meta["val"])
    node.meta["val"] = target(*seen_args, **seen_kwargs)
    return node
