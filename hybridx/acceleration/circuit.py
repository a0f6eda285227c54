"""A circuit as a function that torch differentiates: on the CPU by the interpreter of tapes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hybridx.capture import (
    apply_function,
    base_of,
    in_forward_mode,
    in_transform,
    outside_transforms,
)
from hybridx.circuit import Channel, Circuit
from hybridx.kernels import Tape, along, frequencies, gradients, tape_of, values
from hybridx.lowering import choose
from hybridx.passes import run_passes
from hybridx.program.to_torch import emit_module

_SLICE: Final = 2**20  # numbers of the states of all rows at once: 4 MB in float32

Direction: TypeAlias = tuple[Tensor | None, Tensor | None]
"""A direction in data and in shared columns; None where it is zero."""


class LiveCircuit(nn.Module):
    """From data `(batch, P)` and shared columns `(W,)` to results `(batch, M)`.

    Its derivatives of any order are right, forward and backward: the interpreter computes them
    where it runs the circuit, else torch's own operators.

    Args:
        circuit: whose first `data` columns differ by row.
        data: P.

    Attributes:
        tape: what the interpreter runs; None where only torch's own operators can.
    """

    def __init__(self, circuit: Circuit, data: int) -> None:
        super().__init__()
        self._circuit, self._data = run_passes(circuit), data
        found = tape_of(self._circuit, data)
        self.tape = found if isinstance(found, Tape) else None
        self._programs: dict[tuple[torch.dtype, torch.device], nn.Module] = {}

    def forward(self, data: Tensor, shared: Tensor) -> Tensor:
        """Return the results."""
        if self.tape is None or data.device.type != "cpu":
            return self.by_operators(data, shared)
        if torch.is_grad_enabled():
            data, shared = _own(data), _own(shared)
        results: Tensor = apply_function(_Values, data, shared, self)[0]
        return results

    def by_operators(self, data: Tensor, shared: Tensor) -> Tensor:
        """Return the results by operators of torch.

        A large batch is taken in slices, which are computed once more on the way back.
        """
        rows = torch.cat([data, shared.expand(data.shape[0], -1)], 1)
        program = self._program(data.dtype, data.device)
        count = max(1, _SLICE >> self._bits)
        results: Tensor
        with torch.autocast(data.device.type, enabled=False):
            if len(rows) <= count or not rows.requires_grad or in_transform():
                results = program(rows)
                return results
            parts = [
                checkpoint(program, part, use_reentrant=False, preserve_rng_state=False)
                for part in rows.split(count)
            ]
            return torch.cat(parts)

    @cached_property
    def _bits(self) -> int:
        """Of the count of numbers in a state: of a density matrix twice as many."""
        is_mixed = any(isinstance(one, Channel) for one in self._circuit.operations)
        return self._circuit.wires * (1 + is_mixed)

    def _program(self, dtype: torch.dtype, device: torch.device) -> nn.Module:
        key = dtype, device
        if key not in self._programs:
            self._programs[key] = self._built(dtype, device)
        return self._programs[key]

    def _built(self, dtype: torch.dtype, device: torch.device) -> nn.Module:
        with outside_transforms():  # which its constants would outlive
            program = self._plan.build()
            kind = np.dtype(str(dtype).removeprefix("torch."))
            module = emit_module(program, dtype=kind).to(device)
            for node in module.graph.find_nodes(
                op="call_function", target=torch.ops.aten.sym_size.int
            ):
                node.op, node.target = "call_method", "size"  # vmap has no rule for the operator
            module.recompile()
        return module

    @cached_property
    def by_rows(self) -> LiveCircuit:
        """The same circuit with all columns in the data."""
        return LiveCircuit(self._circuit, self._circuit.parameters)

    @cached_property
    def frequencies(self) -> Any:
        """Of each column, as `along` takes them."""
        return frequencies(self._circuit)

    @cached_property
    def _plan(self) -> Any:
        return choose(self._circuit).plan


class _Values(torch.autograd.Function):
    """Results, and the final states, which only the way back uses."""

    @staticmethod
    def forward(data: Tensor, shared: Tensor, live: LiveCircuit) -> tuple[Tensor, Tensor]:
        assert live.tape is not None
        results, kept = values(
            live.tape, _array(data), _array(shared), threads=torch.get_num_threads()
        )
        return torch.from_numpy(results), torch.from_numpy(kept)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        data, shared, live = inputs
        ctx.live = live
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(data, shared, output[1])
        ctx.save_for_forward(data, shared)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor, _: Any) -> Any:
        data, shared, kept = ctx.saved_tensors
        wants = ctx.needs_input_grad[0]
        given = data, shared, cotangent, kept, ctx.live, wants
        is_last = not torch.is_grad_enabled() and not in_transform()
        of_data, of_shared = (
            _Gradients.forward(*given) if is_last else apply_function(_Gradients, *given)
        )
        return of_data if wants else None, of_shared, None

    @staticmethod
    def jvp(ctx: Any, of_data: Any, of_shared: Any, _: Any) -> Any:
        data, shared = ctx.saved_tensors
        return _along(ctx.live, data, shared, None, [(of_data, of_shared)])[0], None

    @staticmethod
    def vmap(info: Any, in_dims: Any, data: Tensor, shared: Tensor, live: LiveCircuit) -> Any:
        rows = _Rows(info.batch_size, in_dims, data, shared)
        if in_dims[1] is None:
            found = _Values.apply(rows.data, shared, live)  # type: ignore[no-untyped-call]
        else:
            found = _Values.apply(rows.whole, shared.new_empty(0), live.by_rows)  # type: ignore[no-untyped-call]
        return (rows.parted(found[0]), data.new_empty(0)), (0, None)


class _Gradients(torch.autograd.Function):
    """The vector-Jacobian product, itself differentiable."""

    @staticmethod
    def forward(
        data: Tensor,
        shared: Tensor,
        cotangent: Tensor,
        kept: Tensor,
        live: LiveCircuit,
        wants: bool,
    ) -> tuple[Tensor, Tensor]:
        assert live.tape is not None
        found = gradients(
            live.tape,
            _array(data),
            _array(shared),
            _array(kept),
            _array(cotangent),
            of_data=wants,
            threads=torch.get_num_threads(),
        )
        return torch.from_numpy(found[0]), torch.from_numpy(found[1])

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.live = inputs[4]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:3])
        ctx.save_for_forward(*inputs[:3])

    @staticmethod
    def backward(ctx: Any, of_data: Tensor | None, of_shared: Tensor | None) -> Any:
        data, shared, cotangent = ctx.saved_tensors
        found = _slopes(ctx.live, data, shared, cotangent, [(of_data, of_shared)])
        return found[1], found[2], found[0], None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        data, shared, cotangent = ctx.saved_tensors
        live, of_cotangent = ctx.live, tangents[2]
        found = _slopes(live, data, shared, cotangent, [tangents[:2]])[1:]
        others = _slopes(live, data, shared, of_cotangent, [])[1:]
        with in_forward_mode():
            return tuple(_sum(*terms) for terms in zip(found, others, strict=True))

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        data, shared, cotangent, _, live, _ = inputs
        rows = _Rows(info.batch_size, in_dims, data, shared)
        nothing = shared.new_empty(0)
        found, _ = _Gradients.apply(  # type: ignore[no-untyped-call]
            rows.whole, nothing, rows.joined(cotangent, in_dims[2]), nothing, live.by_rows, True
        )
        return rows.gradients(found), (0, 0)


class _Along(torch.autograd.Function):
    """A mixed derivative of values and gradients along directions.

    All its own derivatives are of the same form, with more directions or fewer: it is linear in
    the cotangent and in each direction, and the derivative by data and shared columns is one more
    direction. Without a cotangent, the gradients are zero.
    """

    @staticmethod
    def forward(
        live: LiveCircuit,
        data: Tensor,
        shared: Tensor,
        cotangent: Tensor | None,
        *parts: Tensor | None,
    ) -> tuple[Tensor, ...]:
        directions = _pairs(parts)
        if any(of_shared is not None for _, of_shared in directions):
            rows = _Rows(1, (None, None), data, shared)
            wide = [rows.direction(*one, (None, None)) for one in directions]
            found = _derived(live.by_rows, rows.whole, shared[:0], cotangent, wide)
            of_data, of_shared = (part[0] for part in rows.gradients(found[1]))
            return found[0], of_data, of_shared
        given = [one for one, _ in directions if one is not None]
        return _derived(live, data, shared, cotangent, given)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.live, *tensors = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, of_values: Any, of_data: Any, of_shared: Any) -> Any:
        data, shared, cotangent, *parts = ctx.saved_tensors
        directions = _pairs(parts)

        def slopes(kept: Sequence[Direction]) -> Any:
            """The derivative by data and shared columns along some directions is left."""
            first = _slopes(ctx.live, data, shared, of_values, kept)
            more = _slopes(ctx.live, data, shared, cotangent, [*kept, (of_data, of_shared)])
            return _sum(first[1], more[1]), _sum(first[2], more[2]), more[0]

        found = list(slopes(directions))
        for place in range(len(directions)):
            is_wanted = any(ctx.needs_input_grad[4 + 2 * place : 6 + 2 * place])
            others = directions[:place] + directions[place + 1 :]
            found += slopes(others)[:2] if is_wanted else (None, None)
        wanted = zip(found, ctx.needs_input_grad[1:], strict=True)
        return None, *(slope if is_wanted else None for slope, is_wanted in wanted)

    @staticmethod
    def jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
        data, shared, cotangent, *parts = ctx.saved_tensors
        directions, along = _pairs(parts), _pairs(tangents[3:])
        point = ctx.live, data, shared
        terms = [
            _along(*point, cotangent, [*directions, tangents[:2]]),
            (None, *_slopes(*point, tangents[2], directions)[1:]),
        ]
        for place, one in enumerate(along):
            changed = [*directions[:place], one, *directions[place + 1 :]]
            terms.append(_along(*point, cotangent, changed))
        with in_forward_mode():
            totals = [_sum(*parts) for parts in zip(*terms, strict=True)]
        like = _along(*point, None, directions)
        return tuple(
            torch.zeros_like(one) if total is None else total
            for one, total in zip(like, totals, strict=True)
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, live: LiveCircuit, *tensors: Any) -> Any:
        data, shared, cotangent, *parts = tensors
        axes = in_dims[1:]
        rows = _Rows(info.batch_size, axes, data, shared)
        wide: list[Tensor | None] = []
        for place in range(0, len(parts), 2):
            one, other = parts[place : place + 2]
            wide += rows.direction(one, other, axes[3 + place : 5 + place]), None
        if cotangent is not None:
            cotangent = rows.joined(cotangent, axes[2])
        found = _Along.apply(live.by_rows, rows.whole, shared.new_empty(0), cotangent, *wide)  # type: ignore[no-untyped-call]
        return (rows.parted(found[0]), *rows.gradients(found[1])), (0, 0, 0)


class _Rows:
    """The members of a batch of vmap as rows of one circuit, which has all columns in its data.

    Args:
        count: B, of the members.
        axes: of the data and of the shared columns, which the members are, or None.
        data: of each member `(batch, P)`.
        shared: of each member `(W,)`.

    Attributes:
        data: `(B * batch, P)`.
        whole: `(B * batch, P + W)`.
    """

    def __init__(self, count: int, axes: Any, data: Tensor, shared: Tensor) -> None:
        self._count, self._axes = count, axes[:2]
        self._data, self._shared = data, shared
        members, others = _members(data, axes[0], count), _members(shared, axes[1], count)
        self._batch, self._columns = members.shape[1:]
        wide = others[:, None].expand(-1, self._batch, -1)
        self.data = self.joined(data, axes[0])
        whole = torch.cat([members, wide], 2)
        self.whole = whole.reshape(count * self._batch, whole.shape[2])

    def joined(self, tensor: Tensor, axis: int | None) -> Tensor:
        """Return a tensor `(batch, N)` of each member as `(B * batch, N)`."""
        members = _members(tensor, axis, self._count)
        return members.reshape(self._count * self._batch, members.shape[2])

    def direction(self, of_data: Tensor | None, of_shared: Tensor | None, axes: Any) -> Tensor:
        """Return a direction, whose parts may be zero, in all columns."""
        one = torch.zeros_like(self._data) if of_data is None else of_data
        other = torch.zeros_like(self._shared) if of_shared is None else of_shared
        places = [
            own if part is None else axis
            for own, axis, part in zip(self._axes, axes, (of_data, of_shared), strict=True)
        ]
        return _Rows(self._count, places, one, other).whole

    def parted(self, rows: Tensor) -> Tensor:
        """Return `(B * batch, N)` as `(B, batch, N)`."""
        return rows.reshape(self._count, self._batch, rows.shape[1])

    def gradients(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return gradients of all columns, by row, as those of data and shared columns."""
        parts = self.parted(rows)
        return parts[:, :, : self._columns], parts[:, :, self._columns :].sum(1)


