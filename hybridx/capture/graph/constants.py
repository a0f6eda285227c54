"""The values of nodes that do not depend on the user's inputs; circuits hold them as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from hybridx.capture.torch_internals import is_operator
from hybridx.errors import TraceError

_ABSENT = object()


class Constants:
    """The values of all nodes of a traced graph that have no user input among their ancestors."""

    def __init__(self, module: fx.GraphModule) -> None:
        self._module = module
        self._values: dict[fx.Node, Any] = {}

    def give(self, node: fx.Node, value: Tensor) -> None:
        """Set the value of a node that is an input of the graph."""
        self._values[node] = value

    def has(self, node: fx.Node) -> bool:
        """Return whether the value of a node is known without the user's inputs."""
        return self._evaluate(node) is not _ABSENT

    def value(self, node: fx.Node) -> Any:
        """Return the value of a node for which `has` is true."""
        value = self._evaluate(node)
        assert value is not _ABSENT
        return value

    def computed_in_order(self, nodes: Sequence[fx.Node]) -> Constants:
        """Return the values of nodes that may write into each other's results, in graph order."""
        found = Constants(self._module)
        for node in nodes:
            if node.op in ("placeholder", "get_attr"):
                value = self._evaluate(node)
                found._values[node] = value.clone() if isinstance(value, Tensor) else value
            else:
                found._evaluate(node)
        return found

    def _evaluate(self, node: fx.Node) -> Any:
        # Iterative: chains of thousands of nodes are common in unrolled models.
        pending = [node]
        while pending:
            current = pending[-1]
            if current in self._values:
                pending.pop()
                continue
            missing = [n for n in current.all_input_nodes if n not in self._values]
            if missing:
                pending += missing
                continue
            self._values[current] = self._compute(current)
            pending.pop()
        return self._values[node]

    def _compute(self, node: fx.Node) -> Any:
        if node.op == "get_attr":
            return _attribute(self._module, str(node.target))
        inputs = [self._values[n] for n in node.all_input_nodes]
        target: Any = node.target
        calls_operator = is_operator(target)
        if (
            node.op != "call_function"
            or any(value is _ABSENT for value in inputs)
            or (calls_operator and target.namespace == "hybridx")
        ):
            return _ABSENT
        if calls_operator and torch.Tag.nondeterministic_seeded in target.tags:
            raise TraceError(
                f"{target} draws random numbers, so two predictions would differ",
                "the call that draws them: draw once in __init__ and keep the result",
            )
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self._values.__getitem__)
        with torch.no_grad():
            return target(*args, **kwargs)


def _attribute(module: fx.GraphModule, path: str) -> Tensor:
    value: Any = module
    for part in path.split("."):
        value = getattr(value, part)
    assert isinstance(value, Tensor)
    return value.detach()


_KINDS = ("linalg_", "pinverse", "cumprod", "det", "logdet", "slogdet", "kaiser_window")
"""How the names of operators begin that are computed here: ONNX has none for them."""

_MOST_ELEMENTS = 2**16
"""The most numbers of a value that is put into the graph."""


def fold_constants(module: fx.GraphModule) -> None:
    """Replace what depends on constants alone by its values, in place, if such an operator does.

    Zero-noise extrapolation, for example, fits a polynomial by a pseudo-inverse of its factors.
    """
    constants = Constants(module)
    calls = [node for node in module.graph.nodes if node.op == "call_function"]
    if not any(_is_computed(node) and constants.has(node) for node in calls):
        return
    known = dict.fromkeys(node for node in calls if constants.has(node))
    for node in known:
        value = constants.value(node)
        if not isinstance(value, Tensor) or value.numel() > _MOST_ELEMENTS:
            continue
        if all(user in known for user in node.users):
            continue
        name = f"folded_{node.name}"
        module.register_buffer(name, value, persistent=False)
        with module.graph.inserting_before(node):
            folded = module.graph.get_attr(name)
        folded.meta = dict(node.meta)
        node.replace_all_uses_with(folded)
    module.graph.eliminate_dead_code()


def _is_computed(node: fx.Node) -> bool:
    target = node.target
    if not is_operator(target):
        return False
    name: str = target.overloadpacket.__name__
    return name.removeprefix("_").startswith(_KINDS)


_UNWRITTEN = frozenset({
    torch.ops.aten.empty.memory_format,
    torch.ops.aten.empty_like.default,
    torch.ops.aten.empty_strided.default,
    torch.ops.aten.empty_permuted.default,
    torch.ops.aten.new_empty.default,
    torch.ops.aten.new_empty_strided.default,
})  # fmt: skip


def unwritten_memory(module: fx.GraphModule) -> fx.Node | None:
    """Return the first node of a graph that takes memory as it is, if there is one."""
    return next((node for node in module.graph.nodes if node.target in _UNWRITTEN), None)
