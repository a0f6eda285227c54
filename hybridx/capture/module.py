"""Trace a whole model to one graph with open axes, with its circuits as opaque nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, fx, nn

from hybridx.capture.closed_axes import closing_place
from hybridx.capture.example import AxisNames, Example, plain_example
from hybridx.capture.graph.float64 import lift_numbers
from hybridx.capture.model.flat import Flat
from hybridx.capture.python.patches import quiet, uncollected
from hybridx.capture.python.refusals import collecting, refuse
from hybridx.capture.qnode.tape import Layer
from hybridx.capture.rehearsal import NOT_RUN
from hybridx.capture.row_trace import CHANGES
from hybridx.capture.torch_export import FixedBatch, Shapes
from hybridx.capture.torch_internals import buffers_of, parameters_of
from hybridx.capture.trace import Trace, trace_model
from hybridx.circuit import BATCH, Circuit
from hybridx.errors import (
    CaptureError,
    ClosedAxisError,
    HybridxError,
    LoweringError,
    NonFiniteWeightsError,
    TraceError,
)


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
        example: the inputs it was traced with.
        unwritten: an operator that takes memory as it is, and its line, if there is one.
        precision: float32 if the eager model rounds the results of a circuit to it.
        notes: what the user should know.
        assumed: sentences on the model's checks of its inputs that the graph leaves out; notes too.
        changes: what leads the model to other sides of its branches on data, if it has any.
    """

    module: fx.GraphModule
    circuits: tuple[Circuit, ...]
    layers: tuple[Layer, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    axes: AxisNames
    shapes: Shapes
    example: Example
    unwritten: tuple[str, str] | None
    precision: str
    notes: tuple[str, ...]
    assumed: tuple[str, ...]
    changes: tuple[Callable[[Any], Any], ...]

    @property
    def is_dynamic(self) -> bool:
        """True if an axis may have any length."""
        return any(self.axes.values())

    @property
    def has_open_batch(self) -> bool:
        """True if the batch may have any length."""
        return any(BATCH in axes.values() for axes in self.axes.values())


@dataclass(frozen=True)
class Refused:
    """What stands in the way of a file.

    Attributes:
        errors: each with its place and its remedy.
        captured: the model traced with stand-ins for what is refused; None if that failed.
    """

    errors: tuple[HybridxError, ...]
    captured: Capture | None


def capture(flat: Flat, example: Example, *, dtype: str) -> Capture:
    """Trace a model in eval mode on example inputs.

    Args:
        flat: any module whose quantum parts are PennyLane QNodes or TorchLayers.
        example: inputs. Where the model itself fixes an open axis, it has the length that the user
            gave, with a note.
        dtype: of the circuits in the file, float32 or float64.

    Raises:
        CaptureError: its subclass says what to change in the model.
    """
    _check_weights(flat.model)
    with quiet(), uncollected():
        example, traced = _traced(flat, example, getattr(torch, dtype))
        lift_numbers(traced.module)
    axes = _kept(example, traced)
    rehearsal = example.rehearsal
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
        example=example,
        unwritten=traced.unwritten,
        precision="float32" if rounds else dtype,
        notes=(
            *example.notes,
            *(flat.remarks if rehearsal is None else rehearsal.remarks),
            *traced.assumed,
            *traced.branches,
            *_shots(traced),
            *([rounding] if rounds and dtype == "float64" else []),
        ),
        assumed=traced.assumed,
        changes=CHANGES if traced.selects else (),
    )


def refusals(flat: Flat, tensors: Mapping[str, Tensor], *, dtype: str) -> Refused:
    """Return everything in a model that stands in the way of a file, and what could be traced.

    Args:
        flat: the model, in the mode and dtype of the export.
        tensors: example inputs by name.
        dtype: of the circuits.
    """
    with collecting() as collector:
        captured = None
        try:
            example = plain_example(flat, tensors, dtype)
            captured = capture(flat, example, dtype=dtype)
        except (CaptureError, LoweringError) as error:
            # What goes wrong after a refusal may come of its stand-in.
            if not collector.errors or not isinstance(error, (TraceError, *NOT_RUN)):
                collector.note(error)
    return Refused(tuple(collector.errors), captured)


def _traced(flat: Flat, example: Example, dtype: torch.dtype) -> tuple[Example, Trace]:
    """Trace a model with the likeliest batch that stays open, or at the lengths of the example.

    Returns:
        the example that was traced, and its trace.
    """
    reason: str | None = None
    for candidate in chain([example], example.others):
        try:
            traced = _trace(flat, candidate, dtype)
        except FixedBatch as error:
            if not candidate.further:
                reason = reason or str(error)
        except CaptureError:
            # The model can be traced as far as is known; only this is not its batch.
            if reason is None and not candidate.further:
                raise
        else:
            if candidate.further and not candidate.further & _names(_kept(candidate, traced)):
                continue  # there are more ways to trace it without them
            return _without_closed(flat, candidate, traced, dtype)
    names = _names(example.axes)
    closed = {BATCH} if BATCH in names else names
    reasons = dict.fromkeys(sorted(closed), reason or _UNKNOWN)
    return _traced(flat, _fixed(flat, example, reasons, dtype), dtype)


def _without_closed(
    flat: Flat, example: Example, traced: Trace, dtype: torch.dtype
) -> tuple[Example, Trace]:
    """Return an example without the axes that a trace has closed, traced at its own lengths."""
    kept, wanted = _names(_kept(example, traced)), _names(example.axes)
    if wanted == kept:
        return example, traced
    fixed = _fixed(flat, example, dict.fromkeys(sorted(wanted - kept), _UNKNOWN), dtype)
    if [t.shape for t in fixed.tensors.values()] == [t.shape for t in example.tensors.values()]:
        return fixed, traced
    return _traced(flat, fixed, dtype)


def _fixed(flat: Flat, example: Example, reasons: Mapping[str, str], dtype: torch.dtype) -> Example:
    """Return an example with some axes fixed.

    Raises:
        ClosedAxisError: the user gave no length of such an axis; it names the line that needs it.
    """
    try:
        return example.fixed(flat, reasons)
    except ClosedAxisError as error:
        where = closing_place(flat, example, error.axis, dtype)
        if where is None:
            raise
        reason = f"its length is used as a number, as in a loop: {where}"
        raise ClosedAxisError(error.axis, reason, error.example) from error


_UNKNOWN = "the model's code does not follow it"


def _trace(flat: Flat, example: Example, dtype: torch.dtype) -> Trace:
    axes = [example.axes.get(name, {}) for name in example.tensors]
    return trace_model(flat, tuple(example.tensors.values()), axes, dtype, example.rehearsal)


def _kept(example: Example, traced: Trace) -> AxisNames:
    """Return the axes of an example that are open in its trace."""
    return {
        name: {axis: example.axes[name][axis] for axis in shape}
        for name, shape in zip(example.tensors, traced.shapes, strict=True)
    }


def _names(axes: AxisNames) -> set[str]:
    return {called for named in axes.values() for called in named.values()}


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
                refuse(NonFiniteWeightsError(name, bad))
