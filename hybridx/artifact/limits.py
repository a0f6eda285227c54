"""Limits on a file, computed on what it says before an engine loads it.

In a file of 1 KB, each function can call the next one twice, so that the expanded model is too
large for any engine; no checker refuses such a file. This module computes the expanded size. It
visits each function once and uses Python's unbounded integers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

import onnx

from hybridx.artifact.contract import DOMAIN
from hybridx.artifact.graphs.weights import check_sparse, check_tensor
from hybridx.bounds import (
    DESCRIPTION_BYTES,
    EXPANDED_BYTES,
    EXPANDED_NODES,
    FILE_BYTES,
    FUNCTIONS,
    TENSOR_NUMBERS,
    TORCH_NODES,
    refuse_above,
)
from hybridx.errors import BrokenArtifactError

# The domain, the name and the overload of a function, and of the nodes that call it.
_Key: TypeAlias = tuple[str, str, str]

_GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


def check_file_size(size: int) -> None:
    """Refuse a file by its length in bytes.

    Raises:
        TooLargeError: it exceeds the limit.
    """
    refuse_above(FILE_BYTES, size, "the file")


def check_torch_nodes(count: int) -> None:
    """Refuse a program for torch by its number of operators, with every call replaced by its body.

    Raises:
        TooLargeError: it exceeds the limit.
    """
    refuse_above(TORCH_NODES, count, "the program for torch")


def check_lengths(lengths: Iterable[int]) -> None:
    """Refuse lengths in a program for torch of which it could make a tensor that is too large.

    Raises:
        TooLargeError: their product exceeds the limit.
    """
    product = math.prod(length for length in lengths if length > 0)
    refuse_above(TENSOR_NUMBERS, product, "a tensor that the program makes")


def check_model(model: onnx.ModelProto, path: str) -> None:
    """Refuse a model that an engine should not load; `path` is for messages.

    Raises:
        BrokenArtifactError: it refers to other files, a function calls itself, two have one
            name, or a circuit's body is not flat.
        TooLargeError: the number of functions or the expanded size exceeds its limit.
    """
    refuse_above(FUNCTIONS, len(model.functions), "the number of functions")
    numbers = sum(_checked_tensors(model, path))
    refuse_above(DESCRIPTION_BYTES, model.ByteSize() - numbers, "the model without its weights")
    functions = _functions_by_key(model, path)
    _refuse_deep_bodies(functions, path)
    nodes, size = expanded_size(model, path)
    refuse_above(EXPANDED_NODES, nodes, "the model with its functions expanded")
    refuse_above(EXPANDED_BYTES, size, "the model with its functions expanded")


def expanded_size(model: onnx.ModelProto, path: str) -> tuple[int, int]:
    """Return the nodes and the bytes of a model once every function call is replaced by its body.

    Nodes of inner graphs count; the body of a loop counts once.

    Raises:
        BrokenArtifactError: a function calls itself, directly or through others.
    """
    functions = _functions_by_key(model, path)
    calls = {key: _calls(f.node, functions) for key, f in functions.items()}
    sizes: dict[_Key, tuple[int, int]] = {}
    try:
        for key in TopologicalSorter(calls).static_order():
            function = functions[key]
            own = sum(1 for _ in _walk(function.node)), function.ByteSize()
            sizes[key] = _with_calls(own, calls[key], sizes)
    except CycleError as error:
        circle = " calls ".join(name for _, name, _ in reversed(error.args[1]))
        raise BrokenArtifactError(path, f"its functions call themselves: {circle}") from error
    own = sum(1 for _ in _walk(model.graph.node)), model.ByteSize()
    return _with_calls(own, _calls(model.graph.node, functions), sizes)


def _with_calls(
    own: tuple[int, int], calls: Mapping[_Key, int], sizes: Mapping[_Key, tuple[int, int]]
) -> tuple[int, int]:
    nodes, size = own
    for key, count in calls.items():
        nodes += count * sizes[key][0]
        size += count * sizes[key][1]
    return nodes, size


def _functions_by_key(model: onnx.ModelProto, path: str) -> dict[_Key, onnx.FunctionProto]:
    functions: dict[_Key, onnx.FunctionProto] = {}
    for function in model.functions:
        key = (_domain(function.domain), function.name, function.overload)
        if key in functions:
            raise BrokenArtifactError(path, f"two functions are called {function.name}")
        functions[key] = function
    return functions


def _calls(
    nodes: Iterable[onnx.NodeProto], functions: Mapping[_Key, onnx.FunctionProto]
) -> Counter[_Key]:
    """Return how often each function is called by nodes and the graphs inside them."""
    keys = ((_domain(node.domain), node.op_type, node.overload) for node in _walk(nodes))
    return Counter(key for key in keys if key in functions)


def _refuse_deep_bodies(functions: Mapping[_Key, onnx.FunctionProto], path: str) -> None:
    for (domain, name, _), function in functions.items():
        for node in _walk(function.node):
            is_foreign = (_domain(node.domain), node.op_type, node.overload) in functions or (
                _domain(node.domain) != ""
            )
            if domain == DOMAIN and is_foreign:
                raise BrokenArtifactError(path, f"the body of {name} calls {node.op_type}")
            # A graph passed by reference could be copied without a call that is counted.
            for attribute in node.attribute:
                if attribute.ref_attr_name and attribute.type in _GRAPHS:
                    raise BrokenArtifactError(path, f"the body of {name} takes a graph")


def _checked_tensors(model: onnx.ModelProto, path: str) -> Iterator[int]:
    """Compare weights and constants with their bytes, and yield how many each has.

    Those in functions and inner graphs count, too.
    """
    training = [g for info in model.training_info for g in (info.initialization, info.algorithm)]
    for graph in (model.graph, *training):
        yield from _checked_weights(graph, path)
    for room in (model.graph, *training, *model.functions):
        for node in _walk(room.node):
            yield from _checked_attributes(node.attribute, path)
    for function in model.functions:
        yield from _checked_attributes(function.attribute_proto, path)
        for attribute in function.attribute_proto:
            for graph in graphs_of(attribute):
                for node in _walk(graph.node):
                    yield from _checked_attributes(node.attribute, path)


def _checked_attributes(attributes: Iterable[onnx.AttributeProto], path: str) -> Iterator[int]:
    for attribute in attributes:
        if attribute.HasField("t"):
            yield _checked_tensor(attribute.t, path)
        for tensor in attribute.tensors:
            yield _checked_tensor(tensor, path)
        if attribute.HasField("sparse_tensor"):
            yield _checked_sparse(attribute.sparse_tensor, path)
        for sparse in attribute.sparse_tensors:
            yield _checked_sparse(sparse, path)
        for graph in graphs_of(attribute):
            yield from _checked_weights(graph, path)


def _checked_weights(graph: onnx.GraphProto, path: str) -> Iterator[int]:
    for tensor in graph.initializer:
        yield _checked_tensor(tensor, path)
    for sparse in graph.sparse_initializer:
        yield _checked_sparse(sparse, path)


def _checked_sparse(sparse: onnx.SparseTensorProto, path: str) -> int:
    size = _checked_tensor(sparse.values, path) + _checked_tensor(sparse.indices, path)
    check_sparse(sparse, path)
    return size


def _checked_tensor(tensor: onnx.TensorProto, path: str) -> int:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise BrokenArtifactError(path, f"tensor {tensor.name!r} lies in another file")
    check_tensor(tensor, path)
    return len(tensor.raw_data) or tensor.ByteSize()


def _walk(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield nodes and those of the graphs inside them; protobuf bounds that nesting to 100."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in graphs_of(attribute):
                yield from _walk(graph.node)


def graphs_of(attribute: onnx.AttributeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs of an attribute, whatever type it claims."""
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs


def _domain(name: str) -> str:
    """Return the canonical name of a domain; the standard operators have two names."""
    return "" if name == "ai.onnx" else name