def _members(tensor: Tensor, axis: int | None, count: int) -> Tensor:
    return tensor.expand(count, *tensor.shape) if axis is None else tensor.movedim(axis, 0)


def _along(
    live: LiveCircuit,
    data: Tensor,
    shared: Tensor,
    cotangent: Tensor | None,
    directions: Sequence[Direction],
) -> Any:
    """Return `_Along`, or None three times where a direction is zero."""
    if any(one is None and other is None for one, other in directions):
        return None, None, None
    parts = [part for direction in directions for part in direction]
    return _Along.apply(live, data, shared, cotangent, *parts)  # type: ignore[no-untyped-call]


def _slopes(
    live: LiveCircuit,
    data: Tensor,
    shared: Tensor,
    cotangent: Tensor | None,
    directions: Sequence[Direction],
) -> Any:
    """Return `_along` where its gradients are meant: None without a cotangent."""
    if cotangent is None:
        return None, None, None
    if directions:
        return _along(live, data, shared, cotangent, directions)
    kept = data.new_empty(0)
    return None, *_Gradients.apply(data, shared, cotangent, kept, live, True)  # type: ignore[no-untyped-call]


def _derived(
    live: LiveCircuit,
    data: Tensor,
    shared: Tensor,
    cotangent: Tensor | None,
    directions: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    assert live.tape is not None
    of = None if cotangent is None else _array(cotangent)
    arrays = _array(data), _array(shared), of, list(map(_array, directions))
    found = along(live.tape, live.frequencies, *arrays)
    return tuple(torch.from_numpy(one).to(data.dtype) for one in found)


def _pairs(parts: Sequence[Tensor | None]) -> list[Direction]:
    return list(zip(parts[::2], parts[1::2], strict=True))


def _sum(*terms: Tensor | None) -> Tensor | None:
    found = [term for term in terms if term is not None]
    return sum(found[1:], found[0]) if found else None


def _own(columns: Tensor) -> Tensor:
    """Return columns into whose memory nobody else writes before the way back.

    PennyLane keeps sines of angles alone: a script may fill one tensor anew for each call.
    """
    return columns if base_of(columns) is columns else columns.clone()


def _array(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy()
