"""Make one graph of the ways through a model: what they share is computed once.

A branch on data is traced by running the model once for each answer, so the graph holds the same
operations several times, and `hybridx::select` between the results. Here equal nodes become one.
A select of two results of the same operation becomes that operation on selected inputs, which is
the same for every condition, and saves for example the second of two circuits.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.symbolic_shapes import statically_known_true

from hybridx.capture.graph.constants import Constants
from hybridx.capture.graph.ops import AGAIN_OP, QNODE_OP, SELECT_OP
from hybridx.capture.torch_internals import flatten, is_operator, writes_into_arguments
from hybridx.circuit import Circuit

_aten = torch.ops.aten


class UnlikeSides(Exception):  # noqa: N818
    """The results of two ways have different shapes.

    Attributes:
        index: of the branch.
    """

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class SplitCalls(Exception):  # noqa: N818
    """A repeated call has lost the call that it repeats."""


def merge_paths(module: fx.GraphModule, circuits: Sequence[Circuit]) -> tuple[int, ...]:
    """Compute once what several ways share, and replace each `hybridx::select`, in place.

    Args:
        module: a functional graph.
        circuits: of its `hybridx::qnode` nodes, by their index.

    Returns:
        The branches that still select something, by their index.

    Raises:
        UnlikeSides: two sides of a branch have different shapes.
        SplitCalls: every call of a circuit has to be traced, because branches tell calls apart.
    """
    merged = _Merged(module, circuits)
    module.graph = merged.graph()
    module.graph.eliminate_dead_code(_is_needed)
    module.recompile()
    merged.check_calls()
    return tuple(sorted({merged.selects[n] for n in module.graph.nodes if n in merged.selects}))


class _Merged:
    """A copy of a graph in which no two nodes compute the same.

    Attributes:
        selects: the index of the branch, by the node that selects.
    """

    def __init__(self, module: fx.GraphModule, circuits: Sequence[Circuit]) -> None:
        self.selects: dict[fx.Node, int] = {}
        self._module = module
        self._circuits = circuits
        self._constants = Constants(module)
        self._weights = {name for name, _ in module.named_parameters(remove_duplicate=False)}
        self._graph = fx.Graph()
        self._copies: dict[fx.Node, fx.Node] = {}
        self._is_constant: dict[fx.Node, bool] = {}
        self._known: dict[Hashable, fx.Node] = {}
        self._chosen: dict[tuple[fx.Node, fx.Node, fx.Node], fx.Node | None] = {}
        self._indices: dict[int, int] = {}
        self._pairs: dict[fx.Node, tuple[Any, Any]] = {}

    def graph(self) -> fx.Graph:
        """Return the copy."""
        for node in self._module.graph.nodes:
            if node.op == "output":
                copy = self._graph.node_copy(node, self._copies.__getitem__)
            elif node.target is SELECT_OP:
                condition, yes, no, index = node.args
                copy = self._select(
                    self._copies[condition], self._copies[yes], self._copies[no], index
                )
            elif _is_copy_of_input(node):
                copy = self._copies[node.args[0]]
            else:
                copy = self._copied(node)
            self._copies[node] = copy
        return self._graph

    def _copied(self, node: fx.Node) -> fx.Node:
        """Return the node of the new graph that computes what a node of the old one does."""
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self._copies.__getitem__)
        key = self._key(node, args, kwargs)
        if key is not None and key in self._known:
            found = self._known[key]
            if node.target is QNODE_OP:
                self._indices[node.args[2]] = found.args[2]  # type: ignore[index, assignment]
            return found
        if node.target is AGAIN_OP:
            index = self._indices.get(node.args[2], node.args[2])  # type: ignore[arg-type]
            args = (*args[:2], index, *args[3:])
        copy = self._graph.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        copy.meta = dict(node.meta)
        self._is_constant[copy] = node.op == "get_attr" or (
            node.op == "call_function"
            and node.target not in (QNODE_OP, AGAIN_OP)
            and all(self._is_constant[parent] for parent in copy.all_input_nodes)
        )
        if key is not None:
            self._known[key] = copy
        return copy

    def _key(self, node: fx.Node, args: Any, kwargs: Any) -> Hashable | None:
        """Return a key that is equal for nodes that compute the same, or None."""
        if node.op == "get_attr":
            return self._key_of_constant(node)
        if node.op != "call_function" or not _is_pure(node):
            return None
        if node.target in (QNODE_OP, AGAIN_OP):
            place = 2
            index = args[place]
            args = (*args[:place], self._circuits[index], *args[place + 1 :])
        leaves, structure = flatten((args, kwargs))
        # 1, 1.0 and True are equal, but not the same argument.
        return node.target, tuple((type(leaf), leaf) for leaf in leaves), str(structure)

    def _key_of_constant(self, node: fx.Node) -> Hashable:
        # torch names a tensor that forward makes anew each time that it is made.
        if node.target in self._weights or _is_written(node):
            return node.target
        value = self._constants.value(node)
        numbers = value.reshape(-1).view(torch.uint8).numpy().tobytes()
        return value.dtype, tuple(value.shape), numbers

    def _select(self, condition: fx.Node, yes: fx.Node, no: fx.Node, index: int) -> fx.Node:
        """Return the node that selects between two results, as early as possible."""
        chosen = self._choose(condition, yes, no, index)
        if chosen is None:
            raise UnlikeSides(index)
        return chosen

    def _choose(self, condition: fx.Node, yes: fx.Node, no: fx.Node, index: int) -> fx.Node | None:
        # Iterative: a model may have thousands of operations after a branch.
        pending = [(yes, no)]
        while pending:
            pair = pending[-1]
            key = (condition, *pair)
            if key in self._chosen:
                pending.pop()
                continue
            inner = self._inner_pairs(*pair)
            missing = [one for one in inner or () if (condition, *one) not in self._chosen]
            if missing:
                pending += missing
                continue
            self._chosen[key] = self._chosen_at(condition, *pair, inner, index)
            pending.pop()
        return self._chosen[condition, yes, no]

    def _inner_pairs(self, yes: fx.Node, no: fx.Node) -> list[tuple[fx.Node, fx.Node]] | None:
        """Return the inputs that differ, if both nodes are the same operation, else None."""
        if yes is no:
            return []
        if yes.op != "call_function" or yes.target is not no.target or not _is_pure(yes):
            return None
        if yes in self.selects or no in self.selects:
            return None
        left, shape = flatten((_without_index(yes), yes.kwargs))
        right, other = flatten((_without_index(no), no.kwargs))
        if shape != other or not self._have_one_circuit(yes, no):
            return None
        pairs = []
        for one, two in zip(left, right, strict=True):
            if isinstance(one, fx.Node) and isinstance(two, fx.Node):
                if one is not two:
                    # A select between constants would make a parameter of what is a number.
                    if self._is_constant[one] or self._is_constant[two]:
                        return None
                    pairs.append((one, two))
            elif type(one) is not type(two) or one != two:
                return None
        return pairs if pairs else None

    def check_calls(self) -> None:
        """Check that each repeated call still has the call that it repeats.

        Raises:
            SplitCalls: one has not.
        """
        nodes = list(self._graph.nodes)
        traced = {node.args[2] for node in nodes if node.target is QNODE_OP}
        again = {node.args[2] for node in nodes if node.target is AGAIN_OP}
        joined = {
            target: {self._pairs[n] for n in nodes if n.target is target and n in self._pairs}
            for target in (QNODE_OP, AGAIN_OP)
        }
        if not (again <= traced and joined[AGAIN_OP] <= joined[QNODE_OP]):
            raise SplitCalls

    def _have_one_circuit(self, yes: fx.Node, no: fx.Node) -> bool:
        if yes.target not in (QNODE_OP, AGAIN_OP):
            return True
        first, second = self._circuits[yes.args[2]], self._circuits[no.args[2]]  # type: ignore[index]
        return first == second

    def _chosen_at(
        self,
        condition: fx.Node,
        yes: fx.Node,
        no: fx.Node,
        inner: list[tuple[fx.Node, fx.Node]] | None,
        index: int,
    ) -> fx.Node | None:
        if yes is no:
            return yes
        found = {one: self._chosen[condition, *one] for one in inner or ()}
        if inner and all(one is not None for one in found.values()):
            return self._on_selected(yes, no, found)
        if not _may_be_selected(yes, no):
            return None
        node = self._graph.call_function(_aten.where.self, (condition, yes, no))
        node.meta = {"val": yes.meta["val"]}
        self._is_constant[node] = False
        self.selects[node] = index
        return node

    def _on_selected(
        self, yes: fx.Node, no: fx.Node, found: dict[tuple[fx.Node, fx.Node], fx.Node | None]
    ) -> fx.Node:
        """Return the operation of two nodes on the inputs that were selected for it."""
        others = iter(_nodes_in(no))

        def chosen(node: fx.Node) -> fx.Node:
            other = next(others)
            selected = node if node is other else found[node, other]
            assert selected is not None
            return selected

        args, kwargs = fx.node.map_arg((yes.args, yes.kwargs), chosen)
        node = self._graph.create_node("call_function", yes.target, args, kwargs)
        node.meta = dict(yes.meta)
        self._is_constant[node] = False
        if yes.target in (QNODE_OP, AGAIN_OP):
            self._pairs[node] = (yes.args[2], no.args[2])
        return node


def _nodes_in(node: fx.Node) -> list[fx.Node]:
    """Return the nodes among the arguments in order, repeated ones too."""
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return found


def _without_index(node: fx.Node) -> Any:
    """Return the arguments, without the index by which a call names its circuit."""
    if node.target in (QNODE_OP, AGAIN_OP):
        return (*node.args[:2], *node.args[3:])
    return node.args


def _may_be_selected(yes: fx.Node, no: fx.Node) -> bool:
    one, two = yes.meta.get("val"), no.meta.get("val")
    return (
        isinstance(one, Tensor)
        and isinstance(two, Tensor)
        and one.dtype == two.dtype
        and one.dim() == two.dim()
        and all(statically_known_true(a == b) for a, b in zip(one.shape, two.shape, strict=True))
    )


def _is_copy_of_input(node: fx.Node) -> bool:
    """Return whether a node copies an input as it is, as each way but the first does."""
    if node.target is not _aten.clone.default or node.kwargs:
        return False
    source = node.args[0]
    while isinstance(source, fx.Node) and source.target is _aten.clone.default:
        source = source.args[0]
    return isinstance(source, fx.Node) and source.op == "placeholder"


def _is_pure(node: fx.Node) -> bool:
    target: Any = node.target
    if not is_operator(target):
        return True  # arithmetic on sizes, and `getitem`
    is_random = torch.Tag.nondeterministic_seeded in target.tags and target not in _CALLS
    return not is_random and not writes_into_arguments(target)


_CALLS = (QNODE_OP, AGAIN_OP)
"""Operators with the tag of random ones, so that torch does not compute them while it traces."""


def _is_needed(node: fx.Node) -> bool:
    return node.op in ("placeholder", "output") or writes_into_arguments(node.target)


def _is_written(node: fx.Node) -> bool:
    return any(writes_into_arguments(user.target) for user in node.users)
