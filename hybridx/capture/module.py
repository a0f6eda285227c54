"""Trace a whole model to one graph with open axes, with its circuits as opaque nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import fx, nn

from hybridx.capture.example import AxisNames, Example
from hybridx.capture.graph.float64 import lift_numbers
from hybridx.capture.model.flat import Flat
from hybridx.capture.python.patches import quiet, uncollected
from hybridx.capture.torch_export import Shapes
from hybridx.capture.torch_internals import buffers_of, parameters_of
from hybridx.capture.trace import Trace, trace_model
from hybridx.circuit import Circuit
from hybridx.errors import NonFiniteWeightsError
from hybridx.program import BATCH


@dataclass(frozen=True)
class Capture:
    """A traced model.

    Attributes:
        module: its classical graph; `hybridx::circuit` nodes stand for the quantum layers.
        circuits: the circuits, by the index that a node carries.
        layers: where each circuit stands in the model, in the user's words.
        input_names: one for each example input.
        output_names: one for each output.
        axes: by input, the names of the axes that may have any length.
        shapes: the same as torch.export's dynamic shapes, with bounds.
        precision: float32 if the eager model rounds the results of a circuit to it.
        notes: what the user should know.
    """

    module: fx.GraphModule
    circuits: tuple[Circuit, ...]
    layers: tuple[str, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    axes: AxisNames
    shapes: Shapes
    precision: str
    notes: tuple[str, ...]

    @property
    def is_dynamic(self) -> bool:
        """True if the batch may have any length."""
        return any(BATCH in axes.values() for axes in self.axes.values())


def capture(flat: Flat, example: Example, *, dtype: str) -> Capture:
    """Trace a model in eval mode on example inputs.

    Args:
        flat: any module whose quantum parts are PennyLane QNodes or TorchLayers.
        example: inputs; where the model itself fixes an open axis, it is fixed, with a note.
        dtype: of the circuits in the file, float32 or float64.

    Raises:
        CaptureError: its subclass says what to change in the model.
    """
    _check_weights(flat.model)
    rehearsal, tensors = example.rehearsal, tuple(example.tensors.values())
    wanted = [example.axes.get(name, {}) for name in example.tensors]
    with quiet(), uncollected():
        traced = trace_model(flat, tensors, wanted, getattr(torch, dtype), rehearsal)
        lift_numbers(traced.module)
    axes = {
        name: {axis: called[axis] for axis in shape}
        for name, called, shape in zip(example.tensors, wanted, traced.shapes, strict=True)
    }
    rounds = rehearsal is not None and torch.float32 in rehearsal.dtypes
    rounding = "PennyLane rounds the results of a device to float32; the file does not"
    return Capture(
        module=traced.module,
        circuits=traced.circuits,
        layers=traced.layers,
        input_names=tuple(example.tensors),
        output_names=flat.output_names,
        axes=axes,
        shapes=traced.shapes,
        precision="float32" if rounds else dtype,
        notes=(
            *example.notes,
            *(flat.remarks if rehearsal is None else rehearsal.remarks),
            *_fixed(example, axes, traced.reason),
            *_shots(traced),
            *([rounding] if rounds and dtype == "float64" else []),
        ),
    )


def _fixed(example: Example, axes: AxisNames, reason: str) -> Iterator[str]:
    """Yield a sentence for each axis that should be open and is fixed."""
    kept = {called for open_axes in axes.values() for called in open_axes.values()}
    wanted: dict[str, int] = {}
    for name, open_axes in example.axes.items():
        wanted |= {called: example.tensors[name].shape[axis] for axis, called in open_axes.items()}
    for called, length in wanted.items():
        why = (reason if called == BATCH else "") or "the model's code does not follow it"
        if called not in kept:
            yield f"the {called} is fixed at {length}: {why}"


def _shots(traced: Trace) -> Iterator[str]:
    pairs = zip(traced.layers, traced.circuits, strict=True)
    for layer, shots in dict.fromkeys((layer, circuit.shots) for layer, circuit in pairs):
        if shots is not None:
            yield (
                f"{layer} samples {shots} shots: the file's body gives the exact values, "
                "a device samples"
            )


def _check_weights(model: nn.Module) -> None:
    stored = (*parameters_of(model), *buffers_of(model, persistent=True))
    for name, tensor in stored:
        if tensor.is_floating_point():
            bad = int((~torch.isfinite(tensor)).sum())
            if bad:
                raise NonFiniteWeightsError(name, bad)
