"""Run the eager model once on the example, to learn what a trace does not show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hybridx.capture.model.eager import eagerly
from hybridx.capture.model.earlier_calls import refuse_earlier_calls
from hybridx.capture.model.flat import Flat
from hybridx.capture.model.randomness import draws_noted, refuse_draws
from hybridx.capture.python.refusals import refuse
from hybridx.capture.python.removed_in_pennylane import removed_idiom
from hybridx.capture.python.source_location import place_of
from hybridx.capture.python.user_names import names_replaced
from hybridx.capture.qnode.dependence import CallOrder
from hybridx.capture.qnode.recording import rehearsed
from hybridx.errors import (
    CaptureError,
    ExampleRejectedError,
    ForwardRaisesError,
    LoweringError,
    first_line,
)


@dataclass(frozen=True)
class Rehearsal:
    """What the eager model did with the example.

    Attributes:
        dtypes: what each QNode call returned, in order.
        repeats: a QNode was called more than once.
        joins: two calls of a QNode do not depend on each other.
        readers: the globals of the functions that read numbers of tensors, such as `int(x.max())`.
        outputs: the tensors among what the model returned.
        output_names: their names.
        remarks: sentences on the values it returned that are not tensors.
    """

    dtypes: tuple[torch.dtype | None, ...]
    repeats: bool
    joins: bool
    readers: tuple[dict[str, Any], ...]
    outputs: tuple[Tensor, ...]
    output_names: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def shapes(self) -> list[torch.Size]:
        """The shapes of the outputs."""
        return [output.shape for output in self.outputs]


# How torch and NumPy say that the shapes of arrays do not fit.
_SHAPE = re.compile(
    r"\bshapes?\b|\bsizes?\b|\bdim(ension)?s?\b|broadcast|\bmat[12]\b|channels|out of range"
    r"|out of bounds|input_size|features|unpack|expected .* (elements|inputs?)|must match"
    r"|\bwires\b",
    re.IGNORECASE,
)

# And that something else does not, although they name sizes too.
_DTYPE = re.compile(r"\bdtype\b|scalar type", re.IGNORECASE)

_OF_SHAPES = (RuntimeError, ValueError, IndexError)

NOT_RUN = (ExampleRejectedError, ForwardRaisesError)
"""The errors of a model that does not run on its example."""


def rehearse(flat: Flat, args: Sequence[Tensor]) -> Rehearsal:
    """Run the eager model once.

    Raises:
        RemovedIdiomError: it uses what PennyLane has removed.
        ExampleRejectedError: it raises as the shapes of the inputs do not fit.
        ForwardRaisesError: it raises any other error.
    """
    is_new = flat.is_raised is None
    is_first = not flat.differentiates
    try:
        with eagerly(), names_replaced(flat.model):
            with (
                draws_noted() as draws,
                CallOrder() as order,
                rehearsed(flat.model, order) as (dtypes, layers),
            ):
                outputs = flat(*args)
            if (is_new and flat.is_raised) or (is_first and flat.differentiates):
                return rehearse(flat, args)  # the calls were noted twice
            try:
                if draws:
                    refuse_draws(flat.model, lambda: flat(*args))
                refuse_earlier_calls(flat, args)
            except CaptureError as error:
                refuse(error)
    except (CaptureError, LoweringError):
        raise
    except Exception as error:
        # The model is the user's own code and may raise anything.
        if removed := removed_idiom(error):
            raise removed from error
        shapes = ", ".join(str(tuple(arg.shape)) for arg in args)
        reason = f"{type(error).__name__}: {first_line(error)}"
        is_shape = (
            isinstance(error, _OF_SHAPES)
            and _SHAPE.search(str(error))
            and not _DTYPE.search(str(error))
        )
        kind = ExampleRejectedError if is_shape else ForwardRaisesError
        raise kind(shapes, reason, place_of(flat.model, error)) from error
    repeats = len(set(layers)) < len(layers)
    joins = order.has_independent
    return Rehearsal(
        *(tuple(dtypes), repeats, joins, tuple(order.readers.values())),
        *(outputs, flat.output_names, flat.remarks),
    )


def rows_agree(left: Tensor, right: Tensor) -> bool:
    """Return whether rows of two runs of a model are the same, in shape, dtype and numbers."""
    # The sides of a branch may give other shapes and dtypes.
    if (left.shape, left.dtype) != (right.shape, right.dtype):
        return False
    # PennyLane sums other batches in another order; rows that depend on others differ by far more.
    return torch.allclose(left, right, rtol=1e-3, atol=1e-4, equal_nan=True)
