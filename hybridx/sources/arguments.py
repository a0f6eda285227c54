"""What `--arg NAME=VALUE` gives a class or a factory, typed by its signature."""

from __future__ import annotations

import inspect
import reprlib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import PurePath
from typing import Any

import msgspec
import torch

from hybridx.errors import FactoryArgumentError

_WORDS = {"none": None, "null": None, "true": True, "false": False}
# It is too deep, or has bytes that are no text.
_NO_JSON = (msgspec.DecodeError, RecursionError, UnicodeEncodeError)
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Call:
    """A call of a class or a factory.

    Attributes:
        args: by position, for parameters that take no name.
        kwargs: by name.
        text: the call as one would write it, such as `Net(hidden=32)`.
        learned: names of the arguments that a checkpoint gave.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    text: str
    learned: tuple[str, ...] = ()


def read_call(factory: Callable[..., Any], texts: Sequence[str], known: Mapping[str, Any]) -> Call:
    """Return the call of a factory with arguments that are given as text.

    A value has the type of the parameter's annotation, or of its default: numbers, booleans, texts,
    None, literals, enums (by name or value), paths, dtypes and devices of torch; lists, tuples and
    dicts are JSON.

    Args:
        factory: a class or a function.
        texts: each `NAME=VALUE`.
        known: values for parameters that the texts do not name, such as a checkpoint holds them.

    Raises:
        FactoryArgumentError: a name is unknown or missing, or a value has another type.
    """
    parameters = _parameters(factory)
    called = getattr(factory, "__name__", type(factory).__name__)
    shown = f"{called}{_shown(parameters)}"
    named = {p.name: p for p in parameters if p.kind not in _VARIABLE}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not (equals and name.isidentifier()):
            raise FactoryArgumentError(shown, f"--arg {text!r} is not NAME=VALUE")
        if name in values:
            raise FactoryArgumentError(shown, f"--arg {name}=… is given twice")
        if name not in named and not takes_any:
            nearest = get_close_matches(name, named, n=1)
            hint = f"; the nearest is {nearest[0]!r}" if nearest else ""
            raise FactoryArgumentError(shown, f"there is no parameter {name!r}{hint}")
        try:
            values[name] = _value(value, named.get(name))
        except ValueError as error:
            raise FactoryArgumentError(shown, f"--arg {text}: {error}") from error
    learned = tuple(name for name in known if name in named and name not in values)
    values |= {name: known[name] for name in learned}
    required = [p.name for p in named.values() if p.default is p.empty and p.name not in values]
    if required:
        missing = " ".join(f"--arg {name}=…" for name in required)
        raise FactoryArgumentError(shown, f"{missing} must be given")
    first = [p.name for p in named.values() if p.kind is p.POSITIONAL_ONLY and p.name in values]
    inside = ", ".join(f"{name}={_brief(value)}" for name, value in values.items())
    args = tuple(values.pop(name) for name in first)
    return Call(args, values, f"{called}({inside})", learned)


def needed(factory: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the parameters that a call must give."""
    return frozenset(p.name for p in _required(factory))


def takes_settings(factory: Callable[..., Any]) -> bool:
    """Return whether a function needs an argument that by its annotation is no tensor."""
    return any(_is_setting(p.annotation) for p in _required(factory))


def _required(factory: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in _parameters(factory) if p.default is p.empty and p.kind not in _VARIABLE]


def _is_setting(kind: Any) -> bool:
    if not isinstance(kind, type):
        return typing.get_origin(kind) is typing.Literal
    return is_dataclass(kind) or issubclass(kind, int | str | Enum | PurePath)


def unfilled(factory: Callable[..., Any]) -> FactoryArgumentError:
    """Return the error for a function that is given weights, but not what it needs to be called."""
    called = getattr(factory, "__name__", type(factory).__name__)
    names = ", ".join(sorted(needed(factory)))
    reason = (
        f"no value is given for {names}, and as a function of tensors it has no weights, which "
        "--checkpoint needs"
    )
    return FactoryArgumentError(f"{called}{_shown(_parameters(factory))}", reason)


