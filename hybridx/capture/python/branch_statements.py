"""The statement of the user's code that asks whether a value is true, found in its source."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType


@dataclass(frozen=True)
class Question:
    """A place where Python asks whether a value is true.

    Attributes:
        place: the file's name and the line.
        condition: the source of the condition, or what is known of it.
        skips: the answer with which the statement does nothing, where its body only prints, warns
            or logs; else None.
        stops: the answer with which the statement certainly raises, unless the error is caught;
            None if there is none.
        loops: it is asked again and again by a `while`.
    """

    place: str
    condition: str
    skips: bool | None = None
    stops: bool | None = None
    loops: bool = False


def question_at(frame: FrameType, *, is_direct: bool) -> Question:
    """Return what the running instruction of a frame asks.

    Args:
        frame: of the user's code.
        is_direct: it asks by itself; otherwise a function that it calls does.
    """
    code = frame.f_code
    place = f"{Path(code.co_filename).name}:{frame.f_lineno}"
    start, end = _positions(code, frame.f_lasti)
    found = _innermost(code.co_filename, start, end) if start else ()
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    line = lines[frame.f_lineno - 1].strip() if frame.f_lineno <= len(lines) else "a condition"
    for parent in reversed(found):
        match parent:
            case ast.Assert(test=test) if is_direct and (asked := _asked(test, start, end)):
                stops = (not asked.favours) if asked.settles_false else None
                return Question(place, ast.unparse(test), stops=stops)
            case ast.If(test=test, body=body, orelse=orelse) if is_direct and (
                asked := _asked(test, start, end)
            ):
                stops = None
                if asked.settles_true and _raises(body):
                    stops = asked.favours
                elif asked.settles_false and _raises(orelse):
                    stops = not asked.favours
                is_idle = _only_tells(body) and not orelse
                skips = (not asked.favours) if is_idle else None
                return Question(place, ast.unparse(test), skips, stops)
            case ast.While(test=test) if _holds(test, start, end):
                return Question(place, ast.unparse(test), loops=True)
            case ast.If(test=test) | ast.Assert(test=test) | ast.IfExp(test=test) if _holds(
                test, start, end
            ):
                return Question(place, ast.unparse(test))
    return Question(place, line)


_Position = tuple[int, int]


@dataclass(frozen=True)
class _Asked:
    """What a part of a condition means for the whole.

    Attributes:
        favours: the answer that favours that the condition is true.
        settles_true: this answer alone makes it true.
        settles_false: the other answer alone makes it false.
    """

    favours: bool
    settles_true: bool
    settles_false: bool


def _raises(body: list[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], ast.Raise)


def _positions(code: CodeType, instruction: int) -> tuple[_Position, _Position]:
    """Return where the source of an instruction starts and ends, as lines and columns; or zeros."""
    found = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    line, end_line, column, end_column = found
    if line is None or end_line is None or column is None or end_column is None:
        return (0, 0), (0, 0)
    return (line, column), (end_line, end_column)


@lru_cache(maxsize=32)
def _parsed(filename: str, source: str) -> ast.Module | None:
    try:
        return ast.parse(source, filename)
    except SyntaxError:
        return None


def _innermost(filename: str, start: _Position, end: _Position) -> tuple[ast.AST, ...]:
    """Return the statements and expressions around a piece of source, the outermost first."""
    tree = _parsed(filename, "".join(linecache.getlines(filename)))
    found: list[ast.AST] = []
    node: ast.AST | None = tree
    while node is not None:
        found.append(node)
        node = next((child for child in _children(node) if _holds(child, start, end)), None)
    return tuple(found)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if hasattr(child, "lineno"):
            yield child
        else:  # an argument list or a comprehension has no position of its own
            yield from _children(child)


def _holds(node: ast.AST, start: _Position, end: _Position) -> bool:
    first = (node.lineno, node.col_offset)  # type: ignore[attr-defined]
    last = (node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
    return first <= start and end <= last


def _asked(test: ast.expr, start: _Position, end: _Position) -> _Asked | None:
    """Return what a part of a condition means for it, or None.

    The part is the piece of source that is asked, below `not`, `and` and `or` alone.
    """
    favours, node = True, test
    settles = {True, False}
    while True:
        if (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset) == (*start, *end):
            return _Asked(favours, favours in settles, (not favours) in settles)
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                favours, node = not favours, operand
                settles = {not answer for answer in settles}
            case ast.BoolOp(op=op, values=values):
                inner = [value for value in values if _holds(value, start, end)]
                if not inner:
                    return None
                settles &= {isinstance(op, ast.Or)}
                (node,) = inner
            case _:
                return None


_TELLING = {
    "print", "warn", "warning", "info", "debug", "error", "critical", "exception", "log",
    "warn_once", "warning_once",
}  # fmt: skip
_TELLERS = {"warnings", "logging", "log", "logger", "_logger", "LOGGER", "LOG", "_LOG"}


def _only_tells(body: list[ast.stmt]) -> bool:
    """Return whether statements only print, warn or log."""
    return all(map(_tells, body))


def _tells(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass():
            return True
        case ast.Expr(value=ast.Call(func=ast.Name("print" | "warn"))):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=called))):
            name = ast.unparse(owner)
            is_log = name.split(".")[-1] in _TELLERS or name.startswith("logging.getLogger")
            is_stream = called == "write" and name in ("sys.stdout", "sys.stderr")
            return is_stream or (is_log and called in _TELLING)
    return False
