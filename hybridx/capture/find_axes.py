"""Which axes of the example inputs may have any length, found by running the model."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, combinations, islice, product
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from hybridx.capture.example import (
    EXAMPLE_ROWS,
    AxisNames,
    Example,
    OpenAxes,
    plain_example,
    rehearsed_on,
    row_numbers,
)
from hybridx.capture.model.flat import Flat
from hybridx.capture.model.precision import is_whole
from hybridx.capture.rehearsal import rows_agree
from hybridx.circuit import BATCH
from hybridx.errors import CaptureError, LoweringError, OptionError

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
    mean. If no candidate is left, there is no batch.

    An input without a batch may be of any length too, such as the edges of a graph: its first axis
    that the model takes at another length is opened, with a name of its own, together with as few
    axes of other inputs as the model needs. Whether it stays open, the trace shows.

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
    if batch == "dynamic" and rehearses:
        fallback = given if first is None else first
        further = _with_further_axes(flat, given, first)
        if further is not None:
            return replace(further, others=chain([fallback], found))
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


def _runs_with_fewer(flat: Flat, given: Example, called: str, length: int) -> bool:
    """Return whether the model runs at a shorter length of an axis, into which indices point."""
    shorter = given.resized({called: length})
    tries = [shorter]
    if any(map(is_whole, shorter.values())):
        tries.append({n: t % length if is_whole(t) else t for n, t in shorter.items()})
    for tensors in tries:
        try:
            rehearsed_on(flat, tensors)
        except (CaptureError, LoweringError):
            continue
        return True
    return False


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
    length = given.lengths[BATCH]
    is_short = length < EXAMPLE_ROWS
    rows = EXAMPLE_ROWS if is_short else length + 1
    if any(axis for axes in given.axes.values() for axis in axes):
        rows = _apart(rows, _other_lengths(given))
        is_short = True
    for index in _orders(given, length, rows):
        tensors = given.resized({BATCH: rows}, index)
        try:
            rehearsal = rehearsed_on(flat, tensors)
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
        outputs = [rehearsed_on(flat, each).outputs for each in (tensors, turned)]
    except (CaptureError, LoweringError):
        return False
    one, other = outputs
    return all(rows_agree(left, right) for left, right in zip(one, other, strict=True))


def _is_rowwise(before: Tensor, after: Tensor, length: int, index: Tensor) -> bool:
    """Return whether an output has, in each row, what it has for that row of the given inputs.

    Args:
        before: the output for the given inputs.
        after: for other rows, made of these.
        length: number of rows of the given inputs.
        index: which row of the given inputs each of the others is.
    """
    if before.shape == after.shape:
        return rows_agree(before, after)
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
        if rows_agree(expected, after.unflatten(axis, sizes)):
            return True
    return False


def _other_lengths(given: Example) -> set[int]:
    """Return the lengths of the axes that are not open."""
    return {
        n
        for name, tensor in given.tensors.items()
        for axis, n in enumerate(tensor.shape)
        if axis not in given.axes.get(name, {})
    }


def _apart(length: int, others: Collection[int]) -> int:
    """Return the least length, from this one on, that no other axis has.

    torch may take axes of equal length for one axis.
    """
    while length in others:
        length += 1
    return length


def _with_further_axes(flat: Flat, given: Example, found: Example | None) -> Example | None:
    """Return the example with an axis open of each input without a batch that may have one.

    Args:
        flat: the model.
        given: the inputs as the user gave them.
        found: with the batch open; None if there is none.

    Returns:
        None if there is no such axis.
    """
    if len(given.tensors) < 2:
        return None  # what a single input without a batch stands for, the user knows
    start = given if found is None else found
    axes = {name: dict(named) for name, named in start.axes.items() if named}
    further: set[str] = set()
    refused: set[frozenset[tuple[str, tuple[int, ...]]]] = set()
    for name in given.tensors:
        for group in islice(_groups(flat, given.tensors, name, axes), MOST_CANDIDATES):
            if frozenset(group.items()) in refused:
                continue  # it was tried for another input of the group
            called = re.sub(r"\W", "_", name) + "_length"
            changes_shapes = _changes_shapes(flat, given, _named(group, called))
            if changes_shapes is None:
                refused.add(frozenset(group.items()))
                continue
            is_first = all(own == (0,) for own in group.values())
            if found is None and BATCH not in further and changes_shapes and is_first:
                called = BATCH
            for one, named in _named(group, called).items():
                axes.setdefault(one, {}).update(named)
            further.add(called)
            break
    if not further:
        return None
    lengths = replace(start, axes=axes).lengths
    for called in sorted(further):
        others = {length for other, length in lengths.items() if other != called}
        lengths[called] = _apart(max(EXAMPLE_ROWS, lengths[called]), others)
    wider = replace(start, axes=axes, own=replace(given, axes={}), is_found=True)
    tensors = wider.resized(lengths)
    try:
        rehearsal = rehearsed_on(flat, tensors)
    except (CaptureError, LoweringError):
        return None
    return replace(
        wider, tensors=tensors, rows=lengths.get(BATCH), rehearsal=rehearsal,
        further=frozenset(further),
    )  # fmt: skip


_Group: TypeAlias = Mapping[str, tuple[int, ...]]
"""By input, axes that have one length."""


def _named(group: _Group, called: str) -> dict[str, dict[int, str]]:
    return {name: dict.fromkeys(own, called) for name, own in group.items()}


def _groups(
    flat: Flat, tensors: Mapping[str, Tensor], name: str, taken: AxisNames
) -> Iterator[_Group]:
    """Yield axes of an input, alone and then with axes of other inputs; the smallest groups first.

    Args:
        flat: the model.
        tensors: the inputs.
        name: of the input; if it has an open axis, it has no further one.
        taken: the axes that are open.
    """
    free = [one for one in tensors if one not in taken and one not in flat.call.complex_names]
    if name not in free:
        return
    ways = [(one, way) for one in free for way in _ways(tensors[one])]
    ways += [
        (one, (axis,))
        for one, named in taken.items()
        for axis in range(tensors[one].dim())
        if axis not in named and one not in flat.call.complex_names
    ]
    for own in _ways(tensors[name]):
        length = tensors[name].shape[own[0]]
        alike = [
            (one, way) for one, way in ways if one != name and tensors[one].shape[way[0]] == length
        ]
        for size in range(len(tensors)):
            for others in combinations(alike, size):
                group = {name: own} | dict(others)
                if len(group) == size + 1:
                    yield group


def _ways(tensor: Tensor) -> Iterator[tuple[int, ...]]:
    """Yield which axes of an input may have another length together.

    Numbers are in rows; the columns of whole numbers and truths may as well be many, as those of
    the edges of a graph. A square, such as the matrix of a graph, may change both lengths.
    """
    shape = tensor.shape
    for axis in range(1 if tensor.is_floating_point() else len(shape)):
        if shape[axis : axis + 1].numel() > 1:
            yield (axis,)
    if len(shape) > 1 and {*shape} == {shape[0]} and shape[0] > 1:
        yield tuple(range(len(shape)))


def _changes_shapes(flat: Flat, given: Example, axes: AxisNames) -> bool | None:
    """Return whether outputs have other shapes where some axes are longer; None if that is refused.

    A model that reads two rows of three, such as the ends of an edge, does the same as before: then
    it must also run with fewer. One that calls circuits more often loops over the axis.
    """
    assert given.rehearsal is not None
    longer = replace(given, axes=axes)
    ((called, length),) = longer.lengths.items()
    rows = _apart(max(EXAMPLE_ROWS, length + 1), _other_lengths(longer))
    before = given.rehearsal
    try:
        after = rehearsed_on(flat, longer.resized({called: rows}, torch.arange(rows) % length))
        has_other_shapes = before.shapes != after.shapes
        is_same = not has_other_shapes and all(map(torch.equal, before.outputs, after.outputs))
    except (CaptureError, LoweringError):
        return None
    if is_same and not _runs_with_fewer(flat, longer, called, length - 1):
        return None
    if (before.output_names, len(before.dtypes)) != (after.output_names, len(after.dtypes)):
        return None
    if [len(shape) for shape in before.shapes] != [len(shape) for shape in after.shapes]:
        return None
    return has_other_shapes


def _lengthened(flat: Flat, given: Example, batch: Literal["dynamic", "none"] | int) -> Example:
    """Return an example whose axes of any length are long enough to trace."""
    own = given
    found = given.lengths
    lengths = {name: max(EXAMPLE_ROWS, length) for name, length in found.items()}
    if BATCH in lengths:
        others = {length for name, length in lengths.items() if name != BATCH}
        lengths[BATCH] = _apart(lengths[BATCH], others)
        if batch != "dynamic":
            lengths[BATCH] = found[BATCH] if batch == "none" else batch
    tensors = given.resized(lengths)
    rehearsal = given.rehearsal
    if rehearsal is not None and lengths != found:
        rehearsal = rehearsed_on(flat, tensors)
    lengthened = replace(
        given, tensors=tensors, rows=lengths.get(BATCH), rehearsal=rehearsal, own=own
    )
    return lengthened if batch == "dynamic" else lengthened.without_batch()


def _orders(given: Example, length: int, rows: int) -> Iterator[Tensor]:
    """Yield which rows are taken, and the same in order, where a model may insist on it.

    Packed sequences, for example, come with lengths that do not rise.
    """
    index = row_numbers(length, rows)
    yield index
    batched = [t for name, t in given.tensors.items() if BATCH in given.axes.get(name, {}).values()]
    if any(t.dim() == 1 and not t.is_floating_point() and _falls(t) for t in batched):
        yield index.sort().values


def _falls(tensor: Tensor) -> bool:
    return tensor.dtype is not torch.bool and bool((tensor.diff() <= 0).all())
