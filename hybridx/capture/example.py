"""The example inputs of a trace, and which of their axes may have any length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from hybridx.capture.model.flat import Flat
from hybridx.capture.rehearsal import Rehearsal, rehearse
from hybridx.errors import ExampleRejectedError, OptionError
from hybridx.program import BATCH

EXAMPLE_ROWS = 3
"""The shortest length that is traced: torch.export treats a length of 1 as a constant."""

AxisNames: TypeAlias = Mapping[str, Mapping[int, str]]
"""By input, the name of each axis of any length; the batch is called `batch`."""


@dataclass(frozen=True)
class OpenAxes:
    """Which axes of the inputs may have any length.

    Attributes:
        named: by input, the name of each open axis; None to find the batch by running the model.
        batch: `dynamic` for a batch of any length, a number of rows that it is fixed at, or `none`
            for the length that it has in the example.
    """

    named: AxisNames | None = None
    batch: Literal["dynamic", "none"] | int = "dynamic"


@dataclass(frozen=True)
class Example:
    """What a model is traced on.

    Attributes:
        tensors: by input, in the order of the signature.
        axes: by input, the axes that may have any length.
        rows: length of the batch, or None if there is none.
        rehearsal: what the eager model did with the tensors; None if it was not run.
        notes: what the user should know.
    """

    tensors: Mapping[str, Tensor]
    axes: AxisNames
    rows: int | None
    rehearsal: Rehearsal | None
    notes: tuple[str, ...] = ()

    @property
    def batches(self) -> tuple[int, ...]:
        """The batch size, if there is a batch."""
        return () if self.rows is None else (self.rows,)

    def fixed(self, reasons: Mapping[str, str]) -> Example:
        """Return the example with some axes fixed at their lengths, for these reasons by name."""
        lengths = _lengths(self)
        return replace(
            self,
            axes={
                name: {axis: called for axis, called in axes.items() if called not in reasons}
                for name, axes in self.axes.items()
            },
            notes=self.notes
            + tuple(
                f"the {called} is fixed at {lengths[called]}: {reason}"
                for called, reason in reasons.items()
            ),
        )


_FIND_THE_BATCH = OpenAxes()


def prepare_example(
    flat: Flat,
    tensors: Mapping[str, Tensor],
    *,
    dtype: str,
    open_axes: OpenAxes = _FIND_THE_BATCH,
    rehearses: bool = True,
) -> Example:
    """Find out which axes are the batch, and return inputs that are long enough to trace.

    Unless the axes are named, the first axis of each input is tried as the batch, together with
    the first axis of every input of the same length. The model is run on the inputs as they are,
    and then with these axes at another length. If it runs and the shape of an output changes, they
    are the batch. Otherwise the next length is tried; if there is none, all shapes are fixed.

    Args:
        flat: the model.
        tensors: what the user gave, by input.
        dtype: float64 widens floating-point inputs.
        open_axes: which axes may have any length; by default only the batch may.
        rehearses: run the eager model; if false, the first candidate is taken for the batch.

    Raises:
        ExampleRejectedError: the model does not run on the inputs.
        OptionError: an input does not have an axis that is named.
    """
    plain = {name: _plain(tensor, dtype) for name, tensor in tensors.items()}
    given = Example(plain, {}, None, _rehearsed(flat, plain) if rehearses else None)
    batch = open_axes.batch
    if open_axes.named is not None:
        axes = _checked(open_axes.named, plain, flat)
        return _lengthened(flat, replace(given, axes=axes), batch)
    if batch == "none":
        return given
    candidates = list(_candidates(plain))
    if batch != "dynamic" or not rehearses:
        axes = candidates[0] if candidates else {}
        return _lengthened(flat, replace(given, axes=axes), batch)
    for axes in candidates:
        probed = _probed(flat, replace(given, axes=axes))
        if probed is not None:
            return probed
    names = ", ".join(repr(name) for axes in candidates for name in axes)
    reason = (
        f"the outputs do not follow the first axis of {names}" if names else "they have no axis"
    )
    return replace(given, notes=(f"the shapes of the inputs are fixed: {reason}",))


def _plain(tensor: Tensor, dtype: str) -> Tensor:
    """Return a tensor on the CPU, in the dtype of the file."""
    plain = tensor.detach().cpu()
    if dtype == "float64" and plain.is_floating_point():
        plain = plain.double()
    return plain.contiguous()


def _checked(dynamic: AxisNames, tensors: Mapping[str, Tensor], flat: Flat) -> AxisNames:
    """Return the axes counted from the front; refuse an axis that its argument does not have."""
    # The last axis of a complex argument's input is not one of the argument's own.
    pairs = flat.call.complex_names
    ranks = {name: tensor.dim() - (name in pairs) for name, tensor in tensors.items()}
    checked: dict[str, dict[int, str]] = {}
    for input_name, axes in dynamic.items():
        if input_name not in tensors:
            raise OptionError("an input in dynamic", input_name, ", ".join(tensors) or "none")
        rank = ranks[input_name]
        for axis, name in axes.items():
            if not -rank <= axis < rank:
                choices = ", ".join(map(str, range(rank))) or "none"
                raise OptionError(f"an axis of {input_name!r} in dynamic", str(axis), choices)
            if not name.isidentifier():
                raise OptionError("the name of an axis", name, "batch, length, or any other word")
            checked.setdefault(input_name, {})[axis % rank] = name
    return checked


def _candidates(tensors: Mapping[str, Tensor]) -> Iterator[AxisNames]:
    """Yield candidates for the batch: for each first length in order, the inputs that have it."""
    for length in dict.fromkeys(len(tensor) for tensor in tensors.values() if tensor.dim()):
        if length:
            yield {n: {0: BATCH} for n, t in tensors.items() if t.dim() and len(t) == length}


def _probed(flat: Flat, given: Example) -> Example | None:
    """Return the example to trace if the outputs' shapes change with the batch, else None."""
    length = _lengths(given)[BATCH]
    is_short = length < EXAMPLE_ROWS
    probe = _resized(given, {BATCH: EXAMPLE_ROWS if is_short else length + 1})
    try:
        rehearsal = _rehearsed(flat, probe)
    except ExampleRejectedError:
        return None
    assert given.rehearsal is not None
    before, after = given.rehearsal, rehearsal
    if before.output_names != after.output_names or before.shapes == after.shapes:
        return None
    if is_short:
        return replace(given, tensors=probe, rows=EXAMPLE_ROWS, rehearsal=rehearsal)
    return replace(given, rows=length)


