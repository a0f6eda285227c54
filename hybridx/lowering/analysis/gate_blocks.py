"""Which matrices are applied together, in one matrix product on a state in memory.

The state has an axis of length 2 for each wire and one for real and imaginary parts, in some order.
A *window* is a run of neighbouring axes. All matrices on its wires are multiplied to one matrix,
and applying it is one matrix product on a reshape of the state. A window of complex matrices has
the axis of real and imaginary parts among its own; one of real matrices need not.

What costs nothing: wires to the left of a window may be controls, as the product is then batched
over them, with a matrix for each value of the controls; the axes of a window come out in any order,
as the rows of its matrix are; and those of the last window may come out further left, as the
product of transposed matrices. Axes that change places as two runs cost little, and so do
permutations of basis states that leave the last axes alone.

The windows are found by a beam search for the least predicted time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from math import prod
from typing import NamedTuple, TypeAlias

from hybridx.lowering.analysis.phase_polynomial import Mask, mask_of
from hybridx.lowering.analysis.real_factors import MatrixFactor

COMPLEX = -1
"""The label of the axis of real and imaginary parts, beside the wires'."""

WIDEST = 6  # axes of a window; at 7 a product takes twice the time of two windows
MOST_CONTROLS = 4  # outside a window: each doubles its matrices
MOST_MODES = 64  # of a window that depends on parameters

# Nanoseconds for each element of the state by the axes of a window, one core with AVX-512,
# measured with ONNX Runtime 1.31. On the last axes the matrix is packed once and for all; on any
# others, the state is packed in each product, and where there are controls, each matrix is.
_NS_LAST = {1: 0.38, 2: 0.28, 3: 0.2, 4: 0.18, 5: 0.27, 6: 0.52}
_NS_OTHER = {1: 0.14, 2: 0.14, 3: 0.16, 4: 0.21, 5: 0.33, 6: 0.56}
_NS_CONTROLLED = 0.1  # more on the last axes, and _NS_PACKED by a row over those of the state
_NS_PACKED = 0.15
_NS_MULTIPLY_ADD = 1 / 128
_COLUMNS, _ROWS = 16, 8  # a product with fewer takes as long
_NS_PRODUCT = 110.0  # for each product of two matrices: a batch is a loop over them
_NS_STEPS = 200.0  # two nodes that start, as some rows share it
_NS_MOVE = 0.15  # two runs of axes that change places
_NS_FAR_MOVE = 0.4  # of many axes, and a state that leaves the memory next to a core
_NEAR, _NARROW = 2**15, 4  # numbers of a state that does not; axes that are moved as fast anyway
_NS_MIX, _NS_SCATTER = 0.5, 3.0  # other moves: of runs of numbers, of single ones
_RUN = 16  # numbers that are moved as one
_NS_GATHER = {4: 0.44, 5: 0.28, 6: 0.21}  # basis states that change places, by the axes behind
_NS_BUILD = 0.01  # to build a parametrised matrix: for each mode and entry
_NS_ENTRY = 0.4  # and for each entry, which is written and read
_EACH = 0.12  # nanoseconds that a path is taken to cost more for each matrix that is left
_BEAM = 12  # sets of matrices that are left whose paths are followed
_ALIKE = 2  # paths that are followed for one such set
_AHEAD = 256  # matrices that are looked at for the controls of what follows


