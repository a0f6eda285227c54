"""A circuit as a function that torch differentiates: on the CPU by the interpreter of tapes."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hybridx.capture import map_leaves, outside_transforms
from hybridx.circuit import Circuit
from hybridx.kernels import Tape, gradients, tape_of, values
from hybridx.lowering import choose
from hybridx.passes import run_passes
from hybridx.program.to_torch import emit_module


class LiveCircuit(nn.Module):
    """From data `(batch, P)` and shared columns `(W,)` to results `(batch, M)`.

    Its derivatives of any order are right: the first ones come from the interpreter, further ones
    from torch's own operators.

    Args:
        circuit: whose first `data` columns differ by row.
        data: P.

    Attributes:
        tape: what the interpreter runs; None where only torch's own operators can.
    """

    def __init__(self, circuit: Circuit, data: int) -> None:
        super().__init__()
        self._circuit = run_passes(circuit)
        found = tape_of(self._circuit, data)
        self.tape = found if isinstance(found, Tape) else None
        self._programs: dict[tuple[torch.dtype, torch.device], nn.Module] = {}

    def forward(self, data: Tensor, shared: Tensor) -> Tensor:
        """Return the results."""
        if self.tape is None or data.device.type != "cpu":
            return self.by_operators(data, shared)
        results: Tensor = _Values.apply(data, shared, self)[0]  # type: ignore[no-untyped-call]
        return results

    def by_operators(self, data: Tensor, shared: Tensor) -> Tensor:
        """Return the results by operators of torch."""
        rows = shared.expand(data.shape[0], -1)
        results: Tensor = self._program(data.dtype, data.device)(torch.cat([data, rows], 1))
        return results

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
    def _plan(self) -> Any:
        return choose(self._circuit).plan


class _Values(torch.autograd.Function):
    """Results, and the final states, which only the way back uses."""

    @staticmethod
    def forward(data: Tensor, shared: Tensor, live: LiveCircuit) -> tuple[Tensor, Tensor]:
        assert live.tape is not None
        results, kept = values(live.tape, _array(data), _array(shared))
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
        of_data, of_shared = _Gradients.apply(  # type: ignore[no-untyped-call]
            data, shared, cotangent, kept, ctx.live, wants
        )
        return of_data if wants else None, of_shared, None

    @staticmethod
    def jvp(ctx: Any, of_data: Any, of_shared: Any, _: Any) -> Any:
        data, shared = ctx.saved_tensors
        given = data, shared
        return _pushed(ctx.live.by_operators, given, (of_data, of_shared)), None

    @staticmethod
    def vmap(info: Any, in_dims: Any, data: Tensor, shared: Tensor, live: LiveCircuit) -> Any:
        results = [
            _Values.apply(one, other, live)  # type: ignore[no-untyped-call]
            for one, other in _each(info.batch_size, in_dims, data, shared)
        ]
        return tuple(map(torch.stack, zip(*results, strict=True))), (0, 0)


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
            live.tape, _array(data), _array(shared), _array(kept), _array(cotangent), of_data=wants
        )
        return torch.from_numpy(found[0]), torch.from_numpy(found[1])

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.live = inputs[4]
        ctx.save_for_backward(*inputs[:3])
        ctx.save_for_forward(*inputs[:3])

    @staticmethod
    def backward(ctx: Any, of_data: Tensor, of_shared: Tensor) -> Any:
        pull = torch.func.vjp(_gradients_by_operators(ctx.live), *ctx.saved_tensors)[1]
        found = pull((of_data, of_shared))
        return *found, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return _pushed(_gradients_by_operators(ctx.live), ctx.saved_tensors, tangents[:3])

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        *tensors, live, wants = inputs
        results = [
            _Gradients.apply(*one, live, wants)  # type: ignore[no-untyped-call]
            for one in _each(info.batch_size, in_dims, *tensors)
        ]
        return tuple(map(torch.stack, zip(*results, strict=True))), (0, 0)


def _gradients_by_operators(live: LiveCircuit) -> Any:
    def gradients_of(data: Tensor, shared: Tensor, cotangent: Tensor) -> Any:
        return torch.func.vjp(live.by_operators, data, shared)[1](cotangent)

    return gradients_of


def _pushed(function: Any, given: Any, tangents: Any) -> Any:
    """Return the derivative of a function along tangents, which may be None.

    It is the derivative of the vector-Jacobian product, which is linear in the vector: torch nests
    no forward modes.
    """
    along = tuple(
        torch.zeros_like(one) if tangent is None else tangent
        for one, tangent in zip(given, tangents, strict=True)
    )
    results, pull, *_ = torch.func.vjp(function, *given)
    zeros = map_leaves(torch.zeros_like, results)
    (found,) = torch.func.vjp(pull, zeros)[1](along)
    return found


def _each(count: int, in_dims: Any, *tensors: Tensor) -> Any:
    """Return the tensors of each member of a batch of vmap."""
    return (
        tuple(
            tensor if axis is None else tensor.select(axis, index)
            for tensor, axis in zip(tensors, in_dims, strict=False)
        )
        for index in range(count)
    )


def _array(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy()
