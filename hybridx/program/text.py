"""Programs as text for people: golden files, doctests, bug reports.

    state 8192                                   only where most steps read and write a state
    v0: (batch, 3) = parameters                  value, shape, step; the first is the input
    v1: (batch, 3) = cos v0                      sin, sqrt, log, sign, hold likewise
    v2: (2, 3) = constant [[1.0, 0.0, 0.5], [0.0, -1.0, 2.0]]
    v3: (batch, 3) = multiply v0 v1              add, divide, maximum, matmul likewise
    v4: (batch, 2) = gather v3 axis 1 [2, 0]     indices; 3:6 stands for 3, 4, 5
    v5: (batch, 1, 2) = reshape v4               to the shape that the line gives
    v6: (batch, 2, 1) = transpose v5 [0, 2, 1]   the order of its axes
    v7: (batch, 2, 2) = concatenate v6 v6 axis 2
    v8: (batch, 2) = sum v7 axis 2               the last line is the result
    v9: (batch, 2) = wrap v0 [[0, 1.0], [2, 0.5]]    columns and their scales

One step a line. The text is exact: a constant is written with the digits that give the same
float64 back. With `constants="digest"` it is for reading and comparing, as golden files do: up to
16 numbers are rounded to 6 decimals, more are `#` and 8 hexadecimal digits of a hash, with how many
of them are not zero; so are more than 16 runs of indices.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from hybridx.program.program import (
    Binary,
    Concatenate,
    Constant,
    Gather,
    Parameters,
    Program,
    Reshape,
    Shape,
    Step,
    Sum,
    Transpose,
    Unary,
    Value,
    Wrap,
)

_SHOWN: Final = 16  # numbers that a digest still writes out: a matrix of two wires
# A digest rounds to multiples of this, so that the last bits of another processor change nothing.
# It is a power of two because 1/2, 3/8 and their like then lie on the grid and not halfway.
_GRID: Final = 2.0**-24

_LINE = re.compile(r"v(\d+): \(([^)]*)\) = (\w+)((?: v\d+)*)(?: axis (\d+))?(?: (\S.*))?")


def show(program: Program, constants: Literal["exact", "digest"] = "exact") -> str:
    """Return the text of a program, a step a line.

    Args:
        program: well-formed; two programs are the same if their exact texts are.
        constants: "exact" so that `parse` gives the program back, or "digest" for golden files,
            where it does not matter by which processor the constants were computed.

    Example:
        >>> program = parse("v0: (batch, 1) = parameters; v1: (2,) = constant [0.5, -1e-30]; "
        ...                 "v2: (batch, 2) = multiply v0 v1")
        >>> print(show(program))
        v0: (batch, 1) = parameters
        v1: (2,) = constant [0.5, -1e-30]
        v2: (batch, 2) = multiply v0 v1
        >>> print(show(program, constants="digest").splitlines()[1])
        v1: (2,) = constant [0.5, 0.0]
    """
    head = [] if program.state is None else [f"state {program.state}"]
    body = [
        f"v{index}: {_show_shape(shape)} = {_show_step(step, constants == 'exact')}"
        for index, (step, shape) in enumerate(zip(program.steps, program.shapes, strict=True))
    ]
    return "\n".join(head + body)


def parse(text: str) -> Program:
    r"""Return the program of an exact text; the laws are not checked, so that tests can break them.

    Args:
        text: steps on lines of their own or behind a semicolon.

    Raises:
        ValueError: a line has no such form, or its value is not the next one.

    Example:
        >>> program = parse("state 8\nv0: (batch, 2) = parameters\nv1: (batch, 2) = sin v0")
        >>> program.state, program.shapes
        (8, ((None, 2), (None, 2)))
    """
    lines = [line.strip() for line in text.replace(";", "\n").splitlines() if line.strip()]
    has_state = bool(lines) and lines[0].startswith("state ")
    state = int(lines.pop(0).removeprefix("state ")) if has_state else None
    matched = [_match(index, line) for index, line in enumerate(lines)]
    values = [Value(index, _parse_shape(line[2])) for index, line in enumerate(matched)]
    steps = tuple(
        _parse_step(line, value, values) for line, value in zip(matched, values, strict=True)
    )
    return Program(steps, tuple(value.shape for value in values), state)


def _show_step(step: Step, exact: bool) -> str:
    match step:
        case Parameters():
            return "parameters"
        case Constant(array):
            return f"constant {_show_exact(array) if exact else _show_digest(array)}"
        case Unary(kind, x):
            return f"{kind} {_names(x)}"
        case Binary(kind, x, y):
            return f"{kind} {_names(x, y)}"
        case Gather(x, axis, indices):
            return f"gather {_names(x)} axis {axis} {_show_indices(indices, exact)}"
        case Reshape(x):
            return f"reshape {_names(x)}"
        case Transpose(x, order):
            return f"transpose {_names(x)} {list(order)}"
        case Concatenate(xs, axis):
            return f"concatenate {_names(*xs)} axis {axis}"
        case Sum(x, axis):
            return f"sum {_names(x)} axis {axis}"
        case Wrap(x, columns):
            return f"wrap {_names(x)} {_show_columns(columns, exact)}"
        case _:
            assert_never(step)


def _names(*values: Value) -> str:
    return " ".join(f"v{value.index}" for value in values)


def _show_shape(shape: Shape) -> str:
    sizes = ["batch" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _show_exact(array: NDArray[np.float64]) -> str:
    return json.dumps(array.tolist())


def _show_digest(array: NDArray[np.float64]) -> str:
    # Adding zero makes one zero of two.
    rounded = np.rint(array / _GRID) * _GRID + 0.0
    if array.size <= _SHOWN:
        return _show_exact(np.round(rounded, 6) + 0.0)
    digest = _digest(rounded.astype("<f8").tobytes())
    return f"{digest}, {np.count_nonzero(rounded)} of {array.size} not zero"


def _show_columns(columns: tuple[tuple[int, float], ...], exact: bool) -> str:
    if exact:
        return json.dumps(columns)
    if len(columns) > _SHOWN:
        return f"{_digest(json.dumps(_rounded(columns)).encode())}, {len(columns)} columns"
    return json.dumps(_rounded(columns))


def _rounded(columns: tuple[tuple[int, float], ...]) -> list[tuple[int, float]]:
    return [(index, float(f"{scale:.7g}")) for index, scale in columns]


def _show_indices(indices: tuple[int, ...], exact: bool) -> str:
    runs = list(_runs(indices))
    if not exact and len(runs) > _SHOWN:
        return f"{_digest(','.join(runs).encode())}, {len(indices)} indices"
    return f"[{', '.join(runs)}]"


def _runs(indices: Sequence[int]) -> Iterable[str]:
    """Yield indices as text, three or more that count up as `first:stop`."""
    start = 0
    for place in range(1, len(indices) + 1):
        if place < len(indices) and indices[place] == indices[place - 1] + 1:
            continue
        if place - start > 2:
            yield f"{indices[start]}:{indices[place - 1] + 1}"
        else:
            yield from map(str, indices[start:place])
        start = place


def _digest(content: bytes) -> str:
    return f"#{sha256(content).hexdigest()[:8]}"


def _match(index: int, line: str) -> re.Match[str]:
    matched = _LINE.fullmatch(line)
    if matched is None:
        raise ValueError(f"{line!r} is not `value: shape = step`")
    if int(matched[1]) != index:
        raise ValueError(f"v{matched[1]} is the name of step {matched[1]}, not of step {index}")
    return matched


def _parse_shape(text: str) -> Shape:
    sizes = [size.strip() for size in text.removesuffix(",").split(",")] if text else []
    return tuple(None if size == "batch" else int(size) for size in sizes)


def _parse_step(line: re.Match[str], value: Value, values: Sequence[Value]) -> Step:
    _, _, kind, names, axis, rest = line.groups()
    try:
        xs = tuple(values[int(name[1:])] for name in names.split())
    except IndexError as error:
        raise ValueError(f"{line[0]!r} reads a value that no line gives") from error
    match kind, xs, axis, rest:
        case "parameters", (), None, None:
            return Parameters(_count(value.shape))
        case "constant", (), None, str(numbers):
            return Constant(_parse_numbers(numbers, value.shape))
        case ("cos" | "sin" | "sqrt" | "log" | "sign" | "hold") as kind, (x,), None, None:
            return Unary(kind, x)
        case ("add" | "multiply" | "divide" | "maximum" | "matmul") as kind, (x, y), None, None:
            return Binary(kind, x, y)
        case "gather", (x,), str(axis), str(indices):
            return Gather(x, int(axis), tuple(_parse_indices(indices)))
        case "reshape", (x,), None, None:
            return Reshape(x, value.shape)
        case "transpose", (x,), None, str(order):
            return Transpose(x, tuple(_parse_indices(order)))
        case "concatenate", xs, str(axis), None:
            return Concatenate(xs, int(axis))
        case "sum", (x,), str(axis), None:
            return Sum(x, int(axis))
        case "wrap", (x,), None, str(columns):
            return Wrap(x, tuple((int(index), float(scale)) for index, scale in _pairs(columns)))
        case _:
            raise ValueError(f"{line[0]!r} is no step of a program")


def _count(shape: Shape) -> int:
    match shape:
        case (None, int(count)):
            return count
        case _:
            raise ValueError(f"parameters have shape (batch, P), not {_show_shape(shape)}")


def _parse_numbers(text: str, shape: Shape) -> NDArray[np.float64]:
    if text.startswith("#"):
        raise ValueError(f"{text!r} is a digest; its numbers are not in the text")
    numbers = np.array(json.loads(text), dtype=np.float64)
    # A list of no lists does not say how long they would be.
    return numbers if numbers.size else numbers.reshape([size or 0 for size in shape])


def _pairs(text: str) -> list[tuple[int, float]]:
    if text.startswith("#"):
        raise ValueError(f"{text!r} is a digest; its columns are not in the text")
    pairs: list[tuple[int, float]] = json.loads(text)
    return pairs


def _parse_indices(text: str) -> Iterable[int]:
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError(f"{text!r} is no list of indices")
    for run in text[1:-1].split(", ") if text != "[]" else ():
        first, _, stop = run.partition(":")
        yield from range(int(first), int(stop) if stop else int(first) + 1)
