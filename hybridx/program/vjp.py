"""The vector-Jacobian product of a program, as a program: reverse mode, a rule for each primitive.

For y = f(x) of one row and a cotangent v of y, the product is v^T df/dx: the gradient of v . y. The
steps of f come first, then for each of them, from the last one to the first, what its rule makes of
the cotangent of its value. Equal steps are one, so that the rules share the values of f.

Only values that depend on the parameters have a cotangent. These have the batch axis; what has
none is constant. So nothing is ever summed over the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hybridx.program.cotangents import SharingBuilder, Term, Whole, full, scaled, total_of
from hybridx.program.program import Parameters, Program, Reshape, Unary, operands
from hybridx.program.reverse import Reversal, Span
from hybridx.program.rules import pull
from hybridx.program.shapes import row_size

_SMALL: Final = 2**9  # numbers of a cotangent that others may wait for


def vjp(program: Program, reversible: Sequence[Span] = ()) -> Program:
    """Return the program of the gradient of each row.

    Args:
        program: well-formed, from angles `(batch, P)` to results `(batch, M)`, P at least one.
        reversible: pairs of steps between which values need not be kept: see `reverse.py`.

    Returns:
        A well-formed program from columns `(batch, P + M)`, the angles and then the cotangents of
        the results, to `(batch, P)`. It can be differentiated in turn.

    Raises:
        ValueError: the program has no parameters.

    Example:
        >>> from hybridx.program import parse, show
        >>> square = parse("v0: (batch, 1) = parameters; v1: (batch, 1) = multiply v0 v0")
        >>> print(show(vjp(square)))
        v0: (batch, 2) = parameters
        v1: (batch, 1) = gather v0 axis 1 [0]
        v2: (batch, 1) = gather v0 axis 1 [1]
        v3: (batch, 1) = multiply v2 v1
        v4: (1, 1) = constant [[2.0]]
        v5: (batch, 1) = multiply v3 v4
    """
    angles, results = row_size(program.shapes[0]), row_size(program.shapes[-1])
    if not angles:
        raise ValueError("a program without parameters has no gradient")
    builder = SharingBuilder(angles + results)
    given = builder.gather(builder.parameters, 1, range(angles))
    values = builder.include_all(program, given)
    depends = _dependent(program)
    cotangents: list[list[Term]] = [[] for _ in values]
    columns = range(angles, angles + results)
    if reversible:
        # States are made to wait for cotangents, and angles for states: law P11.
        results_given = builder.wrap([(column, 0.0) for column in columns])
    else:
        results_given = builder.gather(builder.parameters, 1, columns)
    cotangents[-1].append(Whole(results_given))
    latest = results_given
    starts = {end: start for start, end in reversible}
    reversal = Reversal(program)
    for index in range(len(values) - 1, 0, -1):
        if index in starts:
            reversal.reverse(builder, values, starts[index], index, latest)
        if not (cotangents[index] and depends[index]):
            continue
        total, times = total_of(builder, values[index].shape, cotangents[index])
        if row_size(total.shape) <= _SMALL:
            latest = total
        for operand, make in pull(builder, program, values, index, total):
            if depends[operand.index]:
                term = make()
                cotangents[operand.index].append(replace(term, times=times * term.times))
    gradient, times = total_of(builder, given.shape, cotangents[0])
    gradient = scaled(builder, full(builder, gradient, given.shape), times)
    return builder.build(gradient, program.state)


def count_live(program: Program) -> int:
    """Return how many numbers of one row are in memory at once, at most."""
    stored = list(range(len(program.steps)))  # where the numbers of a value are
    last = stored.copy()
    for index, step in enumerate(program.steps):
        if isinstance(step, Reshape):
            stored[index] = stored[step.x.index]
        for value in operands(step):
            last[stored[value.index]] = index
    sizes = [row_size(shape) if shape[:1] == (None,) else 0 for shape in program.shapes]
    ending: dict[int, int] = {}
    for index, end in enumerate(last):
        ending[end] = ending.get(end, 0) + (sizes[index] if stored[index] == index else 0)
    live = most = 0
    for index, size in enumerate(sizes):
        live += size if stored[index] == index else 0
        most = max(most, live)
        live -= ending.get(index, 0)
    return most


def _dependent(program: Program) -> list[bool]:
    """Return for each step whether its value may have a derivative, and is not empty."""
    depends: list[bool] = []
    for step, shape in zip(program.steps, program.shapes, strict=True):
        match step:
            case Parameters():
                found = True
            case Unary("sign" | "hold", _):
                found = False
            case _:
                found = any(depends[x.index] for x in operands(step)) and row_size(shape) > 0
        depends.append(found)
    return depends