@dataclass(frozen=True, eq=False)
class Window:
    """One matrix product.

    Attributes:
        order: of the axes before it. Without one of real and imaginary parts, the state is real.
        start: where the window begins in that order.
        length: how many axes it has.
        factors: what it applies, in order.
        arranged: its axes afterwards; with one of real and imaginary parts if it is complex.
        place: where they begin afterwards: at `start`, or further left if the window is the last.
    """

    order: tuple[int, ...]
    start: int
    length: int
    factors: tuple[MatrixFactor, ...]
    arranged: tuple[int, ...]
    place: int

    @property
    def axes(self) -> tuple[int, ...]:
        """Its axes in their order before it."""
        return self.order[self.start : self.start + self.length]

    @property
    def wires(self) -> tuple[int, ...]:
        """Its wires in the order of their axes."""
        return tuple(axis for axis in self.axes if axis != COMPLEX)

    @cached_property
    def controls(self) -> tuple[int, ...]:
        """Wires to the left that control it, in the order of their axes."""
        used = 0
        for factor in self.factors:
            used |= factor.controls
        return tuple(w for w in self.order[: self.start] if w != COMPLEX and used >> w & 1)

    @property
    def modes(self) -> int:
        """At most so many Fourier modes are in its matrices; one if they are constant."""
        return prod(len(factor.spectrum) for factor in self.factors)

    @property
    def entries(self) -> int:
        """The numbers in its matrices, one matrix for each value of the controls."""
        return 1 << (self.length + len(self.arranged) + len(self.controls))

    @property
    def moves(self) -> bool:
        """Whether its axes come out further left."""
        return self.place < self.start

    @property
    def behind(self) -> int:
        """The number of axes behind it in the product."""
        return len(self.order) - self.length - self.place

    @property
    def products(self) -> int:
        """The number of products of two matrices for a row of the batch."""
        if self.behind:
            return 1 << self.place
        if not self.controls:
            return 1
        return 1 << (1 + self.order.index(self.controls[-1]))

    @cached_property
    def after(self) -> tuple[int, ...]:
        """The order of the axes after it."""
        others = self.order[: self.start] + self.order[self.start + self.length :]
        return others[: self.place] + self.arranged + others[self.place :]


@dataclass(frozen=True, eq=False)
class Move:
    """The axes brought into another order."""

    order: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Shuffle:
    """Permutations of basis states, in order, on all axes but the last ones."""

    order: tuple[int, ...]
    behind: int
    factors: tuple[MatrixFactor, ...]

    @property
    def after(self) -> tuple[int, ...]:
        """The order of the axes after it."""
        return self.order


Step: TypeAlias = Window | Move | Shuffle


def plan_windows(
    factors: Sequence[MatrixFactor],
    order: tuple[int, ...],
    *,
    everything: bool,
    finish: Callable[[tuple[int, ...]], float],
) -> tuple[tuple[Step, ...], list[MatrixFactor]]:
    """Return the steps that apply matrices, and the permutations that are left over.

    Args:
        factors: in an order in which they act.
        order: of the axes.
        everything: apply also the permutations for which no other matrix waits.
        finish: the nanoseconds for each element that an order of axes costs at the end.
    """
    shared = _Shared(tuple(factors), everything=everything)
    beam = [_Path(0.0, shared.everything, order, None, None)]
    best: _Path | None = None
    least = float("inf")
    while beam:
        # Of the paths that leave the same matrices and order of axes, only the cheapest.
        reached: dict[tuple[int, tuple[int, ...]], _Path] = {}
        for path in beam:
            if shared.is_done(path.left):
                total = path.cost + finish(path.order)
                if total < least:
                    best, least = path, total
                continue
            for longer in shared.continued(path):
                key = (longer.left, longer.order)
                if key not in reached or longer.cost < reached[key].cost:
                    reached[key] = longer
        beam = _best(path for path in reached.values() if path.cost < least)
    assert best is not None
    return tuple(shared.steps(best)), shared.listed(best.left)


def move_cost(before: tuple[int, ...], after: tuple[int, ...]) -> float:
    """Return the nanoseconds for each element that a transpose takes."""
    if before == after:
        return 0.0
    runs = 1
    for left, right in pairwise(after):
        runs += before.index(right) != before.index(left) + 1
    same = 0
    while before[-1 - same] == after[-1 - same]:
        same += 1
    kept = 0
    while before[kept] == after[kept]:
        kept += 1
    elements = 2.0 ** len(before)
    run = 2**same
    if runs - bool(same) - bool(kept) != 2:
        per_element = _NS_MIX if run >= _RUN else _NS_SCATTER
    elif same:
        per_element = _NS_MOVE if run >= _RUN else _NS_MIX
    else:
        moved = len(before) - kept
        first = moved - before.index(after[kept]) + kept  # axes that come to the front
        is_fast = elements <= _NEAR or min(first, moved - first) <= _NARROW
        per_element = _NS_MOVE if is_fast else _NS_FAR_MOVE
    return per_element + _NS_STEPS / elements


