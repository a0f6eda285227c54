"""Calls made again of the bodies of an inlined file, wherever other tools have left them whole.

The body of a call is what lies between the value that enters and the value that leaves it: all
nodes on which the second depends, as far as the first. It depends on nothing else but constants.
Tools move these about: a constant node becomes an initializer, and equal ones become one. So each
body takes copies of its constants. What depends on the parameters belongs to the body alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import onnx
from onnx import helper

from hybridx.artifact.contract import (
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    DOMAIN_VERSION,
    PARAMETERS,
    RESULTS,
)
from hybridx.artifact.functions import Compiled, circuit_function
from hybridx.artifact.inlined.entry import Call, Inlined
from hybridx.artifact.inlined.names import every_name, inner_graphs, renamed, taken
from hybridx.artifact.nodes import describe, opset_of, walk_nodes
from hybridx.bounds import (
    DESCRIPTION_BYTES,
    EXPANDED_BYTES,
    EXPANDED_NODES,
    FILE_BYTES,
    refuse_above,
)
from hybridx.circuit import Circuit, column_count

_STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class Lost:
    """A call that cannot be made again.

    Attributes:
        layer: its name.
        reason: why, as a part of a sentence.
    """

    layer: str
    reason: str


def find_calls(
    model: onnx.ModelProto, inlined: Inlined, circuits: Mapping[str, Circuit]
) -> tuple[Lost, ...]:
    """Make the calls and the functions of an inlined file again, in place.

    Args:
        model: whose nodes are in order; bodies that are found become calls.
        inlined: what its metadata say of the calls.
        circuits: those of the metadata, by name.

    Returns:
        The calls whose bodies are not there any more. Their nodes stay as they are.

    Raises:
        TooLargeError: the bodies are larger than the limit of a file, taken together.
    """
    refuse_above(EXPANDED_NODES, len(inlined.calls), "the model with its functions expanded")
    said = sum(len(inlined.circuits[call.circuit]) for call in inlined.calls)
    refuse_above(DESCRIPTION_BYTES, said, "the circuits of all calls")
    finder = _Finder(model)
    for call in inlined.calls:
        finder.find(call, has_parameters=column_count(circuits[call.circuit]) > 0)
    finder.refuse_overlaps()
    finder.refuse_leaks()
    finder.put_calls(inlined.circuits, circuits)
    return tuple(finder.lost)


class _NotFoundError(Exception):
    """A body is not whole; the text says why."""


@dataclass(frozen=True, eq=False)
class _Scope:
    """A graph, and where it is.

    Attributes:
        graph: the graph.
        around: the scope of the node that it is in, and the place of that node there.
        giver: the place of the node that gives a value, by its name.
        weights: initializers by name, but for those that are defaults of inputs.
        inputs: the names of what nobody in it gives.
        users: the places of the nodes that take a value, by its name; -1 is an output.
    """

    graph: onnx.GraphProto
    around: tuple[_Scope, int] | None
    giver: dict[str, int] = field(default_factory=dict)
    weights: dict[str, onnx.TensorProto] = field(default_factory=dict)
    inputs: set[str] = field(default_factory=set)
    users: dict[str, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graph = self.graph
        self.inputs.update(value.name for value in graph.input)
        self.inputs.update(sparse.values.name for sparse in graph.sparse_initializer)
        self.weights.update(
            (weight.name, weight) for weight in graph.initializer if weight.name not in self.inputs
        )
        for place, node in enumerate(graph.node):
            self.giver.update((name, place) for name in node.output if name)
            for name in taken(node):
                self.users.setdefault(name, set()).add(place)
        for value in graph.output:
            self.users.setdefault(value.name, set()).add(-1)

    def home_of(self, name: str) -> _Scope | None:
        """Return the scope of a value that a node in this one takes."""
        if name in self.giver or name in self.weights or name in self.inputs:
            return self
        return None if self.around is None else self.around[0].home_of(name)

    def places_around(self) -> Iterator[tuple[_Scope, int]]:
        """Yield the nodes that this graph is in, with their scopes."""
        if self.around is not None:
            yield self.around
            yield from self.around[0].places_around()


_Node = tuple[_Scope, int]


@dataclass(eq=False)
class _Body:
    """What lies between two values.

    Attributes:
        call: whose body it is.
        scope: of its results.
        enters: the scope of its parameters.
        nodes: all of its nodes.
        moving: those that depend on the parameters, places in `scope`.
        weights: initializers that it takes, by name.
    """

    call: Call
    scope: _Scope
    enters: _Scope
    nodes: set[_Node]
    moving: set[int]
    weights: dict[str, tuple[_Scope, onnx.TensorProto]]

    @property
    def start(self) -> tuple[_Scope, str]:
        return self.enters, self.call.parameters


class _Finder:
    """Finds the bodies of a model.

    Attributes:
        lost: the calls that are not found.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.lost: list[Lost] = []
        self._model = model
        self._bodies: list[_Body] = []
        self._nodes = self._bytes = 0
        self._scopes = [*_scopes(model.graph, None)]
        self._weights = {name for scope in self._scopes for name in scope.weights}
        self._givers: dict[str, list[_Scope]] = {}
        for scope in self._scopes:
            for name in scope.giver:
                self._givers.setdefault(name, []).append(scope)

    def find(self, call: Call, *, has_parameters: bool) -> None:
        """Find the body of a call, or note why it is lost."""
        try:
            self._bodies.append(self._body(call))
        except _NotFoundError as error:
            hint = (
                "" if has_parameters else "; it has no parameters, so tools compute it in advance"
            )
            self.lost.append(Lost(call.layer, f"{error}{hint}"))

    def _body(self, call: Call) -> _Body:
        givers = self._givers.get(call.results, [])
        if not givers:
            if call.results in self._weights:
                raise _NotFoundError("a tool has computed its results in advance")
            raise _NotFoundError(f"nothing gives its results {call.results!r}")
        if len(givers) > 1:
            raise _NotFoundError(f"two nodes give its results {call.results!r}")
        (scope,) = givers
        enters = scope.home_of(call.parameters)
        if enters is None:
            raise _NotFoundError(f"nothing gives its parameters {call.parameters!r}")
        body = _Body(call, scope, enters, set(), set(), {})
        self._follow(body)
        body.moving = _moving(body)
        if scope.giver[call.results] not in body.moving:
            raise _NotFoundError("its results do not depend on its parameters")
        return body

    def _follow(self, body: _Body) -> None:
        """Collect what the results depend on, as far as the parameters."""
        homes: dict[str, _Scope] = {}
        waiting = [(body.call.results, body.scope)]
        while waiting:
            name, near = waiting.pop()
            home = near.home_of(name)
            if home is None:
                raise _NotFoundError(f"nothing gives {name!r}, on which it depends")
            if homes.setdefault(name, home) is not home:
                raise _NotFoundError(f"two values in it are called {name!r}")
            if (home, name) == body.start:
                continue
            if name in home.giver:
                node = home, home.giver[name]
                if node not in body.nodes:
                    body.nodes.add(node)
                    self._count(home.graph.node[node[1]])
                    waiting += [(one, home) for one in taken(home.graph.node[node[1]])]
            elif name in home.weights:
                if name not in body.weights:
                    body.weights[name] = home, home.weights[name]
                    self._measure(home.weights[name].ByteSize())
            else:
                raise _NotFoundError(f"it depends on {name!r}, not on its parameters alone")

    def _count(self, node: onnx.NodeProto) -> None:
        inside = [node, *(one for graph in inner_graphs(node) for one in walk_nodes(graph))]
        foreign = next((one for one in inside if one.domain not in _STANDARD), None)
        if foreign is not None:
            raise _NotFoundError(
                f"it has {foreign.op_type} of {foreign.domain}, no operator of ONNX"
            )
        self._nodes += len(inside)
        refuse_above(EXPANDED_NODES, self._nodes, "the model with its functions expanded")
        self._measure(node.ByteSize())

    def _measure(self, size: int) -> None:
        self._bytes += size
        refuse_above(EXPANDED_BYTES, self._bytes, "the model with its functions expanded")

    def refuse_overlaps(self) -> None:
        """Give up bodies that share nodes, unless they have the same parameters.

        Two calls on the same parameters begin alike, and tools compute that once.
        """
        owners: dict[_Node, dict[tuple[_Scope, str], str]] = {}
        for body in self._bodies:
            for place in body.moving:
                owners.setdefault((body.scope, place), {}).setdefault(body.start, body.call.layer)
        for body in [*self._bodies]:
            nodes = [(body.scope, place) for place in sorted(body.moving)]
            shared = (
                layer
                for node in (*nodes, *body.scope.places_around())
                for start, layer in owners.get(node, {}).items()
                if start != body.start or node[0] is not body.scope
            )
            other = next(shared, None)
            if other is not None:
                self._give_up(body, f"it shares nodes with {other}")

    def refuse_leaks(self) -> None:
        """Give up bodies of which a value inside is taken outside.

        On a device it would be computed by the body, beside the device.
        """
        inside: dict[tuple[_Scope, str, _Scope], set[int]] = {}
        given: dict[tuple[_Scope, str, _Scope], set[str]] = {}
        for body in self._bodies:
            together = (*body.start, body.scope)
            inside.setdefault(together, set()).update(body.moving)
            given.setdefault(together, set()).add(body.call.results)
        leaking = set()
        for body in [*self._bodies]:
            together = (*body.start, body.scope)
            leak = _leak(body, inside[together], given[together])
            if leak is not None:
                leaking.add(together)
                self._give_up(body, f"its value {leak!r} is taken outside of it")
        for body in [*self._bodies]:
            # What shares nodes with one that is given up has to be whole by itself.
            if (*body.start, body.scope) in leaking:
                leak = _leak(body, body.moving, {body.call.results})
                if leak is not None:
                    self._give_up(body, f"its value {leak!r} is taken outside of it")

    def _give_up(self, body: _Body, reason: str) -> None:
        self._bodies.remove(body)
        self.lost.append(Lost(body.call.layer, reason))

    def put_calls(self, texts: Mapping[str, str], circuits: Mapping[str, Circuit]) -> None:
        """Put calls in the place of the bodies that were found."""
        functions: dict[str, onnx.FunctionProto] = {}
        calls: dict[_Node, onnx.NodeProto] = {}
        kept = 0
        for body in self._bodies:
            call = body.call
            nodes = _extracted(body)
            compiled = Compiled(texts[call.circuit], nodes, call.strategy)
            function = circuit_function(compiled, opset_of(self._model))
            assert function is not None
            if function.name not in functions:
                functions[function.name] = function
                kept += function.ByteSize()
                refuse_above(FILE_BYTES, kept, "the functions of the inlined file")
            node = helper.make_node(function.name, [call.parameters], [call.results], domain=DOMAIN)
            node.attribute.append(helper.make_attribute(CIRCUIT_ATTRIBUTE, texts[call.circuit]))
            if call.node:
                describe(node, call.node, circuits[call.circuit])
            calls[body.scope, body.scope.giver[call.results]] = node
        unused = _unused(self._bodies)
        for scope in reversed(self._scopes):
            _rewrite(scope, calls, unused)
        self._model.functions.extend(functions[name] for name in sorted(functions))
        if self._bodies:
            self._model.opset_import.append(helper.make_opsetid(DOMAIN, DOMAIN_VERSION))


