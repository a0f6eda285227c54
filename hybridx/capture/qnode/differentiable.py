"""A traced QNode call that autograd and `torch.func` differentiate, any number of times.

The derivative of an opaque operator is another opaque operator, `hybridx::derivative`, which takes
the angles and the cotangents of what was differentiated. It has no numbers either: in a file it is
a node of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hybridx.capture.graph.ops import (
    DERIVATIVE_OP,
    QNODE_OP,
    batch_of,
    derivative_slots,
    slot_width,
)


@dataclass(frozen=True)
class TracedCall:
    """A call of a circuit.

    Attributes:
        index: of the circuit.
        width: M.
        dtype: of the results.
        lengths: of the angles, 0 for one number each.
    """

    index: int
    width: int
    dtype: torch.dtype
    lengths: tuple[int, ...]

    def results(self, angles: Sequence[Tensor]) -> Tensor:
        """Return the traced results, shape `(batch, M)`, or `(M,)` where no angle has a batch.

        Args:
            angles: each of shape `(batch,)` or `()`, and its length if that is not 0.
        """
        batch = batch_of(angles, self.lengths)
        # What autograd gives for an angle has its shape: the sum over the batch is made outside.
        whole = [
            angle.expand(*batch, length) if length else angle.expand(batch)
            for angle, length in zip(angles, self.lengths, strict=True)
        ]
        (results,) = _derive(self, 0, *whole)
        return results

    def columns(self, order: int, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return what a derivative of an order gives, each as a tensor of its own."""
        count = len(self.lengths)
        angles, cotangents = list(tensors[:count]), list(tensors[count:])
        lengths = list(self.lengths)
        if not order:
            return (QNODE_OP(angles, [], self.index, self.width, self.dtype, lengths),)
        whole = DERIVATIVE_OP(
            angles, cotangents, self.index, order, self.width, self.dtype, lengths
        )
        _, given = derivative_slots(lengths, self.width, order)
        parts, first = [], 0
        for slot in given:
            width = slot_width(lengths, self.width, slot)
            is_number = slot is not None and not lengths[slot]
            parts.append(whole.select(-1, first) if is_number else whole.narrow(-1, first, width))
            first += width
        return tuple(
            part if slot is None else part.to(angles[slot].dtype)
            for slot, part in zip(given, parts, strict=True)
        )


class _Differentiable(torch.autograd.Function):
    """A derivative of a call, of an order: 0 is the call itself."""

    @staticmethod
    def forward(call: TracedCall, order: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        return call.columns(order, tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.call, ctx.order, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        grads = _derive(ctx.call, ctx.order + 1, *ctx.saved_tensors, *cotangents)
        return None, None, *grads

    @staticmethod
    def jvp(ctx: Any, _call: None, _order: None, *tangents: Tensor | None) -> tuple[Tensor, ...]:
        # With J the derivative, the gradient of t . (J^T v) with respect to v is J t.
        call, order, tensors = ctx.call, ctx.order, ctx.saved_tensors
        _, given = derivative_slots(call.lengths, call.width, order)
        batch = (
            tensors[0].shape[:1] if call.lengths and len(batch_of(tensors, call.lengths)) else ()
        )
        nothing = [
            tensors[0].new_zeros((*batch, call.width), dtype=call.dtype)
            if slot is None
            else torch.zeros_like(tensors[slot])
            for slot in given
        ]
        moved = [
            torch.zeros_like(tensor) if tangent is None else tangent
            for tensor, tangent in zip(tensors, tangents, strict=True)
        ]
        found = _derive(call, order + 2, *tensors, *nothing, *moved)
        return tuple(found[len(tensors) :])

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], call: TracedCall, order: int, *tensors: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        taken, given = derivative_slots(call.lengths, call.width, order)
        axes = in_dims[2:]
        rows = info.batch_size
        has_batch = any(
            tensor.dim() - (axis is not None) > _inner(call, slot)
            for tensor, axis, slot in zip(tensors, axes, taken, strict=True)
        )
        flat = []
        for tensor, axis, slot in zip(tensors, axes, taken, strict=True):
            inner = _inner(call, slot)
            wide = (
                tensor.unsqueeze(0).expand(rows, *tensor.shape)
                if axis is None
                else tensor.movedim(axis, 0)
            )
            if has_batch:
                wide = wide.reshape(-1, *wide.shape[wide.dim() - inner :])
            flat.append(wide)
        found = _derive(call, order, *flat)
        if has_batch:
            found = tuple(
                one.reshape(rows, -1, *one.shape[one.dim() - _inner(call, slot) :])
                for one, slot in zip(found, given, strict=True)
            )
        return tuple(found), (0,) * len(found)


def _derive(call: TracedCall, order: int, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Return what a derivative gives, such that it can be differentiated again."""
    # PyTorch does not annotate `apply`.
    found: tuple[Tensor, ...] = _Differentiable.apply(call, order, *tensors)  # type: ignore[no-untyped-call]
    return found


def _inner(call: TracedCall, slot: int | None) -> int:
    """Return how many axes a tensor has for one row."""
    return 1 if slot is None or call.lengths[slot] else 0