class _Made(NamedTuple):
    """A step of a path, with its matrices as bits.

    Attributes:
        taken: the matrices; none in a move.
        start: where a window begins.
        length: of a window in axes; 0 in other steps.
        arranged: the axes of a window afterwards.
        place: where they begin afterwards; in a shuffle, the axes behind.
    """

    taken: int
    start: int = 0
    length: int = 0
    arranged: tuple[int, ...] = ()
    place: int = 0


class _Fact(NamedTuple):
    """What a search reads of a matrix; the numbers are found once, as they are read often."""

    bit: int
    factor: MatrixFactor
    targets: Mask
    controls: Mask
    modes: int


class _Path(NamedTuple):
    """Some steps, the matrices that are left to do after them as bits, and the order of axes.

    Attributes:
        cost: of all steps.
        left: the matrices.
        order: of the axes.
        before: the path without its last step.
        made: that step.
    """

    cost: float
    left: int
    order: tuple[int, ...]
    before: _Path | None
    made: _Made | None


def _best(paths: Iterable[_Path]) -> list[_Path]:
    """Return few of some paths: the best for each set of matrices left, of the best sets."""
    alike: dict[int, list[_Path]] = {}
    for path in sorted(paths, key=lambda path: path.cost + _EACH * path.left.bit_count()):
        if path.left not in alike and len(alike) == _BEAM:
            continue
        own = alike.setdefault(path.left, [])
        if len(own) < _ALIKE:
            own.append(path)
    return [path for own in alike.values() for path in own]