def _parameters(factory: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters of a factory; annotations in quotes become types where they can."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except ValueError:  # a class written in C
        return []
    is_class = isinstance(factory, type)
    function: Any = inspect.getattr_static(factory, "__init__") if is_class else factory
    names = getattr(inspect.unwrap(function), "__globals__", {})
    return [one.replace(annotation=_resolved(one.annotation, names)) for one in parameters]


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    holder = types.SimpleNamespace(__annotations__={"found": annotation})
    try:
        return typing.get_type_hints(holder, names)["found"]
    except Exception:
        # It may name what is there for type checkers alone, and may be any expression.
        return inspect.Parameter.empty


def _shown(parameters: Sequence[inspect.Parameter]) -> str:
    return f"({', '.join(map(_declared, parameters))})"


def _declared(parameter: inspect.Parameter) -> str:
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
    text = stars.get(parameter.kind.name, "") + parameter.name
    if parameter.annotation is not parameter.empty:
        text += f": {_type_name(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        text += f" = {_brief(parameter.default)}"
    return text


def _brief(value: Any) -> str:
    # A value of a checkpoint may hold itself, or a list a thousand times.
    shown = str(value) if isinstance(value, Enum) else reprlib.repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}…"


def _value(text: str, parameter: inspect.Parameter | None) -> Any:
    """Return the value that a text stands for.

    Raises:
        ValueError: it is none of the parameter's type.
    """
    if parameter is None:
        return _untyped(text)
    kind = parameter.annotation
    if kind in (parameter.empty, Any):
        return _like(text, parameter.default)
    return _typed(text, kind)


def _typed(text: str, kind: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _typed(text, typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return _member(text, kind)
    if kind is str:
        return text
    if kind is type(None):
        if text.lower() not in ("none", "null"):
            raise ValueError(f"{text!r} is not None")
        return None
    if origin is typing.Literal:
        return _one_of(text, {str(choice): choice for choice in typing.get_args(kind)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        members = {str(one.value): one for one in kind}
        return _one_of(text, members | {one.name: one for one in kind})
    if isinstance(kind, type) and issubclass(kind, PurePath):
        return kind(text)
    if kind is torch.dtype:
        found = getattr(torch, text.removeprefix("torch."), None)
        if not isinstance(found, torch.dtype):
            raise ValueError(f"{text!r} is no dtype of torch")
        return found
    if kind is torch.device:
        try:
            return torch.device(text)
        except RuntimeError as error:
            raise ValueError(f"{text!r} is no device of torch") from error
    return _converted(text, kind, origin or kind)


def _member(text: str, kind: Any) -> Any:
    """Return a value of the first type of a union that takes the text; text comes last."""
    members = sorted(typing.get_args(kind), key=lambda one: (one is str, one is not type(None)))
    for member in members:
        try:
            return _typed(text, member)
        except ValueError as error:
            refusal = error
    if len(members) == 2 and type(None) in members:
        raise refusal
    raise ValueError(f"{text!r} is not {_type_name(kind)}")


def _one_of(text: str, choices: Mapping[str, Any]) -> Any:
    if text not in choices:
        raise ValueError(f"{text!r} is none of {', '.join(choices)}")
    return choices[text]


def _converted(text: str, kind: Any, plain: Any) -> Any:
    """Return a number, a boolean or a container; lists may leave out their brackets."""
    is_list = plain in (list, tuple, set, frozenset, Sequence) or (
        isinstance(plain, type) and issubclass(plain, Sequence)
    )
    written = f"[{text}]" if is_list and not text.lstrip().startswith("[") else text
    try:
        raw = msgspec.json.decode(written)
    except _NO_JSON:
        raw = text
    try:
        return msgspec.convert(raw, kind, strict=plain is not bool and not isinstance(raw, str))
    except (msgspec.ValidationError, TypeError) as error:
        if isinstance(plain, type) and is_dataclass(plain):
            keys = ", ".join(one.name for one in fields(plain) if one.init)
            reason = f"{text!r} is not {_type_name(kind)}, a JSON object with the keys {keys}"
            raise ValueError(reason) from error
        if plain in (int, float, bool, dict, Mapping) or is_list:
            raise ValueError(f"{text!r} is not {_type_name(kind)}") from error
        reason = f"a text cannot stand for {_type_name(kind)}; name a function that makes the model"
        raise ValueError(reason) from error


def _like(text: str, default: Any) -> Any:
    """Return a value of the type of a default, or what the text looks like."""
    if isinstance(default, bool | str | Enum | PurePath | torch.dtype | torch.device):
        return _typed(text, type(default))
    if isinstance(default, int | float):
        return _typed(text, int | float)
    if isinstance(default, list | tuple):
        return type(default)(_converted(text, list, list))
    return _untyped(text)


def _untyped(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return msgspec.json.decode(text)
    except _NO_JSON:
        return text


def _type_name(kind: Any) -> str:
    return str(kind.__name__) if isinstance(kind, type) else str(kind).replace("typing.", "")
