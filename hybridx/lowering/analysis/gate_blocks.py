"""Which real matrices are applied together, in one matrix product on a state in memory.

The state is `(batch, 2, 2, ..., 2)`: real and imaginary parts, then an axis for each wire in some
order. A *window* is a run of neighbouring axes. All real matrices on its wires are multiplied to
one matrix, and applying it is one matrix product on a reshape of the state. Wires to the left of a
window may be controls: the product is then batched over them, with a matrix for each value of the
controls, at no cost. The axes of the last window may also be moved to the front, as the product of
transposed matrices, again at no cost; the last wires can then be controls of the first. A transpose
of all axes from one on to the front costs half as much as a product.

The windows are found by a beam search for the least predicted time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from hybridx.lowering.analysis.phase_polynomial import Mask, mask_of, wires_in
from hybridx.lowering.analysis.real_factors import RealMatrix

WIDEST = 6  # wires of a window; at 7 a product takes twice the time of two windows
MOST_CONTROLS = 4  # outside a window: each doubles its matrices
MOST_MODES = 64  # of a window that depends on parameters

# Nanoseconds for each element of the state by the width of a window, one core with AVX-512,
# measured with ONNX Runtime 1.31. On the last axes the matrix is packed once and for all; on any
# others, the state is packed in each product.
_NS_LAST = {1: 0.38, 2: 0.28, 3: 0.2, 4: 0.18, 5: 0.27, 6: 0.52}
_NS_OTHER = {1: 0.14, 2: 0.14, 3: 0.16, 4: 0.21, 5: 0.33, 6: 0.56}
_NS_MULTIPLY_ADD = 1 / 128
_COLUMNS = 16  # a product with fewer takes as long
_NS_PRODUCT = 110.0  # for each product of two matrices: a batch is a loop over them
_NS_STEPS = 100.0  # two nodes that start, as some rows share it
_NS_MOVE = 0.13  # a transpose of the axes from one on to the front
_NS_FAR_MOVE = 0.4  # of many axes, and a state that leaves the memory next to a core
_NEAR, _NARROW = 2**15, 4  # numbers of a state that does not; axes that are moved as fast anyway
_NS_MIX = 0.5  # any other transpose
_NS_BUILD = 0.01  # to build a parametrised matrix: for each mode and entry
_NS_ENTRY = 0.25  # and for each entry, which is written and read


@dataclass(frozen=True, slots=True)
class Search:
    """How windows are looked for; no one way is best for all circuits.

    Attributes:
        each: nanoseconds that a path is taken to cost more for each matrix that is left.
        beam: paths that are followed.
    """

    each: float
    beam: int


SEARCHES = (Search(0.12, 12), Search(0.09, 48), Search(0.05, 12))
"""The ways of looking that are tried. More paths were seen to save a tenth of the time at most."""


@dataclass(frozen=True, eq=False)
class Window:
    """One matrix product.

    Attributes:
        order: of the axes before it.
        start: where the window begins in that order.
        width: how many wires it has.
        reals: what it applies, in order.
        to_front: True if the axes of the window, which is the last, are moved to the front.
    """

    order: tuple[int, ...]
    start: int
    width: int
    reals: tuple[RealMatrix, ...]
    to_front: bool

    @property
    def wires(self) -> tuple[int, ...]:
        """Its wires in the order of their axes."""
        return self.order[self.start : self.start + self.width]

    @property
    def controls(self) -> tuple[int, ...]:
        """Wires to the left that control it, in the order of their axes."""
        used = 0
        for real in self.reals:
            used |= real.controls
        return tuple(wire for wire in self.order[: self.start] if used >> wire & 1)

    @property
    def modes(self) -> int:
        """At most so many Fourier modes are in its matrices; one if they are constant."""
        return prod(len(real.spectrum) for real in self.reals)

    @property
    def entries(self) -> int:
        """The numbers in its matrices, one matrix for each value of the controls."""
        return int(4**self.width * 2 ** len(self.controls))

    @property
    def behind(self) -> int:
        """The number of axes behind it."""
        return len(self.order) - self.start - self.width

    @property
    def beside(self) -> int:
        """The columns, or if nothing is behind it the rows, that one product has."""
        if self.behind:
            return 1 << self.behind
        # The axes between the last control and the window, real and imaginary parts if none.
        controls = [self.order.index(wire) for wire in self.controls]
        return 1 << (self.start - 1 - controls[-1] if controls else self.start + 1)

    @property
    def products(self) -> int:
        """The number of products of two matrices for a row of the batch."""
        return (1 << (len(self.order) + 1 - self.width)) // self.beside

    @property
    def after(self) -> tuple[int, ...]:
        """The order of the axes after it."""
        return self.wires + self.order[: self.start] if self.to_front else self.order


@dataclass(frozen=True, eq=False)
class Move:
    """The axes brought into another order, where no window can apply the next matrix."""

    order: tuple[int, ...]
    after: tuple[int, ...]


def plan_windows(
    reals: Sequence[RealMatrix], order: tuple[int, ...], search: Search, *, everything: bool
) -> tuple[list[Window | Move], list[RealMatrix]]:
    """Return the windows that apply real matrices, and the permutations that are left over.

    Args:
        reals: in an order in which they act.
        order: of the axes.
        search: how they are looked for.
        everything: apply also the permutations for which no other matrix waits.
    """
    beam = [_Path(0.0, tuple(reals), order, ())]
    best: _Path | None = None
    while beam:
        # Of the paths that leave the same matrices and order of axes, only the cheapest.
        reached: dict[tuple[tuple[int, ...], tuple[int, ...]], _Path] = {}
        for path in beam:
            if path.is_done(everything=everything):
                best = path if best is None or path.cost < best.cost else best
                continue
            for longer in path.continued():
                key = (longer.order, tuple(map(id, longer.left)))
                if key not in reached or longer.cost < reached[key].cost:
                    reached[key] = longer
        open_paths = [one for one in reached.values() if best is None or one.cost < best.cost]
        beam = sorted(open_paths, key=lambda path: path.cost + search.each * len(path.left))[
            : search.beam
        ]
    assert best is not None
    return list(best.steps), list(best.left)


@dataclass(frozen=True, eq=False)
class _Path:
    """Some windows, and what is left to do after them."""

    cost: float
    left: tuple[RealMatrix, ...]
    order: tuple[int, ...]
    steps: tuple[Window | Move, ...]

    def is_done(self, *, everything: bool) -> bool:
        return not self.left if everything else all(real.affine is not None for real in self.left)

    def continued(self) -> Iterator[_Path]:
        """Yield the path with one more step, in all ways."""
        found = False
        for window in _candidates(self.left, self.order):
            found = True
            yield self.after(window)
        for cut in range(1, len(self.order)):
            rotated = self.order[cut:] + self.order[:cut]
            windows = tuple(_last_windows(self.left, rotated))
            if windows:
                found = True
                yield from map(self.moved(rotated).after, windows)
        if not found:
            yield self.moved(_order_for(self.left[0], self.order))

    def moved(self, after: tuple[int, ...]) -> _Path:
        """Return the path with one more move."""
        move = Move(self.order, after)
        return _Path(self.cost + nanoseconds(move), self.left, after, (*self.steps, move))

    def after(self, window: Window) -> _Path:
        """Return the path with one more window."""
        left = tuple(real for real in self.left if real not in window.reals)
        cost = self.cost + nanoseconds(window)
        return _Path(cost, left, window.after, (*self.steps, window))


def _order_for(real: RealMatrix, order: tuple[int, ...]) -> tuple[int, ...]:
    """Return an order in which a matrix is a window: its targets together, its controls before."""
    places = sorted(order.index(wire) for wire in wires_in(real.targets))
    if places[-1] - places[0] == len(places) - 1 < WIDEST:
        # Neighbours stay neighbours: all axes from the first control behind on are put in front.
        cut = min(p for p, wire in enumerate(order) if real.controls >> wire & 1 and p > places[-1])
        return order[cut:] + order[:cut]
    targets = tuple(wire for wire in order if real.targets >> wire & 1)
    controls = tuple(wire for wire in order if real.controls >> wire & 1)
    others = tuple(wire for wire in order if wire not in real.wires)
    return controls + others + targets


def _candidates(reals: Sequence[RealMatrix], order: tuple[int, ...]) -> Iterator[Window]:
    for start in range(len(order)):
        before = 0
        for width in range(1, min(WIDEST, len(order) - start) + 1):
            taken, controls = _closure(reals, order, start, width)
            # A wider window that takes no more matrices costs more, unless no axis is behind it.
            if not taken or (len(taken) == before and start + width < len(order)):
                continue
            before = len(taken)
            yield Window(order, start, width, tuple(taken), to_front=False)
            if start + width == len(order) and not controls and start > 0:
                yield Window(order, start, width, tuple(taken), to_front=True)


def _last_windows(reals: Sequence[RealMatrix], order: tuple[int, ...]) -> Iterator[Window]:
    """Yield the windows of the last axes, which multiply all rows by one matrix."""
    before = 0
    for width in range(1, min(WIDEST, len(order)) + 1):
        taken, controls = _closure(reals, order, len(order) - width, width)
        if len(taken) > before and not controls:
            before = len(taken)
            yield Window(order, len(order) - width, width, tuple(taken), to_front=False)


def _closure(
    reals: Sequence[RealMatrix], order: tuple[int, ...], start: int, width: int
) -> tuple[list[RealMatrix], Mask]:
    """Return all matrices that a window can apply now, and the wires outside that control them."""
    inside = mask_of(order[start : start + width])
    outside = mask_of(order[:start])
    taken: list[RealMatrix] = []
    controls: Mask = 0
    modes = 1
    waiting_targets = waiting = 0
    for real in reals:
        targets, own = real.targets, real.controls
        if (
            targets & ~inside
            or targets & waiting
            or own & waiting_targets
            or own & ~(inside | outside)
            or (controls | (own & ~inside)).bit_count() > MOST_CONTROLS
            or modes * len(real.spectrum) > MOST_MODES
        ):
            waiting_targets |= targets
            waiting |= targets | own
            if not inside & ~waiting:
                break
        else:
            taken.append(real)
            controls |= own & ~inside
            modes *= len(real.spectrum)
    return taken, controls


def nanoseconds(step: Window | Move) -> float:
    """Return the time of a step for each element of the state."""
    elements = 2.0 ** (len(step.order) + 1)
    if isinstance(step, Move):
        return _of_move(step, elements) + _NS_STEPS / elements
    if step.behind or step.to_front or step.controls:
        columns = step.beside if step.behind else 1 << step.start
        narrow = max(1.0, _COLUMNS / columns) - 1.0
        per_element = _NS_OTHER[step.width] + narrow * _NS_MULTIPLY_ADD * 2.0**step.width
    else:
        per_element = _NS_LAST[step.width]
    products = 2 if step.to_front else step.products
    an_entry = _NS_BUILD * step.modes + _NS_ENTRY if step.modes > 1 else 0.0
    built = an_entry * step.entries
    return per_element + (_NS_PRODUCT * products + built + _NS_STEPS) / elements


def _of_move(move: Move, elements: float) -> float:
    cut = move.order.index(move.after[0])
    if move.after != move.order[cut:] + move.order[:cut]:
        return _NS_MIX
    is_fast = elements <= _NEAR or min(cut, len(move.order) - cut) <= _NARROW
    return _NS_MOVE if is_fast else _NS_FAR_MOVE