class _Shared:
    """What all paths of a search share."""

    def __init__(self, factors: tuple[MatrixFactor, ...], *, everything: bool) -> None:
        self._everything = everything
        self.everything = (1 << len(factors)) - 1
        self._permutations = sum(1 << i for i, one in enumerate(factors) if one.affine is not None)
        self._is_real = all(one.is_real for one in factors)
        self._complex = sum(1 << i for i, one in enumerate(factors) if not one.is_real)
        self._parametrised = sum(1 << i for i, one in enumerate(factors) if not one.is_constant)
        self._facts = [
            _Fact(1 << i, one, one.targets, one.controls, len(one.spectrum))
            for i, one in enumerate(factors)
        ]
        self._masks: dict[tuple[int, ...], list[Mask]] = {}
        self._closures: dict[tuple[int, Mask, Mask, int], tuple[int, Mask]] = {}
        self._controls: dict[tuple[int, Mask], Mask] = {}

    def listed(self, some: int) -> list[MatrixFactor]:
        """Return the matrices of a set, in order."""
        return [fact.factor for fact in self._facts_of(some)]

    def steps(self, path: _Path) -> list[Step]:
        """Return the steps of a path."""
        steps: list[Step] = []
        while path.before is not None and path.made is not None:
            before, made = path.before, path.made
            factors = tuple(self.listed(made.taken))
            if made.length:
                start, length, arranged = made.start, made.length, made.arranged
                steps.append(Window(before.order, start, length, factors, arranged, made.place))
            elif factors:
                steps.append(Shuffle(before.order, made.place, factors))
            else:
                steps.append(Move(before.order, path.order))
            path = before
        return steps[::-1]

    def is_done(self, left: int) -> bool:
        """Return whether nothing has to be applied any more."""
        return not left if self._everything else not left & ~self._permutations

    def continued(self, path: _Path) -> Iterator[_Path]:
        """Yield the path with one more product, and perhaps a move before it, in all ways."""
        found = False
        count = len(path.order)
        for start in range(self._in_front(path.order), count):
            lengths = range(1, min(WIDEST, count - start) + 1)
            for longer in self._with_window(path, [(start, length) for length in lengths]):
                found = True
                yield longer
        for before in (path, *(self._moved(path, order) for order in self._rotations(path.order))):
            yield from self._with_shuffle(before)
            if before is not path:
                lengths = range(1, min(WIDEST, count - self._in_front(path.order)) + 1)
                last = [(count - length, length) for length in lengths]
                for longer in self._with_window(before, last):
                    found = True
                    yield longer
        if not found:
            yield self._moved(path, _order_for(self.listed(path.left)[0], path.order))

    def _rotations(self, order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the orders in which two runs have changed places."""
        # Phases need real and imaginary parts in front, where real matrices leave them.
        kept = self._in_front(order)
        for cut in range(kept + 1, len(order)):
            yield order[:kept] + order[cut:] + order[kept:cut]

    def _in_front(self, order: tuple[int, ...]) -> int:
        return int(self._is_real and order[0] == COMPLEX)

    @staticmethod
    def _moved(path: _Path, after: tuple[int, ...]) -> _Path:
        return _Path(path.cost + move_cost(path.order, after), path.left, after, path, _Made(0))

    def _with_shuffle(self, path: _Path) -> Iterator[_Path]:
        """Yield the path with all permutations of the first axes that can be applied now."""
        if not path.left & self._permutations:
            return
        for behind, per_element in _NS_GATHER.items():
            first = path.order[: max(0, len(path.order) - behind)]
            inside = mask_of(axis for axis in first if axis != COMPLEX)
            taken, _ = self._closure(path.left, inside, 0, self._permutations)
            if taken:
                cost = path.cost + per_element + _NS_STEPS / 2.0 ** len(path.order)
                made = _Made(taken, place=behind)
                yield _Path(cost, path.left & ~taken, path.order, path, made)

    def _with_window(self, path: _Path, runs: Iterable[tuple[int, int]]) -> Iterator[_Path]:
        """Yield the path with one more window, given by where it starts and its length.

        A longer run that takes no more matrices is left out, unless it reaches the last axis.
        """
        order, left, before = path.order, path.left, 0
        count = len(order)
        first = self._first_masks(order)
        for start, length in runs:
            axes = order[start : start + length]
            inside, outside = first[start + length] & ~first[start], first[start]
            creates = COMPLEX not in order and length < WIDEST
            allowed = left if creates or COMPLEX in axes else left & ~self._complex
            taken, controls = self._closure(left, inside, outside, allowed)
            is_last = start + length == count
            if not taken or (taken == before and not is_last):
                continue
            before = taken
            if creates and taken & self._complex:
                axes = (*axes, COMPLEX)
            rest = left & ~taken
            arrangements = self._arrangements(rest, axes, inside)
            others = order[:start] + order[start + length :]
            front = next((p for p in range(start, 0, -1) if controls & ~first[p - 1]), 0)
            places = {start, max(front, self._in_front(order))} if is_last else {start}
            for place in places:
                window = Window(order, start, length, (), axes, place)
                cost = path.cost + _nanoseconds(window, controls, front, self._modes(taken))
                for arranged in arrangements:
                    after = (*others[:place], *arranged, *others[place:])
                    made = _Made(taken, start, length, arranged, place)
                    yield _Path(cost, rest, after, path, made)

    def _first_masks(self, order: tuple[int, ...]) -> list[Mask]:
        """Return the wires of the first axes of an order, for each number of axes."""
        if order not in self._masks:
            masks = [0]
            for axis in order:
                masks.append(masks[-1] | (0 if axis == COMPLEX else 1 << axis))
            self._masks[order] = masks
        return self._masks[order]

    def _modes(self, taken: int) -> int:
        if not taken & self._parametrised:
            return 1
        return prod(fact.modes for fact in self._facts_of(taken))

    def _arrangements(
        self, left: int, axes: tuple[int, ...], inside: Mask
    ) -> Iterable[tuple[int, ...]]:
        """Return orders for the axes of a window: as they are, or later controls in front."""
        key = (left, inside)
        if key not in self._controls:
            controls = 0
            for fact in islice(self._facts_of(left), _AHEAD):
                if fact.targets & ~inside:
                    controls |= fact.controls
            self._controls[key] = controls
        controls = self._controls[key]
        wires = [axis for axis in axes if axis != COMPLEX]
        first = sorted(wires, key=lambda wire: not controls >> wire & 1)
        found = {tuple(axes): None}
        for order in (wires, first):
            if COMPLEX in axes:
                found |= {(COMPLEX, *order): None, (*order, COMPLEX): None}
            else:
                found[tuple(order)] = None
        return found

    def _closure(self, left: int, inside: Mask, outside: Mask, allowed: int) -> tuple[int, Mask]:
        """Return all matrices that a step can apply now, and the wires outside that control them.

        Args:
            left: the matrices that are left.
            inside: the wires of the step.
            outside: those in front of it.
            allowed: the matrices that it may apply.
        """
        key = (left, inside, outside, allowed)
        if key not in self._closures:
            self._closures[key] = self._closed(*key)
        return self._closures[key]

    def _closed(self, left: int, inside: Mask, outside: Mask, allowed: int) -> tuple[int, Mask]:
        taken = waiting_targets = waiting = 0
        controls: Mask = 0
        modes = 1
        behind = ~(inside | outside)
        for fact in self._facts_of(left):
            targets, own = fact.targets, fact.controls
            if (
                not targets & ~inside
                and not own & behind
                and not targets & waiting
                and not own & waiting_targets
                and fact.bit & allowed
            ):
                more, growth = controls | (own & ~inside), modes * fact.modes
                if more.bit_count() <= MOST_CONTROLS and growth <= MOST_MODES:
                    taken |= fact.bit
                    controls, modes = more, growth
                    continue
            waiting_targets |= targets
            waiting |= targets | own
            if not inside & ~waiting:
                break
        return taken, controls

    def _facts_of(self, left: int) -> Iterator[_Fact]:
        """Yield what a search reads of the matrices of a set, in order."""
        lowest = left & -left
        for index in range(max(0, lowest.bit_length() - 1), left.bit_length()):
            fact = self._facts[index]
            if left & fact.bit:
                yield fact


def _order_for(factor: MatrixFactor, order: tuple[int, ...]) -> tuple[int, ...]:
    """Return an order in which a matrix is a window: its targets together, its controls before."""
    targets = tuple(axis for axis in order if axis != COMPLEX and factor.targets >> axis & 1)
    controls = tuple(axis for axis in order if axis != COMPLEX and factor.controls >> axis & 1)
    others = tuple(axis for axis in order if axis not in factor.wires and axis != COMPLEX)
    if factor.is_real and order[0] == COMPLEX:
        return (COMPLEX, *controls, *others, *targets)
    return (*controls, *others, *targets, *(axis for axis in order if axis == COMPLEX))


def _nanoseconds(window: Window, controls: Mask, front: int, modes: int) -> float:
    """Return the time of a window for each element of the state.

    Args:
        window: where its axes are; its matrices are not read.
        controls: the wires that control it.
        front: the number of axes up to the last of these.
        modes: of its matrices.
    """
    count, size = len(window.order), 2.0**window.length
    elements = 2.0 ** (count - window.length + len(window.arranged))
    is_created = len(window.arranged) > window.length
    # The columns, or if nothing is behind it the rows, that one product has.
    behind = count - window.length - window.place
    beside = 2.0 ** (behind or window.start - front)
    products = 2.0 ** (count - window.length) / beside if behind or controls else 1.0
    if behind:
        per_element = _NS_OTHER[window.length]
        per_element += (max(1.0, _COLUMNS / beside) - 1.0) * _NS_MULTIPLY_ADD * size
    else:
        per_element = _NS_LAST[window.length]
        if controls:
            per_element = (per_element + _NS_CONTROLLED) * max(1.0, _ROWS / beside)
            per_element += _NS_PACKED * size / beside
    if is_created:
        per_element *= 0.6  # of a state that was real
    entries = size * 2.0 ** (len(window.arranged) + controls.bit_count())
    built = (_NS_BUILD * modes + _NS_ENTRY) * entries if modes > 1 else 0.0
    return per_element + (_NS_PRODUCT * products + built + _NS_STEPS) / elements
