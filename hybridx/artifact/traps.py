"""Nodes at which ONNX Runtime is sure to end the process, refused before it sees them.

The processor stops a process that divides the smallest whole number by -1, or a whole number by
zero, or reads at a null pointer. ONNX Runtime guards itself against most of that. What it does not
was found by calling its operators with extreme attributes and constants, and by random changes of
files; `tests/artifact/test_traps.py` shows each in a process of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from hybridx.artifact.limits import graphs_of
from hybridx.errors import BrokenArtifactError
from hybridx.storage import Array

_GROUPED: Final = frozenset({"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv"})
_BLOCKED: Final = frozenset({"DepthToSpace", "SpaceToDepth"})
_DIVIDING: Final = frozenset({"Div", "Mod"})
_MOST_GROUPS: Final = 2**31
_LARGEST_BLOCK: Final = 2**15

# Constants that are followed: small whole numbers, and what only changes their shape.
_MOST_NUMBERS: Final = 4096
_WHOLE: Final[Mapping[int, type]] = {
    TensorProto.INT8: np.int8,
    TensorProto.INT16: np.int16,
    TensorProto.INT32: np.int32,
    TensorProto.INT64: np.int64,
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
}
_RESHAPING: Final = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten"})

_Constants: TypeAlias = dict[str, Array]


def refuse_traps(model: onnx.ModelProto, path: str) -> None:
    """Refuse a model with a node at which ONNX Runtime is sure to end the process.

    Args:
        model: the model.
        path: for messages.

    Raises:
        BrokenArtifactError: it has one; the message says which.
    """
    for nodes, initializers in (
        (model.graph.node, model.graph.initializer),
        *((function.node, ()) for function in model.functions),
    ):
        for problem in _traps(nodes, initializers, {}):
            raise BrokenArtifactError(path, problem)


def _traps(
    nodes: Iterable[onnx.NodeProto], initializers: Iterable[TensorProto], outer: Mapping[str, Array]
) -> Iterator[str]:
    """Yield what is wrong with the nodes of a graph and of the graphs inside them."""
    known: _Constants = {**outer}
    for tensor in initializers:
        _note(known, tensor.name, tensor)
    for node in nodes:
        attributes = {one.name: one for one in node.attribute}
        if node.op_type in _GROUPED and "group" in attributes:
            if not 1 <= attributes["group"].i < _MOST_GROUPS:
                yield f"a {node.op_type} of {attributes['group'].i} groups"
        elif node.op_type in _BLOCKED and "blocksize" in attributes:
            if not 1 <= attributes["blocksize"].i <= _LARGEST_BLOCK:
                yield f"a {node.op_type} of blocks of {attributes['blocksize'].i}"
        elif node.op_type in _DIVIDING and len(node.input) == 2 and _is_trap(node, known):
            yield f"a {node.op_type} of the smallest whole number by -1"
        elif node.op_type == "LayerNormalization" and [*node.input[2:]] == [""]:
            # ONNX Runtime reads the bias at a null pointer; with two inputs it knows of none.
            yield "a LayerNormalization whose bias has an empty name"
        _follow(node, attributes, known)
        for attribute in node.attribute:
            for graph in graphs_of(attribute):
                yield from _traps(graph.node, graph.initializer, known)


def _is_trap(node: onnx.NodeProto, known: Mapping[str, Array]) -> bool:
    dividend, divisor = (known.get(name) for name in node.input)
    if dividend is None or divisor is None or dividend.dtype != divisor.dtype:
        return False
    if dividend.dtype.kind != "i":
        return False
    try:
        together = np.broadcast_arrays(dividend == np.iinfo(dividend.dtype).min, divisor == -1)
    except ValueError:
        return False
    return bool((together[0] & together[1]).any())


def _note(known: _Constants, name: str, tensor: TensorProto) -> None:
    """Keep the numbers of a small tensor, if it has them."""
    is_small = 0 <= math.prod(tensor.dims) <= _MOST_NUMBERS and min(tensor.dims, default=0) >= 0
    is_inside = tensor.data_location != TensorProto.EXTERNAL
    if tensor.data_type not in _WHOLE or not is_small or not is_inside:
        return
    try:
        known[name] = numpy_helper.to_array(tensor)
    except (ValueError, TypeError):
        return  # its bytes do not fit its shape, which ONNX Runtime refuses


def _follow(
    node: onnx.NodeProto, attributes: Mapping[str, onnx.AttributeProto], known: _Constants
) -> None:
    """Keep the results of a node that makes small constants of others."""
    if not node.output:
        return
    name = node.output[0]
    known.pop(name, None)
    given = known.get(node.input[0]) if node.input else None
    if node.op_type == "Constant":
        for kind, attribute in attributes.items():
            if kind == "value":
                _note(known, name, attribute.t)
            elif kind == "value_int":
                known[name] = np.array(attribute.i)
            elif kind == "value_ints" and len(attribute.ints) <= _MOST_NUMBERS:
                known[name] = np.array(attribute.ints, np.int64)
    elif given is None:
        return
    elif node.op_type == "Identity":
        known[name] = given
    elif node.op_type in _RESHAPING and given.size == 1:
        known[name] = given.reshape(())  # a single number meets the same others in any shape
    elif node.op_type == "Cast" and "to" in attributes and attributes["to"].i in _WHOLE:
        with np.errstate(invalid="ignore"):
            known[name] = given.astype(_WHOLE[attributes["to"].i])
    elif node.op_type == "Neg":
        known[name] = -given
