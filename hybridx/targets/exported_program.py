"""A captured graph as a program of torch.export, made without tracing it again.

torch's ONNX exporter takes a module or a program. A module it traces, which takes as long as the
capture did. A program it decomposes, which takes that long again, although little is left to
decompose in most captured graphs. Another trace may also refuse a length that the first one took.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import (
    ExportGraphSignature,
    InputKind,
    InputSpec,
    OutputKind,
    OutputSpec,
    TensorArgument,
)
from torch.fx.experimental.symbolic_shapes import statically_known_true

from hybridx.capture import NotLocal, decomposed, from_two, origin_of
from hybridx.targets.torch_internals import is_operator, to_fake


class CapturedProgram(torch.export.ExportedProgram):
    """A program of which only the operations in the table are traced again, each by itself.

    Attributes:
        decomposed: returns the same program, decomposed by a table.
        trace: returns the same program as torch.export makes it.
    """

    decomposed: Callable[[Mapping[Any, Any]], torch.export.ExportedProgram]
    trace: Callable[[], torch.export.ExportedProgram]

    def run_decompositions(
        self, decomp_table: Any = None, *args: Any, **kwargs: Any
    ) -> torch.export.ExportedProgram:
        """Return the program itself, or a decomposed one where that differs."""
        modules = [m for m in self.graph_module.modules() if isinstance(m, fx.GraphModule)]
        targets = {node.target for module in modules for node in module.graph.nodes}
        if decomp_table is not None:
            if targets.isdisjoint(decomp_table):
                return self
            with suppress(NotLocal):
                return self.decomposed(decomp_table)
        traced: Any = self.trace()
        whole: torch.export.ExportedProgram = traced.run_decompositions(
            decomp_table, *args, **kwargs
        )
        return whole


def exported_program(
    module: fx.GraphModule, args: Sequence[Tensor], shapes: Sequence[Mapping[int, Any]]
) -> CapturedProgram:
    """Return a captured graph as a program.

    Args:
        module: takes tensors and returns a flat tuple of tensors; left as it is.
        args: the example inputs it was traced with.
        shapes: the open axes of each input, as torch.export's dynamic shapes.
    """
    held = _tensors_read(module)
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    by_path: dict[str, fx.Node] = {}
    specs: list[InputSpec] = []
    faked = to_fake([node.meta.get("val") for node in module.graph.nodes])
    for path, tensor in held.items():
        is_weight = isinstance(tensor, nn.Parameter)
        kind, prefix = (InputKind.PARAMETER, "p_") if is_weight else (InputKind.BUFFER, "b_")
        by_path[path] = graph.placeholder(prefix + path.replace(".", "_"))
        by_path[path].meta["val"] = faked(tensor)
        name = TensorArgument(by_path[path].name)
        specs.append(InputSpec(kind, name, path, None if is_weight else True))
    for node in module.graph.find_nodes(op="placeholder"):
        copies[node] = graph.placeholder(node.name)
        copies[node].meta["val"] = node.meta["val"]
        specs.append(InputSpec(InputKind.USER_INPUT, TensorArgument(copies[node].name), None))
    for node in module.graph.nodes:
        if node.op == "call_function":
            new_args, kwargs = fx.node.map_arg((node.args, node.kwargs), copies.__getitem__)
            target = node.target
            if target is _RESHAPE and _is_contiguous(node.args[0].meta["val"]):
                target = torch.ops.aten.view.default
            if target is torch.ops.aten.sort.stable:
                # ONNX's TopK keeps equal elements in order; torch's plain sort need not.
                target = torch.ops.aten.sort.default
                kwargs = {name: value for name, value in kwargs.items() if name != "stable"}
            copies[node] = graph.create_node(
                "call_function", target, new_args, kwargs, name=_name(target)
            )
            copies[node].meta = origin_of(node)
            copies[node].meta["val"] = faked(node.meta.get("val"))
        elif node.op == "get_attr":
            copies[node] = by_path.get(node.target) or graph.get_attr(node.target)
    outputs: Any = module.graph.output_node().args[0]
    results = [copies[one] for one in outputs]
    graph.output(tuple(results))
    returned = [TensorArgument(node.name) for node in results]
    program = CapturedProgram(
        root=module,
        graph=graph,
        graph_signature=ExportGraphSignature(
            specs, [OutputSpec(OutputKind.USER_OUTPUT, one, None) for one in returned]
        ),
        state_dict=held,
        range_constraints={},
        module_call_graph=[torch.export.ModuleCallEntry("")],
        example_inputs=(tuple(args), {}),
    )
    program.decomposed = partial(_decomposed, module, args, shapes)
    program.trace = partial(
        torch.export.export, module, tuple(args), dynamic_shapes=from_two(shapes), strict=False
    )
    return program


def _decomposed(
    module: fx.GraphModule,
    args: Sequence[Tensor],
    shapes: Sequence[Mapping[int, Any]],
    table: Mapping[Any, Any],
) -> CapturedProgram:
    """Return a captured graph as a program without the operations in a table.

    Raises:
        NotLocal: only a trace of the whole graph finds what they are made of.
    """
    apart = fx.GraphModule(module, module.graph)
    apart.graph = decomposed(apart, table, composites=False)
    return exported_program(apart, args, shapes)


# A reshape of the capture is a view, as torch.export writes it, of a tensor that can be viewed.
_RESHAPE = torch.ops.aten.reshape.default


def _is_contiguous(value: Tensor) -> bool:
    """Return whether the elements of a traced tensor follow each other at all lengths."""
    step: Any = 1
    for length, stride in zip(reversed(value.shape), reversed(value.stride()), strict=True):
        if not statically_known_true(stride == step):
            return False
        step = step * length
    return True


def _tensors_read(module: fx.GraphModule) -> dict[str, Tensor]:
    """Return the weights and constants that a graph reads, in the order of the module."""
    read = {node.target: node for node in module.graph.find_nodes(op="get_attr")}
    registered = [
        *dict(module.named_parameters(remove_duplicate=False)),
        *dict(module.named_buffers(remove_duplicate=False)),
    ]
    paths = [path for path in registered if path in read]
    paths += [path for path in read if path not in set(registered)]
    found = {path: operator.attrgetter(path)(module) for path in paths}
    return {path: tensor for path, tensor in found.items() if isinstance(tensor, Tensor)}


def _name(target: Any) -> str:
    """Return the name that torch.export gives a node."""
    name: str = target.overloadpacket.__name__ if is_operator(target) else target.__name__
    return name
