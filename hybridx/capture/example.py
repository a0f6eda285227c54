"""The example inputs of a trace, with the names of their axes of any length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from hybridx.bounds import EXAMPLE_BYTES, refuse_above
from hybridx.capture.model.devices import check_numbers
from hybridx.capture.model.flat import Flat
from hybridx.capture.model.precision import is_low
from hybridx.capture.rehearsal import Rehearsal, rehearse
from hybridx.circuit import BATCH
from hybridx.errors import ClosedAxisError

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
        invented: names of axes whose length in the example the user did not give: where such an
            axis cannot stay open, it is refused; the batch is fixed, with a note.
    """

    named: AxisNames | None = None
    batch: Literal["dynamic", "none"] | int = "dynamic"
    invented: frozenset[str] = frozenset()

    def renamed(self, names: Mapping[str, str]) -> OpenAxes:
        """Return the same with new names of inputs; a new name of an input is one already."""
        if self.named is None:
            return self
        named = {
            name if name in names.values() else names.get(name, name): axes
            for name, axes in self.named.items()
        }
        return replace(self, named=named)


@dataclass(frozen=True)
class Example:
    """What a model is traced on.

    Attributes:
        tensors: by input, in the order of the signature.
        axes: by input, the axes that may have any length.
        rows: length of the batch, or None if there is none.
        rehearsal: what the eager model did with the tensors; None if it was not run.
        notes: what the user should know.
        own: the tensors as the user gave them, and what the eager model did with these; None for
            an example that is that itself.
        others: examples for other axes that may be the batch, in case these cannot stay open.
        is_found: the axes were found by running the model, not named by the user.
        invented: as in `OpenAxes`.
        further: names of axes beside the batch that were found too; where such an axis cannot stay
            open, nothing is said of it.
    """

    tensors: Mapping[str, Tensor]
    axes: AxisNames
    rows: int | None
    rehearsal: Rehearsal | None
    notes: tuple[str, ...] = ()
    own: Example | None = None
    others: Iterator[Example] = field(default=iter(()), compare=False)
    is_found: bool = False
    invented: frozenset[str] = frozenset()
    further: frozenset[str] = frozenset()

    @property
    def batches(self) -> tuple[int, ...]:
        """The batch size, if there is a batch."""
        return () if self.rows is None else (self.rows,)

    @property
    def lengths(self) -> dict[str, int]:
        """The length of each open axis, by its name."""
        lengths: dict[str, int] = {}
        for name, axes in self.axes.items():
            for axis, called in axes.items():
                lengths[called] = max(lengths.get(called, 0), self.tensors[name].shape[axis])
        return lengths

    def resized(self, lengths: Mapping[str, int], rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return the tensors at other lengths, with their elements repeated in front, or cut off.

        Args:
            lengths: by the name of an axis; others stay as they are.
            rows: which elements make the axes, if not those.
        """
        tensors = dict(self.tensors)
        for name, axes in self.axes.items():
            for axis, called in axes.items():
                length = tensors[name].shape[axis]
                if called in lengths and lengths[called] != length and length:
                    of_one = tensors[name].nbytes // length
                    what = f"the example with a {called} of {lengths[called]}"
                    refuse_above(EXAMPLE_BYTES, of_one * lengths[called], what)
                    index = rows if rows is not None else row_numbers(length, lengths[called])
                    tensors[name] = tensors[name].index_select(axis, index)
        return tensors

    def fixed(self, flat: Flat, reasons: Mapping[str, str]) -> Example:
        """Return the example with some axes fixed, for these reasons by name.

        They are as long as in what the user gave.

        Raises:
            ClosedAxisError: the user gave no length of such an axis.
        """
        for called in sorted((self.invented - {BATCH}) & reasons.keys()):
            raise ClosedAxisError(called, reasons[called], self._with_length(called))
        axes = {
            name: {axis: called for axis, called in axes.items() if called not in reasons}
            for name, axes in self.axes.items()
        }
        own = replace(self.own or self, axes=self.axes)
        lengths = own.lengths
        hint = "; if another axis is the batch, name it with dynamic=" if self.is_found else ""
        if BATCH in self.invented & reasons.keys():
            hint = "; --batch gives another number of rows"
        notes = tuple(
            f"the {called} is fixed at {lengths[called]}: {reason}{hint}"
            for called, reason in reasons.items()
            if called not in self.further
        )
        kept = {name: length for name, length in self.lengths.items() if name not in reasons}
        tensors = own.resized(kept)
        rehearsal = self.rehearsal
        if rehearsal is not None and _shapes(tensors) != _shapes(self.tensors):
            is_own = _shapes(tensors) == _shapes(own.tensors)
            rehearsal = own.rehearsal if is_own else rehearsed_on(flat, tensors)
        rows = lengths[BATCH] if BATCH in reasons else self.rows
        return replace(
            self, tensors=tensors, axes=axes, rows=rows, rehearsal=rehearsal,
            notes=self.notes + notes, others=iter(()), further=self.further - reasons.keys(),
        )  # fmt: skip

    def _with_length(self, called: str) -> str:
        """Return the shape of an input that has an axis, as the command line takes it."""
        name, axes = next((n, axes) for n, axes in self.axes.items() if called in axes.values())
        written = [
            f"{called}=12" if axes.get(axis) == called else axes.get(axis, str(length))
            for axis, length in enumerate(self.tensors[name].shape)
        ]
        return f"{name}={','.join(written)}".replace(BATCH, "N")

    def without_batch(self) -> Example:
        """Return the example with its batch closed at its present length."""
        axes = {
            name: {axis: called for axis, called in open_.items() if called != BATCH}
            for name, open_ in self.axes.items()
        }
        return replace(self, axes=axes)


def plain_example(
    flat: Flat, tensors: Mapping[str, Tensor], dtype: str, *, rehearses: bool = True
) -> Example:
    """Return inputs as the user gave them, with no axis of any length; see `find_axes.py`."""
    check_numbers(flat.model, tensors)
    plain = {name: _plain(tensor, dtype) for name, tensor in tensors.items()}
    return Example(plain, {}, None, rehearsed_on(flat, plain) if rehearses else None)


def _plain(tensor: Tensor, dtype: str) -> Tensor:
    """Return a tensor on the CPU, in the dtype of the file."""
    plain = tensor.detach().cpu()
    if is_low(plain) or (dtype == "float64" and plain.is_floating_point()):
        plain = plain.to(getattr(torch, dtype))
    return plain.contiguous()


def row_numbers(length: int, rows: int) -> Tensor:
    """Return which rows of the given inputs are taken; the last ones are those in their order."""
    refuse_above(EXAMPLE_BYTES, rows, f"the example with {rows} rows")
    return (torch.arange(rows) - max(rows - length, 0)) % length


def _shapes(tensors: Mapping[str, Tensor]) -> list[torch.Size]:
    return [tensor.shape for tensor in tensors.values()]


def rehearsed_on(flat: Flat, tensors: Mapping[str, Tensor]) -> Rehearsal:
    """Run the eager model once on inputs by name; see `rehearse`."""
    return rehearse(flat, list(tensors.values()))