def _scopes(graph: onnx.GraphProto, around: tuple[_Scope, int] | None) -> Iterator[_Scope]:
    """Yield the scopes of a graph and of those inside it; each after the one around it."""
    scope = _Scope(graph, around)
    yield scope
    for place, node in enumerate(graph.node):
        for inner in inner_graphs(node):
            yield from _scopes(inner, (scope, place))


def _moving(body: _Body) -> set[int]:
    """Return the places of the nodes of a body that depend on its parameters."""
    found: set[_Node] = set()
    for node in _in_order(body.nodes):
        scope, place = node
        for name in taken(scope.graph.node[place]):
            home = scope.home_of(name)
            assert home is not None
            is_moved = name in home.giver and (home, home.giver[name]) in found
            if (home, name) == body.start or is_moved:
                if scope is not body.scope:
                    raise _NotFoundError("a part of it is in another graph")
                found.add(node)
                break
    return {place for _, place in found}


def _in_order(nodes: Iterable[_Node]) -> list[_Node]:
    """Return nodes so that each follows those on which it depends: outer graphs first."""

    def key(node: _Node) -> tuple[int, int]:
        scope, place = node
        return sum(1 for _ in scope.places_around()), place

    return sorted(nodes, key=key)


def _leak(body: _Body, inside: set[int], given: set[str]) -> str | None:
    """Return a value inside a body that something else takes, if there is one.

    Args:
        body: the body.
        inside: the places of nodes that may take it.
        given: values that calls give, which anybody may take.
    """
    for place in sorted(body.moving):
        for name in filter(None, body.scope.graph.node[place].output):
            users = body.scope.users.get(name, set())
            if name not in given and not users <= inside:
                return str(name)
    return None


