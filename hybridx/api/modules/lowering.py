"""Replace the quantum layers of a model by torch operators, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hybridx.api.options import (
    DTYPES,
    Batch,
    Dtype,
    Dynamic,
    check_choice,
    dtype_name,
    need,
    read_open_axes,
)
from hybridx.errors import CaptureError
from hybridx.lowering import MACHINE_NAMES, STRATEGY_NAMES

if TYPE_CHECKING:
    from torch import fx, nn

    from hybridx.capture import Capture, Example
    from hybridx.circuit import Circuit
    from hybridx.lowering import Choice, MachineName
    from hybridx.targets import Lowered


def lower(
    model: nn.Module | Callable[..., Any],
    args: Any,
    *,
    kwargs: Mapping[str, Any] = MappingProxyType({}),
    dtype: Dtype | None = None,
    batch: Batch | None = None,
    dynamic: Dynamic | None = None,
    atol: float | None = None,
    strategy: str | None = None,
    machine: MachineName = "cpu",
    verify: bool = True,
) -> Lowered:
    """Return a model that computes the same, with torch operators as its quantum layers.

    The result is for inference, in eval mode: on its own, under torch.compile, or moved to another
    device. The weights of quantum layers are constants in it. It is called as the model is;
    arguments that are not tensors must be those of the example. The model itself is restored.

    Args:
        model: any module whose quantum parts are PennyLane QNodes or TorchLayers.
        args: example arguments of `forward`.
        kwargs: example arguments by keyword, likewise.
        dtype: as in `export`.
        batch: as in `export`.
        dynamic: as in `export`.
        atol: tolerance of the verification; by default `TOLERANCE` of the dtype.
        strategy: how circuits are computed, the name of one of `STRATEGIES`.
        machine: what is to run the model: `cpu`, or `cuda` for a GPU. Its costs decide how circuits
            are computed.
        verify: compare with the eager model at `VERIFIED_BATCHES`.

    Raises:
        UsageError: an option or an argument cannot be used for lowering.
        CaptureError: the model cannot be captured; the message says what to change.
        LoweringError: a circuit is too large to simulate.
        ParityError: the two differ, or nothing can be compared.
    """
    dtype = dtype_name(dtype)
    check_choice("dtype", dtype, (*DTYPES, None))
    if strategy is not None:
        check_choice("strategy", strategy, STRATEGY_NAMES)
    check_choice("machine", machine, MACHINE_NAMES)
    need("lowering", "torch", "pennylane", "threadpoolctl")
    open_axes = read_open_axes(dynamic, batch)
    from hybridx import capture, targets
    from hybridx.api.work.building import plan_circuits, splice_circuits
    from hybridx.api.work.comparing import build_and_compare
    from hybridx.api.work.lowered_graph import LoweredGraph

    model, remarks = capture.read_model(model)
    args = capture.narrowed(model, capture.read_arguments(args), dtype)
    kwargs = capture.narrowed(model, dict(kwargs), dtype)
    call, tensors = capture.describe_call(model, args, kwargs)
    chosen = dtype or capture.choose_dtype(model, tensors.values())
    flat = capture.Flat(model, call, chosen)
    choices: dict[Circuit, Choice] = {}

    def build(captured: Capture, _: Example) -> fx.GraphModule:
        plan_circuits(captured, strategy, machine, choices)
        return splice_circuits(captured, choices, chosen)

    with (
        capture.one_thread(),
        capture.as_exported(model, chosen),
    ):
        try:
            example = capture.prepare_example(flat, tensors, dtype=chosen, open_axes=open_axes)
        except CaptureError as error:
            capture.check_arguments(model, args, kwargs, tensors, error)
            raise
        built = build_and_compare(
            flat, example, build, LoweredGraph, dtype=chosen, atol=atol, verify=verify, runs=verify
        )
        with capture.eagerly(), flat.restored():
            returned = flat.answer_to(built.example.tensors)
    return targets.Lowered(built.product, call, model, returned, remarks + built.notes)
