"""Insert nodes into a traced graph."""

from __future__ import annotations

from typing import Any

from torch import fx


def call_node(module: fx.GraphModule, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
    """Insert a call, and store the shape and dtype of its result in `meta["val"]`."""
    node = module.graph.call_function(target, args, kwargs)
    seen_args, seen_kwargs = fx.node.map_arg((args, kwargs), lambda n: n.meta["val"])
    node.meta["val"] = target(*seen_args, **seen_kwargs)
    return node
