"""The tensors of an archive, compared with the bytes that are there before torch reads any.

torch trusts what an archive says of a tensor: of a storage that claims to be longer than its bytes
it reads the memory behind them. TorchScript keeps what it says in a pickle, `data.pkl`. It is read
here by a reader of its own, of the few opcodes that torch writes; nothing is made or called.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hybridx.artifact.guard.refusal import Foreign, require

_MOST_AXES: Final = 64  # torch's own bound
_MOST_LENGTH: Final = 2**40  # of an axis; torch multiplies lengths without looking for overflow

# Bytes of a number, by the name of its storage.
_STORAGES: Final = {
    "torch DoubleStorage": 8,
    "torch FloatStorage": 4,
    "torch HalfStorage": 2,
    "torch BFloat16Storage": 2,
    "torch LongStorage": 8,
    "torch IntStorage": 4,
    "torch ShortStorage": 2,
    "torch CharStorage": 1,
    "torch ByteStorage": 1,
    "torch BoolStorage": 1,
}
_BOOLS: Final = "torch BoolStorage"


def check_tensor(
    name: str,
    data: bytes,
    itemsize: int,
    sizes: Sequence[Any],
    strides: Sequence[Any],
    offset: Any,
    *,
    is_bool: bool = False,
) -> None:
    """Refuse a tensor that is not within its bytes.

    Args:
        name: of the tensor, for messages.
        data: the bytes of its storage.
        itemsize: bytes of one number.
        sizes: its length along each axis, as the file says.
        strides: steps from one number to the next along each axis, likewise, in numbers.
        offset: place of its first number in the storage, likewise.
        is_bool: its numbers are truth values, which are 0 or 1.

    Raises:
        Foreign: a number is no whole number in its range, or the tensor reaches beyond the bytes.
    """
    numbers = [*sizes, *strides, offset]
    require(len(sizes) == len(strides) <= _MOST_AXES, f"{name} with {len(sizes)} axes")
    are_lengths = all(type(one) is int and 0 <= one <= _MOST_LENGTH for one in numbers)
    require(are_lengths, f"{name} with lengths, strides or an offset that are none")
    # A tensor that repeats its numbers could be of any size.
    require(math.prod(sizes) * itemsize <= len(data), f"{name} with more numbers than bytes")
    end = offset
    if 0 not in sizes:
        end += 1 + sum((size - 1) * step for size, step in zip(sizes, strides, strict=True))
    require(end * itemsize <= len(data), f"{name} with a tensor that ends behind its bytes")
    if is_bool:
        require(not data.translate(None, b"\0\1"), f"{name} with truth values other than 0 and 1")


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass(frozen=True)
class _Storage:
    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: Any
    sizes: tuple[Any, ...]
    strides: tuple[Any, ...]


@dataclass
class _Model:
    attributes: dict[Any, Any] = field(default_factory=dict)


class _Mark:
    """Where a tuple or the items of a dict begin."""


_MODEL: Final = _Global("__torch__.hybridx Model")
_REBUILD: Final = _Global("torch._utils _rebuild_tensor_v2")
_HOOKS: Final = _Global("collections OrderedDict")
_NO_HOOKS: Final = object()
_NAMES: Final = {
    one.name: one for one in (_MODEL, _REBUILD, _HOOKS, *(_Global(name) for name in _STORAGES))
}


def attributes_of(table: bytes, members: Mapping[str, bytes]) -> dict[str, str]:
    """Return the attributes of the model in TorchScript's `data.pkl`: `Tensor`, `bool` or `None`.

    Args:
        table: the pickle.
        members: of the archive, with the bytes of the storages as `data/<key>`.

    Raises:
        Foreign: it holds something that hybridx does not write, or a tensor beyond its bytes.
        ValueError: it is no pickle.
    """
    kinds: dict[str, str] = {}
    for name, value in _unpickled(table).attributes.items():
        require(isinstance(name, str) and name.isidentifier(), f"the attribute {name!r}")
        if isinstance(value, _Tensor):
            _check_stored(name, value, members)
        require(value is None or isinstance(value, bool | _Tensor), f"the attribute {name}")
        kinds[name] = type(value).__name__.lstrip("_").replace("NoneType", "None")
    return kinds


def _check_stored(name: str, tensor: _Tensor, members: Mapping[str, bytes]) -> None:
    storage = tensor.storage
    data = members.get(f"data/{storage.key}")
    require(data is not None, f"{name} in data/{storage.key}, which is not there")
    assert data is not None
    itemsize = _STORAGES[storage.kind]
    is_whole = type(storage.count) is int and storage.count * itemsize == len(data)
    require(is_whole, f"{name} with a storage of {storage.count} numbers in {len(data)} bytes")
    check_tensor(
        name,
        data,
        itemsize,
        tensor.sizes,
        tensor.strides,
        tensor.offset,
        is_bool=storage.kind == _BOOLS,
    )


def _unpickled(table: bytes) -> _Model:
    """Return what a pickle says, if it holds one model and torch's way to write it."""
    stack: list[Any] = []
    memo: list[Any] = []
    end = 0
    for operation, argument, place in pickletools.genops(table):
        end = place or 0
        match operation.name:
            case "PROTO":
                require(place == 0 and argument == 2, "a pickle of another protocol")
            case "GLOBAL":
                require(argument in _NAMES, f"{argument} in data.pkl")
                stack.append(_NAMES[str(argument)])
            case "MARK":
                stack.append(_Mark())
            case "BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1":
                stack.append(argument)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(operation.name == "NEWTRUE")
            case "NONE":
                stack.append(None)
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE":
                stack.append(tuple(_behind_mark(stack)))
            case "BINPUT" | "LONG_BINPUT":
                # torch makes room for as many as the number says.
                require(argument == len(memo) and stack, "an odd memo in data.pkl")
                memo.append(stack[-1])
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[int(argument or 0)])
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_called(function, arguments))
            case "NEWOBJ":
                require(stack[-2:] == [_MODEL, ()] and len(stack) == 2, "an object in data.pkl")
                stack[:] = [_Model()]
            case "SETITEMS":
                items = _behind_mark(stack)
                require(
                    isinstance(stack[-1], dict) and len(items) % 2 == 0, "odd items in data.pkl"
                )
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
                require(len(stack[-1]) == len(items) // 2, "a name twice in data.pkl")
            case "BUILD":
                state, model = stack.pop(), stack[-1]
                is_model = isinstance(model, _Model) and isinstance(state, dict)
                require(is_model and not model.attributes, "another object in data.pkl")
                model.attributes.update(state)
            case "STOP":
                continue
            case name:
                raise Foreign(f"{name} in data.pkl")
    require(end + 1 == len(table), "bytes behind data.pkl")
    require(len(stack) == 1 and isinstance(stack[0], _Model), "no model in data.pkl")
    whole: _Model = stack[0]
    return whole


def _behind_mark(stack: list[Any]) -> list[Any]:
    values: list[Any] = []
    while stack and not isinstance(stack[-1], _Mark):
        values.append(stack.pop())
    require(stack, "a tuple without a beginning in data.pkl")
    stack.pop()
    return values[::-1]


def _storage(given: Any) -> _Storage:
    match given:
        case ("storage", _Global(kind), str(key), "cpu", int(count)) if kind in _STORAGES:
            require(key.isascii() and key.isdigit(), f"the storage {key}")
            return _Storage(kind, key, count)
    raise Foreign(f"the storage {given}")


def _called(function: Any, arguments: Any) -> Any:
    match function, arguments:
        case _Global(_HOOKS.name), ():
            return _NO_HOOKS
        case (
            _Global(_REBUILD.name),
            (_Storage() as storage, offset, tuple(sizes), tuple(strides), False, one),
        ):
            require(one is _NO_HOOKS, "a tensor with hooks")
            return _Tensor(storage, offset, sizes, strides)
    raise Foreign("a call in data.pkl")