def _extracted(body: _Body) -> list[onnx.NodeProto]:
    """Return the nodes of a body as those of a function, with their constants and own names."""
    constants = []
    for name, (_, weight) in sorted(body.weights.items()):
        value = onnx.TensorProto()
        value.CopyFrom(weight)
        value.ClearField("name")
        constants.append(helper.make_node("Constant", [], [name], value=value))
    nodes = [scope.graph.node[place] for scope, place in _in_order(body.nodes)]
    prefix, new = body.call.prefix, {body.call.parameters: PARAMETERS, body.call.results: RESULTS}
    used = {PARAMETERS, RESULTS}
    for name in sorted({*every_name([*constants, *nodes])} - new.keys()):
        short = name.removeprefix(prefix)
        while short in used:
            short += "_"
        new[name] = short
        used.add(short)
    written = [
        renamed(node, new.__getitem__, lambda name: name.removeprefix(prefix))
        for node in (*constants, *nodes)
    ]
    for node in written:
        for one in (node, *(inner for graph in inner_graphs(node) for inner in walk_nodes(graph))):
            if one.domain:
                one.ClearField("domain")  # the standard domain has two names
    return written


def _unused(bodies: Iterable[_Body]) -> dict[_Scope, set[int | str]]:
    """Return the places of nodes, and the names of weights, that only bodies take, by scope."""
    gone: dict[_Scope, set[int | str]] = {}
    for body in bodies:
        gone.setdefault(body.scope, set()).update(body.moving)
    constants = {
        node for body in bodies for node in body.nodes if node[1] not in gone.get(node[0], ())
    }
    for scope, place in reversed(_in_order(constants)):
        names = [name for name in scope.graph.node[place].output if name]
        if all(_is_unused(scope, name, gone) for name in names):
            gone.setdefault(scope, set()).add(place)
    for body in bodies:
        for name, (scope, _) in body.weights.items():
            if _is_unused(scope, name, gone):
                gone.setdefault(scope, set()).add(name)
    return gone


def _is_unused(scope: _Scope, name: str, gone: Mapping[_Scope, set[int | str]]) -> bool:
    return scope.users.get(name, set()) <= gone.get(scope, set())


def _rewrite(
    scope: _Scope, calls: Mapping[_Node, onnx.NodeProto], unused: Mapping[_Scope, set[int | str]]
) -> None:
    """Take the unused nodes and weights out of a graph, and put the calls in."""
    gone = unused.get(scope)
    if gone is None:
        return
    graph = scope.graph
    left, names = [], set()
    for place, node in enumerate(graph.node):
        call = calls.get((scope, place))
        if call is not None:
            left.append(call)
            names |= {*node.output} - {*call.output}
        elif place not in gone:
            left.append(node)
        else:
            names.update(node.output)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in left]
    del graph.node[:]
    graph.node.extend(copies)
    for place in reversed(range(len(graph.initializer))):
        if graph.initializer[place].name in gone:
            names.add(graph.initializer[place].name)
            del graph.initializer[place]
    for place in reversed(range(len(graph.value_info))):
        if graph.value_info[place].name in names:
            del graph.value_info[place]