def _lengthened(flat: Flat, given: Example, batch: Literal["dynamic", "none"] | int) -> Example:
    """Return an example whose axes of any length are long enough to trace."""
    found = _lengths(given)
    lengths = {name: max(EXAMPLE_ROWS, length) for name, length in found.items()}
    if BATCH in lengths:
        others = {length for name, length in lengths.items() if name != BATCH}
        while lengths[BATCH] in others:
            lengths[BATCH] += 1  # torch takes axes of equal length for one axis
        if batch != "dynamic":
            lengths[BATCH] = found[BATCH] if batch == "none" else batch
    tensors = _resized(given, lengths)
    rehearsal = given.rehearsal
    if rehearsal is not None and lengths != found:
        rehearsal = _rehearsed(flat, tensors)
    axes = given.axes
    if batch != "dynamic":
        axes = {
            name: {axis: called for axis, called in open_.items() if called != BATCH}
            for name, open_ in axes.items()
        }
    return replace(given, tensors=tensors, axes=axes, rows=lengths.get(BATCH), rehearsal=rehearsal)


def _lengths(given: Example) -> dict[str, int]:
    """Return the length of each named axis."""
    lengths: dict[str, int] = {}
    for name, axes in given.axes.items():
        for axis, called in axes.items():
            lengths[called] = max(lengths.get(called, 0), given.tensors[name].shape[axis])
    return lengths


def _resized(given: Example, lengths: Mapping[str, int]) -> dict[str, Tensor]:
    """Return the tensors at other lengths, with their elements repeated or cut off."""
    resized = dict(given.tensors)
    for name, axes in given.axes.items():
        for axis, called in axes.items():
            length = resized[name].shape[axis]
            if called in lengths and lengths[called] != length and length:
                index = torch.arange(lengths[called]) % length
                resized[name] = resized[name].index_select(axis, index)
    return resized


def _rehearsed(flat: Flat, tensors: Mapping[str, Tensor]) -> Rehearsal:
    return rehearse(flat, list(tensors.values()))
