"""The example inputs of a trace, and which of their axes may have any length."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from hybridx.capture.model.devices import check_numbers
from hybridx.capture.model.flat import Flat
from hybridx.capture.model.precision import is_low
from hybridx.capture.rehearsal import Rehearsal, rehearse
from hybridx.circuit import BATCH
from hybridx.errors import CaptureError, ClosedAxisError, LoweringError, OptionError

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

    @property
    def batches(self) -> tuple[int, ...]:
        """The batch size, if there is a batch."""
        return () if self.rows is None else (self.rows,)

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
        own = self.own or self
        lengths = _lengths(replace(own, axes=self.axes))
        hint = "; if another axis is the batch, name it with dynamic=" if self.is_found else ""
        if BATCH in self.invented & reasons.keys():
            hint = "; --batch gives another number of rows"
        notes = tuple(
            f"the {called} is fixed at {lengths[called]}: {reason}{hint}"
            for called, reason in reasons.items()
        )
        kept = {name: length for name, length in _lengths(self).items() if name not in reasons}
        tensors = _resized(replace(own, axes=self.axes), kept)
        rehearsal = self.rehearsal
        if rehearsal is not None and _shapes(tensors) != _shapes(self.tensors):
            is_own = _shapes(tensors) == _shapes(own.tensors)
            rehearsal = own.rehearsal if is_own else _rehearsed(flat, tensors)
        rows = lengths[BATCH] if BATCH in reasons else self.rows
        return replace(
            self, tensors=tensors, axes=axes, rows=rows, rehearsal=rehearsal,
            notes=self.notes + notes, others=iter(()),
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

    Unless the axes are named, candidates are tried in order: the first axis of every input that has
    one length, then any axis of any inputs. The model is run on the inputs as they are, and then
    with these axes at another length and with their rows in another order. If it runs and the shape
    of an output changes, they may be the batch; if moreover each row of the outputs depends on its
    own row of the inputs alone, they are. Time steps, over which a recurrent layer runs, are not.
    Where no shape changes, first axes are the batch whose rows may change places, as those of a
    mean. If no candidate is left, all shapes are fixed.

    Args:
        flat: the model.
        tensors: what the user gave, by input.
        dtype: float64 widens floating-point inputs.
        open_axes: which axes may have any length; by default only the batch may.
        rehearses: run the eager model; if false, the first candidate is taken for the batch.

    Raises:
        NoNumbersError: a weight or an input has no numbers.
        ExampleRejectedError: the model does not run on the inputs.
        OptionError: an input does not have an axis that is named.
    """
    given = plain_example(flat, tensors, dtype, rehearses=rehearses)
    given = replace(given, invented=open_axes.invented)
    plain = given.tensors
    batch = open_axes.batch
    if open_axes.named is not None:
        axes = _checked(open_axes.named, plain, flat)
        return _lengthened(flat, replace(given, axes=axes), batch)
    if batch == "none":
        return given
    found = _batches(flat, given) if rehearses else iter(())
    first = next(found, None)
    if batch == "dynamic" and first is not None:
        return replace(first, others=found)
    if batch != "dynamic" or not rehearses:
        axes = next(_first_axes(plain), {}) if first is None else first.axes
        return _lengthened(flat, replace(given, axes=axes, is_found=True), batch)
    names = ", ".join(repr(name) for axes in _first_axes(plain) for name in axes)
    reason = f"the outputs follow no axis of {names}" if names else "they have no axis"
    note = (
        f"the shapes of the inputs are fixed: {reason}; if one is the batch, name it with dynamic="
    )
    return replace(given, notes=(note,))


def plain_example(
    flat: Flat, tensors: Mapping[str, Tensor], dtype: str, *, rehearses: bool = True
) -> Example:
    """Return inputs as the user gave them, with no axis of any length; see `prepare_example`."""
    check_numbers(flat.model, tensors)
    plain = {name: _plain(tensor, dtype) for name, tensor in tensors.items()}
    return Example(plain, {}, None, _rehearsed(flat, plain) if rehearses else None)


def _plain(tensor: Tensor, dtype: str) -> Tensor:
    """Return a tensor on the CPU, in the dtype of the file."""
    plain = tensor.detach().cpu()
    if is_low(plain) or (dtype == "float64" and plain.is_floating_point()):
        plain = plain.to(getattr(torch, dtype))
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


