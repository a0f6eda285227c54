"""A whole model traced: one graph with a dynamic batch, circuits as opaque nodes in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from hybridx.capture.trace import Tracer, quiet, rehearse
from hybridx.capture.wide import lift_numbers
from hybridx.circuit import Circuit
from hybridx.errors import NonFiniteWeightsError

EXAMPLE_ROWS = 3
"""The shortest batch that is traced: torch.export takes a length of 1 for a constant."""


@dataclass(frozen=True)
class Capture:
    """A traced model.

    Attributes:
        module: its classical graph; `hybridx::circuit` nodes stand for the quantum layers.
        circuits: what they stand for, by the index that a node carries.
        layers: where each circuit stands in the model, in the user's words.
        input_names: one for each example input.
        precision: float32 if the eager model rounds the results of a circuit to it.
        is_dynamic: True if the first axis of every input may have any length.
        notes: what the user should know.
    """

    module: fx.GraphModule
    circuits: tuple[Circuit, ...]
    layers: tuple[str, ...]
    input_names: tuple[str, ...]
    precision: str
    is_dynamic: bool
    notes: tuple[str, ...]


def capture(
    model: nn.Module,
    args: Sequence[Tensor],
    *,
    dtype: str,
    dynamic: bool,
    rehearses: bool = True,
) -> Capture:
    """Trace a model in eval mode on example inputs.

    Args:
        model: any module whose quantum parts are PennyLane QNodes or TorchLayers.
        args: example inputs; the batch is their first axis and at least 2 long.
        dtype: float32 or float64, of the circuits in the file.
        dynamic: leave the batch open; where the model fixes it, it is fixed, with a note.
        rehearses: run the eager model first; without it, circuits are taken to return float64.

    Raises:
        CaptureError: a leaf of it says what in the model has to change.
    """
    _check_weights(model)
    rehearsal = rehearse(model, args) if rehearses else None
    with quiet():
        tracer = Tracer(model, args, getattr(torch, dtype), rehearsal)
        traced = tracer.trace(dynamic=dynamic)
        lift_numbers(traced.module)
    notes = []
    if dynamic and traced.fixed is not None:
        notes.append(f"the batch is fixed at {len(args[0])}: {traced.fixed}")
    pairs = zip(traced.layers, traced.circuits, strict=True)
    for layer, shots in dict.fromkeys((layer, circuit.shots) for layer, circuit in pairs):
        if shots is not None:
            notes.append(
                f"{layer} samples {shots} shots: the file's body gives the exact values, "
                "a device samples"
            )
    rounds = rehearsal is not None and torch.float32 in rehearsal.dtypes
    if rounds and dtype == "float64":
        notes.append("PennyLane rounds the results of a device to float32; the file does not")
    return Capture(
        module=traced.module,
        circuits=traced.circuits,
        layers=traced.layers,
        input_names=traced.input_names,
        precision="float32" if rounds else dtype,
        is_dynamic=traced.fixed is None,
        notes=tuple(notes),
    )


def prepare_examples(args: Sequence[Tensor], dtype: str, rows: int | None) -> tuple[Tensor, ...]:
    """Return example inputs on the CPU as they are traced.

    Args:
        args: what the user gave.
        dtype: float64 widens floating-point inputs.
        rows: a fixed batch, or None for any number that tracing does not take for fixed.
    """
    wanted = rows or max(EXAMPLE_ROWS, max((len(a) for a in args if a.dim()), default=0))

    def prepared(arg: Tensor) -> Tensor:
        plain = arg.detach().cpu()
        if dtype == "float64" and plain.is_floating_point():
            plain = plain.double()
        if plain.dim() and len(plain) != wanted and len(plain):
            repeats = -(-wanted // len(plain))
            plain = torch.cat([plain] * repeats)[:wanted]
        return plain.contiguous()

    return tuple(map(prepared, args))


def _check_weights(model: nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            bad = int((~torch.isfinite(tensor)).sum())
            if bad:
                raise NonFiniteWeightsError(name, bad)
