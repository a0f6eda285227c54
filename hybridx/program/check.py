"""The laws of a well-formed program, by their numbers in `docs/program.md`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from hybridx.errors import IllFormedProgramError
from hybridx.program.program import (
    Binary,
    Constant,
    Parameters,
    Program,
    Shape,
    Step,
    Unary,
    Wrap,
    operands,
)
from hybridx.program.shapes import shape_of

_KINDS = {kind: frozenset(get_args(get_type_hints(kind)["kind"])) for kind in (Unary, Binary)}


def check(program: Program) -> Program:
    """Return the program, or refuse it with all of its faults.

    Its time is that of one sum over the constants; the targets check every program they write.

    Raises:
        IllFormedProgramError: at least one law is broken.
    """
    found = tuple(faults(program))
    if found:
        raise IllFormedProgramError("; ".join(found))
    return program


def faults(program: Program) -> Iterator[str]:
    """Yield a sentence for every law that the program breaks."""
    steps, shapes = program.steps, program.shapes
    if not steps or len(steps) != len(shapes):
        yield f"P1: it has steps and a shape for each, not {len(steps)} and {len(shapes)}"
        return
    for index, (step, shape) in enumerate(zip(steps, shapes, strict=True)):
        for fault in _step_faults(index, step, shape, shapes):
            yield f"step {index}: {fault}"
    used = {value.index for step in steps for value in operands(step)}
    for index in range(1, len(steps) - 1):
        if index not in used:
            yield f"step {index}: P9: no later step uses its value"
    yield from _angle_faults(steps)
    match shapes[-1]:
        case (None, int(width)) if width > 0:
            pass
        case result:
            yield f"P8: the result has shape (batch, M), not {result}"
    if program.state is not None and program.state < 1:
        yield f"P10: the numbers of a state are at least one, not {program.state}"


def _step_faults(index: int, step: Step, shape: Shape, shapes: tuple[Shape, ...]) -> Iterator[str]:
    if isinstance(step, Parameters) != (index == 0):
        yield "P2: the first step, and no other, is the parameters"
    if any(size is None for size in shape[1:]) or any(size and size < 0 for size in shape):
        yield f"P6: only the first axis is the batch, all others have lengths, unlike {shape}"
    if isinstance(step, Unary | Binary) and step.kind not in _KINDS[type(step)]:
        yield f"P4: there is no {type(step).__name__} {step.kind!r}"
    if isinstance(step, Constant):
        yield from _number_faults(step.array)
    if isinstance(step, Wrap):
        yield from _wrap_faults(step)
    read = operands(step)
    if any(not 0 <= x.index < index or x.shape != shapes[x.index] for x in read):
        shown = ", ".join(f"v{x.index} {x.shape}" for x in read)
        yield f"P3: it reads values of earlier steps with their shapes, unlike {shown}"
        return
    try:
        made = shape_of(step)
    except ValueError as error:
        yield f"P5: {error}"
        return
    if made != shape:
        yield f"P5: its value has shape {made}, not {shape}"


def _angle_faults(steps: tuple[Step, ...]) -> Iterator[str]:
    """Yield a fault for every cosine or sine of what comes of the parameters unwrapped."""
    unwrapped: set[int] = set()
    for index, step in enumerate(steps):
        match step:
            case Wrap():
                continue
            case Unary("cos" | "sin", x) if x.index in unwrapped:
                yield f"step {index}: P11: an angle comes of the parameters by way of a wrap"
        if isinstance(step, Parameters) or any(x.index in unwrapped for x in operands(step)):
            unwrapped.add(index)


def _wrap_faults(step: Wrap) -> Iterator[str]:
    if step.x.index != 0:
        yield f"P12: only columns of the parameters are wrapped, not v{step.x.index}"
    if not all(0 <= scale < np.inf for _, scale in step.columns):
        yield "P12: the scale of a wrapped column is finite and not negative"


def _number_faults(array: NDArray[np.float64]) -> Iterator[str]:
    if array.dtype != np.float64:
        yield f"P7: a constant is float64 until a target writes it, not {array.dtype}"
    # A sum needs no memory, and is finite unless a number is not, or they are very large.
    with np.errstate(over="ignore", invalid="ignore"):
        is_finite = np.isfinite(array.sum()) or np.isfinite(array).all()
    if not is_finite:
        yield "P7: the numbers of a constant are finite"