def _batches(flat: Flat, given: Example) -> Iterator[Example]:
    """Yield the example once for each way in which it may have a batch, the likeliest way first.

    The first axes of some inputs are taken although rows depend on each other, if there is no other
    axis of these inputs on which they do not. If no axis changes the shape of an output, those are
    taken over whose rows the outputs are sums, means or the like.
    """
    usual = list(_first_axes(given.tensors))
    mixed: Example | None = None
    found: AxisNames | None = None
    pooled: list[_Probe] = []
    for axes in islice(_candidates(given.tensors, usual), MOST_CANDIDATES):
        if found is not None and not _may_replace(axes, found):
            continue
        probe = _probed(flat, replace(given, axes=axes))
        if probe is None:
            continue
        if probe.is_pooled:
            pooled += [probe] if axes in usual else []
            continue
        example = probe.example
        if probe.is_rowwise:
            mixed, found = None, found or axes
            yield example
        elif axes in usual and found is None:
            mixed, found = example, axes
    if mixed is not None:
        yield mixed
    elif found is None:
        yield from (probe.example for probe in pooled if _has_no_order(flat, probe.longer))


def _may_replace(axes: AxisNames, found: AxisNames) -> bool:
    """Return whether a candidate reads the inputs of another one otherwise, or leaves some out."""
    is_part = all(found.get(name) == named for name, named in axes.items())
    return is_part or axes.keys() >= found.keys()


MOST_CANDIDATES = 24
"""How many ways to have a batch are tried: each that the model does not refuse is one run of it."""


def _candidates(tensors: Mapping[str, Tensor], usual: Collection[AxisNames]) -> Iterator[AxisNames]:
    """Yield candidates for the batch, the usual ones first: each is one axis of some inputs."""
    yield from usual
    for length in dict.fromkeys(n for tensor in tensors.values() for n in tensor.shape if n):
        choices = [
            [None, *(axis for axis, n in enumerate(tensor.shape) if n == length)]
            for tensor in tensors.values()
        ]
        ways = [
            {name: axis for name, axis in zip(tensors, way, strict=True) if axis is not None}
            for way in islice(product(*choices), MOST_CANDIDATES**2)
        ]
        for way in sorted(ways, key=lambda way: _rank(tensors, way)):
            axes = {name: {axis: BATCH} for name, axis in way.items()}
            if axes and axes not in usual:
                yield axes


def _rank(tensors: Mapping[str, Tensor], way: Mapping[str, int]) -> tuple[int, ...]:
    """Return what sorts candidates: axes of more inputs first, front axes, and first inputs."""
    places = [place for place, name in enumerate(tensors) if name in way]
    return (-len(way), *way.values(), *places)


def _first_axes(tensors: Mapping[str, Tensor]) -> Iterator[AxisNames]:
    """Yield, for each length of a first axis in order, the inputs that have it."""
    for length in dict.fromkeys(len(tensor) for tensor in tensors.values() if tensor.dim()):
        if length:
            yield {n: {0: BATCH} for n, t in tensors.items() if t.dim() and len(t) == length}


@dataclass(frozen=True)
class _Probe:
    """What a run with a longer candidate for the batch has shown.

    Attributes:
        example: the one to trace.
        longer: the one that was run.
        is_rowwise: each row of the outputs follows its own row of the inputs.
        is_pooled: no output has other lengths than before.
    """

    example: Example
    longer: Example
    is_rowwise: bool
    is_pooled: bool


def _probed(flat: Flat, given: Example) -> _Probe | None:
    """Return what the model does where its candidate for the batch is longer.

    The result is None if it refuses that, or returns other outputs then.
    """
    length = _lengths(given)[BATCH]
    is_short = length < EXAMPLE_ROWS
    rows = EXAMPLE_ROWS if is_short else length + 1
    if any(axis for axes in given.axes.values() for axis in axes):
        while rows in _other_lengths(given):
            rows += 1  # torch may take axes of equal length for one axis
        is_short = True
    for index in _orders(given, length, rows):
        tensors = _resized(given, {BATCH: rows}, index)
        try:
            rehearsal = _rehearsed(flat, tensors)
            break
        except (CaptureError, LoweringError):
            continue
    else:
        return None
    assert given.rehearsal is not None
    before, after = given.rehearsal, rehearsal
    if before.output_names != after.output_names:
        return None
    found = replace(given, rows=length, own=replace(given, axes={}), is_found=True)
    longer = replace(found, tensors=tensors, rows=rows, rehearsal=rehearsal)
    pairs = zip(before.outputs, after.outputs, strict=True)
    return _Probe(
        example=longer if is_short else found,
        longer=longer,
        is_rowwise=all(_is_rowwise(*pair, length, index) for pair in pairs),
        is_pooled=before.shapes == after.shapes,
    )


