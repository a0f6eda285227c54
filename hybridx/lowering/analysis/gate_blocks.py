"""Which real matrices are applied together, in one matrix product on a state in memory.

The state is `(batch, 2, 2, ..., 2)`: real and imaginary parts, then an axis for each wire in some
order. A *window* is a run of neighbouring axes. All real matrices on its wires are multiplied to
one matrix, and applying it is one matrix product on a reshape of the state. Wires to the left of a
window may be controls: the product is then batched over them, with a matrix for each value of the
controls, at no cost. The axes of the last window may also be moved to the front, as the product of
transposed matrices, again at no cost; the last wires can then be controls of the first.

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

# Nanoseconds for each element of the state, one core, measured with ONNX Runtime 1.31; up to 16 x
# 16 the product is as fast as memory.
_NS = {1: 0.4, 2: 0.4, 3: 0.4, 4: 0.45, 5: 0.7, 6: 1.3}
_COLUMNS, _ROWS = 16, 8  # a product with fewer takes as long
_NS_TO_FRONT = 0.15  # more, to write the last axes in front
_NS_PRODUCT = 200.0  # for each product of two matrices: a batch is a loop over them
_NS_STEPS = 800.0  # two nodes that start
_NS_MOVE = 0.8  # a transpose of the whole state
_NS_BUILD = 0.018  # to build a parametrised matrix: for each mode and entry
_NS_EACH = 0.12  # of one real matrix in a window that takes many
_BEAM = 12  # paths; twice as many were never seen to save a window


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
    reals: Sequence[RealMatrix], order: tuple[int, ...], *, everything: bool
) -> tuple[list[Window | Move], list[RealMatrix]]:
    """Return the windows that apply real matrices, and the permutations that are left over.

    Args:
        reals: in an order in which they act.
        order: of the axes.
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
        beam = sorted(open_paths, key=_Path.estimate)[:_BEAM]
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

    def estimate(self) -> float:
        """Return the cost, with what is left at the cost of a good window."""
        return self.cost + _NS_EACH * len(self.left)

    def continued(self) -> Iterator[_Path]:
        """Yield the path with one more step, in all ways."""
        found = False
        for window in _candidates(self.left, self.order):
            found = True
            yield self.after(window)
        if not found:
            move = Move(self.order, _order_for(self.left[0], self.order))
            cost = self.cost + _NS_MOVE
            yield _Path(cost, self.left, move.after, (*self.steps, move))

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
        more = controls | (real.controls & ~inside)
        growth = modes * len(real.spectrum)
        if (
            real.targets & ~inside
            or real.controls & ~(inside | outside)
            or real.targets & waiting
            or real.controls & waiting_targets
            or more.bit_count() > MOST_CONTROLS
            or growth > MOST_MODES
        ):
            waiting_targets |= real.targets
            waiting |= real.targets | real.controls
        else:
            taken.append(real)
            controls, modes = more, growth
    return taken, controls


def nanoseconds(window: Window) -> float:
    """Return the time of a window for each element of the state."""
    elements = 2.0 ** (len(window.order) + 1)
    per_element = _NS.get(window.width, 0.02 * 2.0**window.width)
    least = _COLUMNS if window.behind else _ROWS
    per_element *= max(1.0, least / window.beside)
    to_front = _NS_TO_FRONT if window.to_front else 0.0
    built = _NS_BUILD * window.modes * window.entries if window.modes > 1 else 0.0
    return per_element + to_front + (_NS_PRODUCT * window.products + built + _NS_STEPS) / elements
