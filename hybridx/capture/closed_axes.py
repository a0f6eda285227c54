"""Find the line of the model that needs the length of an open axis as a number."""

from __future__ import annotations

import traceback
from types import FrameType

import torch

from hybridx.capture.example import Example
from hybridx.capture.model.flat import Flat
from hybridx.capture.python.patches import LENGTHS, intercepting, switched
from hybridx.capture.python.source_location import is_users, place
from hybridx.capture.torch_export import FixedBatch
from hybridx.capture.trace import trace_model
from hybridx.errors import CaptureError, LoweringError


def closing_place(flat: Flat, example: Example, axis: str, dtype: torch.dtype) -> str | None:
    """Return the first line that gives an open axis one length, or None if none is known.

    The model is traced once more, for this alone.

    Args:
        flat: the model.
        example: with the axis open; its length is not that of another open axis.
        axis: its name.
        dtype: of the circuits.
    """
    named = [example.axes.get(name, {}) for name in example.tensors]
    length = next(
        tensor.shape[place]
        for tensor, axes in zip(example.tensors.values(), named, strict=True)
        for place, called in axes.items()
        if called == axis
    )
    places: list[str] = []

    def note(found: int, frame: FrameType) -> None:
        if found != length or places:
            return
        for caller, line in traceback.walk_stack(frame):
            if is_users(caller.f_code.co_filename):
                places.append(place(flat.model, (caller, line)))
                return

    with switched(LENGTHS), intercepting(note_length=note):
        try:
            tensors = tuple(example.tensors.values())
            trace_model(flat, tensors, named, dtype, example.rehearsal)
        except (FixedBatch, CaptureError, LoweringError):
            pass  # it was traced before, and is not followed further
    return places[0] if places else None