def _has_no_order(flat: Flat, example: Example) -> bool:
    """Return whether the outputs stay as they are where the rows of the batch change places.

    Equal rows show nothing: those of floating-point inputs are scaled apart.
    """
    tensors: dict[str, Tensor] = {}
    turned: dict[str, Tensor] = {}
    for name, tensor in example.tensors.items():
        axis = next((axis for axis in example.axes.get(name, {})), None)
        if axis is not None and tensor.is_floating_point():
            scale = torch.linspace(0.5, 1, tensor.shape[axis], dtype=tensor.dtype)
            tensor = tensor * scale.reshape(-1, *[1] * (tensor.dim() - 1 - axis))
        tensors[name] = tensor
        turned[name] = tensor if axis is None else tensor.roll(1, axis)
    if all(torch.equal(tensors[name], turned[name]) for name in tensors):
        return False
    try:
        outputs = [_rehearsed(flat, each).outputs for each in (tensors, turned)]
    except (CaptureError, LoweringError):
        return False
    one, other = outputs
    return all(
        left.shape == right.shape and _agree(left, right)
        for left, right in zip(one, other, strict=True)
    )


def _is_rowwise(before: Tensor, after: Tensor, length: int, index: Tensor) -> bool:
    """Return whether an output has, in each row, what it has for that row of the given inputs.

    Args:
        before: the output for the given inputs.
        after: for other rows, made of these.
        length: number of rows of the given inputs.
        index: which row of the given inputs each of the others is.
    """
    if before.shape == after.shape:
        return _agree(before, after)
    if before.dim() != after.dim():
        return False
    rows = len(index)
    changed = [axis for axis, n in enumerate(before.shape) if n != after.shape[axis]]
    if len(changed) != 1:
        return False
    (axis,) = changed
    # The batch may be joined with an axis before or behind it.
    inner = before.shape[axis] // length
    if (before.shape[axis], after.shape[axis]) != (inner * length, inner * rows):
        return False
    for place, sizes in ((axis, (-1, inner)), (axis + 1, (inner, -1))):
        expected = before.unflatten(axis, sizes).index_select(place, index)
        if _agree(expected, after.unflatten(axis, sizes)):
            return True
    return False


def _agree(left: Tensor, right: Tensor) -> bool:
    # PennyLane sums other batches in another order; rows that depend on others differ by far more.
    if left.dtype != right.dtype:
        return False
    return torch.allclose(left, right, rtol=1e-3, atol=1e-4, equal_nan=True)


def _other_lengths(given: Example) -> set[int]:
    """Return the lengths of the axes that are not open."""
    return {
        n
        for name, tensor in given.tensors.items()
        for axis, n in enumerate(tensor.shape)
        if axis not in given.axes.get(name, {})
    }


def _lengthened(flat: Flat, given: Example, batch: Literal["dynamic", "none"] | int) -> Example:
    """Return an example whose axes of any length are long enough to trace."""
    own = given
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
    lengthened = replace(
        given, tensors=tensors, rows=lengths.get(BATCH), rehearsal=rehearsal, own=own
    )
    return lengthened if batch == "dynamic" else lengthened.without_batch()


def _lengths(given: Example) -> dict[str, int]:
    """Return the length of each named axis."""
    lengths: dict[str, int] = {}
    for name, axes in given.axes.items():
        for axis, called in axes.items():
            lengths[called] = max(lengths.get(called, 0), given.tensors[name].shape[axis])
    return lengths


def _resized(
    given: Example, lengths: Mapping[str, int], rows: Tensor | None = None
) -> dict[str, Tensor]:
    """Return the tensors at other lengths, with their elements repeated in front, or cut off.

    Args:
        given: the tensors, with their axes.
        lengths: by the name of an axis; others stay as they are.
        rows: which rows make the batch, if not those.
    """
    resized = dict(given.tensors)
    for name, axes in given.axes.items():
        for axis, called in axes.items():
            length = resized[name].shape[axis]
            if called in lengths and lengths[called] != length and length:
                index = rows if rows is not None else _row_numbers(length, lengths[called])
                resized[name] = resized[name].index_select(axis, index)
    return resized


def _row_numbers(length: int, rows: int) -> Tensor:
    """Return which rows of the given inputs are taken; the last ones are those in their order."""
    return (torch.arange(rows) - max(rows - length, 0)) % length


def _orders(given: Example, length: int, rows: int) -> Iterator[Tensor]:
    """Yield which rows are taken, and the same in order, where a model may insist on it.

    Packed sequences, for example, come with lengths that do not rise.
    """
    index = _row_numbers(length, rows)
    yield index
    batched = [t for name, t in given.tensors.items() if BATCH in given.axes.get(name, {}).values()]
    if any(t.dim() == 1 and not t.is_floating_point() and _falls(t) for t in batched):
        yield index.sort().values


def _falls(tensor: Tensor) -> bool:
    return tensor.dtype is not torch.bool and bool((tensor.diff() <= 0).all())


def _shapes(tensors: Mapping[str, Tensor]) -> list[torch.Size]:
    return [tensor.shape for tensor in tensors.values()]


def _rehearsed(flat: Flat, tensors: Mapping[str, Tensor]) -> Rehearsal:
    return rehearse(flat, list(tensors.values()))
