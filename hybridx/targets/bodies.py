"""Where the compiled circuits are in a program of torch.export, which makes one graph of all.

Each circuit gets a marker before and behind it while the program is traced. The markers say which
values are its parameters and its results; then they are taken out again.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx

from hybridx.artifact import Body
from hybridx.targets.splice import index_of

_LIBRARY = torch.library.Library("hybridx", "FRAGMENT")
_LIBRARY.define("edge(Tensor value, str circuit, bool is_end) -> Tensor")
_EDGE = torch.ops.hybridx.edge.default


@torch.library.register_fake("hybridx::edge", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _edge_shape(value: Tensor, circuit: str, is_end: bool) -> Tensor:
    return torch.empty_like(value)


def marked(module: fx.GraphModule) -> fx.GraphModule:
    """Return a module with markers around each of its circuits, which shares all else.

    Args:
        module: of `splice`; left as it is.
    """
    graph = fx.Graph()
    returned = graph.graph_copy(module.graph, {})
    graph.output(returned)
    for call in graph.find_nodes(op="call_module"):
        (parameters,) = call.args
        with graph.inserting_before(call):
            call.args = (graph.call_function(_EDGE, (parameters, call.target, False)),)
        with graph.inserting_after(call):
            end = graph.call_function(_EDGE, (call, call.target, True))
        call.replace_all_uses_with(end, delete_user_cb=lambda user, end=end: user is not end)
    return fx.GraphModule(module, graph)


def take_bodies(program: torch.export.ExportedProgram) -> list[tuple[int, Body]]:
    """Take the markers out of a program, in place, and return what was between them.

    The operators between them then depend on the parameters and on weights, and on nothing else.

    Returns:
        The index of the circuit, and its values in the program, for each body in order.
    """
    graph = program.graph
    begun: list[fx.Node] = []
    found: list[tuple[int, Body]] = []
    for edge in list(graph.find_nodes(op="call_function", target=_EDGE)):
        value, name, is_end = edge.args
        if not is_end:
            begun.append(edge)
            continue
        start = begun.pop()
        _follow_parameters(graph, start, value)
        parameters = start.args[0]
        assert isinstance(parameters, fx.Node)
        dtype = str(value.meta["val"].dtype).removeprefix("torch.")
        body = Body(dtype=dtype, parameters=parameters.name, results=value.name)
        found.append((index_of(name), body))
        for one, inner in ((start, parameters), (edge, value)):
            one.replace_all_uses_with(inner)
            program.graph_signature.replace_all_uses(one.name, inner.name)
            graph.erase_node(one)
    return found


def _follow_parameters(graph: fx.Graph, start: fx.Node, results: fx.Node) -> None:
    """Let a circuit take the number of its rows from its parameters.

    torch.export takes it from an input of the program, wherever it is the same.
    """
    rows: fx.Node | None = None
    waiting, seen = [results], {start}
    while waiting:
        node = waiting.pop()
        if node in seen or node.op == "placeholder":
            continue
        seen.add(node)
        for one in node.all_input_nodes:
            if isinstance(one.meta["val"], Tensor):
                waiting.append(one)
                continue
            if rows is None:
                rows = _rows_of(graph, start)
            node.replace_input_with(one, rows)


def _rows_of(graph: fx.Graph, parameters: fx.Node) -> fx.Node:
    """Return a new node of the length of the first axis of a value."""
    with graph.inserting_after(parameters):
        node = graph.call_function(torch.ops.aten.sym_size.int, (parameters, 0))
    node.meta["val"] = parameters.meta["val"].shape[0]
    return node
