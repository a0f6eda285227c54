"""A tensor program as a torch module: each constant is a buffer, each other step one operator."""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from hybridx.program import (
    Binary,
    Concatenate,
    Constant,
    Gather,
    Parameters,
    Program,
    Reshape,
    Step,
    Sum,
    Transpose,
    Unary,
    Value,
    Wrap,
    check,
)
from hybridx.program.wrapping import wrapping_of

_ATEN = torch.ops.aten

_UNARY = {
    "cos": _ATEN.cos.default,
    "sin": _ATEN.sin.default,
    "sqrt": _ATEN.sqrt.default,
    "log": _ATEN.log.default,
    "sign": _ATEN.sign.default,
    "hold": _ATEN.detach.default,
}
_BINARY = {
    "add": _ATEN.add.Tensor,
    "multiply": _ATEN.mul.Tensor,
    "divide": _ATEN.div.Tensor,
    "maximum": _ATEN.maximum.default,
    "matmul": _ATEN.matmul.default,
}


def emit_module(program: Program, *, dtype: np.dtype[Any]) -> fx.GraphModule:
    """Return a module that takes `parameters` `(batch, P)` and gives `results` `(batch, M)`.

    The graph has operators of `torch.ops.aten` only and names no device: the module runs on the
    device of its buffers.

    Args:
        program: what to compute.
        dtype: float32 or float64, of every tensor.

    Raises:
        IllFormedProgramError: the program breaks a law.
    """
    return _Emitter(dtype).emit(check(program))


class _Emitter:
    """Writes one program as a graph, step by step."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._root = nn.Module()
        self._graph = fx.Graph()
        self._nodes: list[fx.Node] = []
        self._parameters = self._graph.placeholder("parameters")
        self._batch: fx.Node | None = None

    def emit(self, program: Program) -> fx.GraphModule:
        for step in program.steps:
            self._nodes.append(self._emit(step))
        self._graph.output(self._nodes[-1])
        return fx.GraphModule(self._root, self._graph)

    def _emit(self, step: Step) -> fx.Node:
        match step:
            case Parameters():
                return self._parameters
            case Constant(array):
                return self._buffer(array.astype(self._dtype))
            case Unary(kind, x):
                return self._call(_UNARY[kind], self._of(x))
            case Binary(kind, x, y):
                return self._call(_BINARY[kind], self._of(x), self._of(y))
            case Gather(x, axis, indices):
                return self._chosen(self._of(x), axis, indices)
            case Reshape(x, shape):
                # Not -1, which has no definite value in an empty batch.
                sizes = [self._rows() if size is None else size for size in shape]
                return self._call(_ATEN.reshape.default, self._of(x), sizes)
            case Transpose(x, order):
                return self._call(_ATEN.permute.default, self._of(x), list(order))
            case Concatenate(xs, axis):
                return self._call(_ATEN.cat.default, [self._of(x) for x in xs], axis)
            case Sum(x, axis):
                return self._call(_ATEN.sum.dim_IntList, self._of(x), [axis])
            case Wrap(x):
                return self._wrapped(self._of(x), step)
            case _:
                assert_never(step)

    def _chosen(self, x: fx.Node, axis: int, indices: tuple[int, ...]) -> fx.Node:
        first, last = indices[0], indices[-1]
        if indices == tuple(range(first, last + 1)):
            return self._call(_ATEN.slice.Tensor, x, axis, first, last + 1)
        index = self._buffer(np.array(indices, dtype=np.int64))
        return self._call(_ATEN.index_select.default, x, axis, index)

    def _wrapped(self, x: fx.Node, step: Wrap) -> fx.Node:
        wrapping = wrapping_of(step)
        if wrapping.indices is not None:
            x = self._chosen(x, 1, wrapping.indices)
        if wrapping.inverse is None:
            return x
        inverse = self._buffer(wrapping.inverse.astype(self._dtype))
        turns = self._call(_BINARY["multiply"], x, inverse)
        multiple = self._call(_ATEN.round.default, turns)
        for part in wrapping.parts:
            period = self._buffer(part.astype(self._dtype))
            product = self._call(_BINARY["multiply"], multiple, period)
            x = self._call(_BINARY["add"], x, product)
        return x

    def _of(self, value: Value) -> fx.Node:
        return self._nodes[value.index]

    def _call(self, target: Any, *args: Any) -> fx.Node:
        return self._graph.call_function(target, args)

    def _rows(self) -> fx.Node:
        """Return the node of the length of the batch; there is one."""
        if self._batch is None:
            with self._graph.inserting_after(self._parameters):
                self._batch = self._call(_ATEN.sym_size.int, self._parameters, 0)
        return self._batch

    def _buffer(self, array: NDArray[Any]) -> fx.Node:
        name = f"constant_{len(dict(self._root.named_buffers()))}"
        # A copy in row-major order: a broadcast view would be written at its full size later.
        self._root.register_buffer(name, torch.from_numpy(np.array(array, order="C")))
        return self._graph.get_attr(name)
