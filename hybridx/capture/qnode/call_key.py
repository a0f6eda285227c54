"""Decide whether two QNode calls have the same circuit: then only the first need be traced.

A key is made of everything that the quantum function can read: its arguments, its closure, the
globals that it and the functions it calls name, and all that can be reached from there
(attributes, slots, items, class attributes, arrays by content, tensors by identity and version).
If a call can read anything else, such as a generator or an open file, its key equals no other.
"""

from __future__ import annotations

import array
import dis
import functools
import hashlib
import logging
import random
import re
import sys
import weakref
from abc import ABC
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from threading import Lock, RLock
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GenericAlias,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
    UnionType,
    WrapperDescriptorType,
)
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import pennylane as qml
import torch
from torch import Tensor, nn

from hybridx.capture.python.source_location import is_users
from hybridx.capture.qnode.arguments import Arguments
from hybridx.capture.qnode.guard import Watch
from hybridx.capture.torch_internals import flatten, leaves_of, registered_in, version_of

MOST_OBJECTS = 50_000
"""The most objects that are read for one call; with more, its key equals no other."""

MOST_NESTED = 150
"""The greatest depth of nesting of the objects that a call reads."""

_PLAIN = frozenset({
    bool, int, str, bytes, range, Decimal, Fraction, type(None), type(Ellipsis),
    type(NotImplemented), torch.dtype, torch.device, torch.layout, torch.memory_format,
})  # fmt: skip
_CONTAINERS = frozenset({OrderedDict, dict, list, tuple})
_FIXED = (date, time, timedelta, tzinfo, PurePath)  # immutable; equal if their texts are equal


class _Pair(NamedTuple):
    first: int


# Objects that are immutable, or for which identity decides.
_BY_IDENTITY = (
    GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType, WrapperDescriptorType,
    GenericAlias, UnionType, TypeVar, re.Pattern, np.dtype, np.ufunc, logging.Logger,
    type(_Pair.__dict__["first"]), type(Lock()), type(RLock()), type(np.stack),
    qml.devices.Device, torch.fx.Node, torch.fx.Proxy,
)  # fmt: skip
_TRUSTED = frozenset({
    *sys.stdlib_module_names, "autoray", "hybridx", "numpy", "opt_einsum", "pennylane",
    "pennylane_lightning", "scipy", "torch",
})  # fmt: skip
"""Packages whose own functions and classes do not change while a model is traced."""

# Functions that look up names which do not stand in the code of their caller.
_BY_ANY_NAME = frozenset({
    "__dict__", "__getattribute__", "attrgetter", "dir", "eval", "exec", "getattr", "getmembers",
    "globals", "locals", "methodcaller", "vars",
})  # fmt: skip
# Functions that read all attributes of an object.
_BY_ANY_ATTRIBUTE = frozenset({
    "_buffers", "_modules", "_parameters", "apply", "asdict", "astuple", "buffers", "children",
    "copy", "deepcopy", "get_buffer", "get_parameter", "get_submodule", "modules", "named_buffers",
    "named_children", "named_modules", "named_parameters", "parameters", "replace", "state_dict",
})  # fmt: skip
_TEXT_AS_CODE = frozenset({"eval", "exec"})
_GLOBAL_ACCESS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"})
_OUTSIDE_BUILTINS = frozenset({"input", "open"})
_OUTSIDE_MODULES = frozenset({"datetime", "io", "os", "secrets", "socket", "time", "uuid"})

# What Python keeps in each module: all builtins, among them the last result of a console, and how
# the module was imported.
_OF_IMPORTS = frozenset({"__builtins__", "__cached__", "__loader__", "__spec__"})

# Attributes that every class has; no quantum function depends on them.
_EVERY_CLASS = frozenset({
    "__annotations__", "__dict__", "__doc__", "__firstlineno__", "__module__", "__qualname__",
    "__static_attributes__", "__weakref__", "_abc_impl",
})  # fmt: skip


_CachedFunction = type(functools.lru_cache(lambda: None))


class _Unknown(Exception):  # noqa: N818
    """A call reads something that cannot be compared with what another call reads."""


@dataclass(frozen=True)
class Key:
    """What a call reads, as a flat sequence.

    Attributes:
        tokens: plain values, and the identities of other objects.
        held: these objects, so that no new object gets one of the identities while the key exists.
    """

    tokens: tuple[Any, ...]
    held: tuple[Any, ...] = field(compare=False, repr=False)


def tensors_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """Return the tensors among the arguments of a call, in a fixed order."""
    return [leaf for leaf in leaves_of((args, kwargs)) if isinstance(leaf, Tensor)]


def call_key(qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: str) -> Hashable:
    """Return a key that is equal for calls whose circuits differ only in the tensors' numbers.

    If a call reads something that cannot be compared, its key equals no other key, not even that
    of the same call made again.
    """
    leaves, structure = flatten((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    # The same tensor passed twice is one node of the graph, unlike two tensors.
    repeats = tuple(next(i for i, t in enumerate(tensors) if t is tensor) for tensor in tensors)
    reader = _Reader()
    try:
        reader.plain(
            layer,
            str(structure),
            tuple((tuple(map(str, t.shape)), t.dtype) for t in tensors),
            repeats,
            torch.get_default_dtype(),
            torch.initial_seed(),
            random.getstate(),
        )
        reader.read(np.random.get_state())  # noqa: NPY002 - the state that user code shares
        reader.read([leaf for leaf in leaves if not isinstance(leaf, Tensor)])
        reader.read(qnode)
        return reader.key()
    except _Unknown:
        return Key((object(),), ())


@dataclass(frozen=True)
class Reading:
    """What a call reads, other than the numbers of tensors and the shapes of its arguments.

    Attributes:
        key: equal for calls that read the same.
        watch: the same as checks, and where the tensors stand.
    """

    key: Hashable
    watch: Watch

    @property
    def tensors(self) -> Sequence[Tensor]:
        """Those that are no arguments, in an order that is the same where the key is."""
        return self.watch.tensors

    def is_same(self, other: Reading) -> bool:
        """Return whether two calls read the same objects, tensors included."""
        pairs = zip(self.tensors, other.tensors, strict=True)
        return self.key == other.key and all(one is two for one, two in pairs)


def read_call(qnode: Any, given: Arguments) -> Reading | None:
    """Return what a QNode call reads, or None if that cannot be compared between calls.

    Args:
        qnode: that is called.
        given: its arguments.
    """
    watch = Watch()
    reader = _Reader(watch)
    try:
        reader.plain(str(given.structure))
        reader.read_all("arguments", given.rest)
        reader.read(qnode)
        return Reading(reader.key(), watch)
    except _Unknown:
        return None


@dataclass(frozen=True)
class _Namespace:
    """Names of which a call reads only those that stand in its code.

    Attributes:
        mapping: from names to values.
        unread: the entries that are not read yet.
        is_object: it holds the attributes of an object.
    """

    mapping: Mapping[str, Any]
    unread: dict[str, Any]
    is_object: bool = False


class _Reader:
    """Writes down what can be reached from a value, each object once."""

    def __init__(self, watch: Watch | None = None) -> None:
        """Read for one trace, or, with a watch to note everything in, for calls at other times."""
        self._tokens: list[Any] = []
        self._held: list[Any] = []
        self._numbers: dict[int, int] = {}  # the number of each object met, by its identity
        self._depth = 0
        self._names: set[str] = set()  # the names that reachable code reads
        self._reads_any_name = False
        self._reads_any_attribute = False
        self._namespaces: list[_Namespace] = []
        self._is_live = watch is not None
        self._watch = Watch() if watch is None else watch

    def key(self) -> Key:
        """Return the key of all that was read.

        Raises:
            _Unknown: the call reads something that cannot be compared.
        """
        has_news = True
        while has_news:
            has_news = False
            for namespace in self._namespaces:
                for name in [name for name in namespace.unread if self._is_named(name, namespace)]:
                    value = namespace.unread.pop(name)
                    self.plain(name)
                    self._watch.entry(namespace.mapping, name, value)
                    self.read(value)
                    has_news = True
        for namespace in self._namespaces:
            if self._reads_all(namespace):
                self._watch.names(namespace.mapping)
            else:
                # An object may get a `forward` of its own, which torch calls.
                self._watch.absent(namespace.mapping, self._names | {"forward"})
        return Key(tuple(self._tokens), tuple(self._held))

    def _is_named(self, name: str, namespace: _Namespace) -> bool:
        is_called_by_python = name == "forward" or (name.startswith("__") and name.endswith("__"))
        return is_called_by_python or name in self._names or self._reads_all(namespace)

    def _reads_all(self, namespace: _Namespace) -> bool:
        return self._reads_any_name or (namespace.is_object and self._reads_any_attribute)

    def plain(self, *values: Any) -> None:
        """Write down values that are compared by equality."""
        self._tokens.extend(values)

    def read(self, value: Any) -> None:
        """Write down a value and what can be reached from it.

        Raises:
            _Unknown: the value cannot be compared.
        """
        kind = type(value)
        if kind in _PLAIN:
            self._tokens += kind, value
            return
        if kind is float or kind is complex:
            self._tokens += kind, repr(value)  # as text NaN equals NaN, and -0.0 differs from 0.0
            return
        number = self._numbers.get(id(value))
        if number is not None:
            self._tokens += "again", number
            return
        self._numbers[id(value)] = len(self._numbers)
        self._held.append(value)
        if len(self._numbers) > MOST_OBJECTS or self._depth > MOST_NESTED:
            raise _Unknown
        self._depth += 1
        self._object(value)
        self._depth -= 1  # not needed after an error: the reader is discarded then

    def read_all(self, kind: str, values: Iterable[Any]) -> None:
        """Write down several values and what can be reached from them."""
        tokens, values = self._tokens, tuple(values)
        tokens += kind, len(values)
        for value in values:
            if type(value) in _PLAIN:
                tokens += type(value), value
            else:
                self.read(value)

    def _itself(self, value: Any) -> None:
        self._held.append(value)
        self._tokens += "itself", id(value)

    def _object(self, value: Any) -> None:
        if type(value) in _CONTAINERS:  # the most frequent case
            self.plain(type(value))
            if type(value) in (list, tuple):
                self._watch.items(value)
                self.read_all("items", value)
            else:
                self._mapping(value)
            return
        match value:
            case Tensor():
                self._tensor(value)
            case np.ndarray():
                self._array(value)
            case np.generic():
                self.plain(type(value), value.dtype.str, value.tobytes())
            case type():
                self._class(value)
            case FunctionType():
                self._function(value)
            case CodeType():
                self._code(value, {})
            case MethodType():
                self.read_all("method", (value.__func__, value.__self__))
            case BuiltinFunctionType():
                self._builtin(value)
            case _CachedFunction():
                if self._is_live and not _reads_nothing(value.__wrapped__):
                    raise _Unknown  # it may remember what was there before a change
                cache = value.cache_info()  # without the hits, which every further call increases
                self.plain(cache.misses, cache.currsize)
                self._watch.check(_filled, value)
                self.read_all("cached", (value.__wrapped__,))
            case functools.partial():
                self.read_all("partial", (value.func, value.args, value.keywords))
                self._attributes(value)
            case property():
                self.read_all("property", (value.fget, value.fset, value.fdel))
            case functools.cached_property():
                self.read_all("property", (value.func,))
            case staticmethod() | classmethod():
                self.read_all(type(value).__name__, (value.__func__,))
            case CellType():
                self._cell(value)
            case ModuleType():
                self._module(value)
            case weakref.ref():
                self._watch.check(_referred, value)
                self.read_all("weak", (value(),))
            case qml.QNode():
                self._qnode(value)
            case qml.operation.Operator() | qml.measurements.MeasurementProcess():
                # Do not read its attributes: they cache results of earlier use.
                self.plain(type(value))
                leaves, structure = qml.pytrees.flatten(value)
                self.read_all("leaves", leaves)
                self._structure(structure)
                self._watch_operator(value)
            case _:
                self._further(value)

    def _further(self, value: Any) -> None:
        kind: Any = type(value)
        match value:
            case list() | tuple() | deque() | set() | frozenset():
                # In the order of iteration, also for a set: a circuit may depend on it.
                self._kind(value)
                self._watch.items(value)
                self._watch.is_whole &= kind.__iter__ in _OWN_ITERATION
                self.read_all("items", value)
                self.plain(getattr(value, "maxlen", None))
                self._attributes(value)
            case dict():
                self._kind(value)
                self._mapping(value)
                if isinstance(value, defaultdict):
                    self._watch.attribute(value, "default_factory", value.default_factory)
                    self.read(value.default_factory)
                self._attributes(value)
            case MappingProxyType():
                self._mapping(value)
            case SimpleNamespace():
                self._kind(value)
                self._mapping(vars(value))
                self._watch.attribute(value, "__dict__", vars(value))
            case qml.wires.Wires():
                # Operators that are made anew for each call have wires of their own.
                self.read_all("wires", value.labels)
            case slice():
                self.read_all("slice", (value.start, value.stop, value.step))
            case bytearray():
                self.plain(bytearray, bytes(value))
                self._watch.check(bytes, value)
            case array.array():
                self.plain(array.array, value.typecode, value.tobytes())
                self._watch.check(array.array.tobytes, value)
            case random.Random():
                self._kind(value)
                self.read(value.getstate())
                self._watch.check(random.Random.getstate, value)
                self._attributes(value)
            case np.random.Generator():
                self.read(value.bit_generator)
            case np.random.BitGenerator():
                self.plain(type(value))
                self._watch.is_whole = False
                self.read(value.state)
            case np.random.RandomState():
                self._watch.is_whole = False
                self.read(value.get_state())
            case _ if isinstance(value, _FIXED):
                self.plain(type(value), repr(value))
            case _ if isinstance(value, _BY_IDENTITY) or _is_ours(type(value)):
                self._itself(value)
            case int() | float() | complex() | str() | bytes():
                self._kind(value)
                self.plain(_builtin_base(value), repr(_builtin_base(value)(value)))
                self._attributes(value)
            case _ if _is_pure(kind):
                self._itself(value)
                self._kind(value)
                if _reads_own_names(kind):
                    self._members(value)
                else:
                    self._attributes(value)
            case _:
                raise _Unknown

    def _structure(self, structure: Any) -> None:
        """Read the tree structure of an operator."""
        if structure.is_leaf:
            self.plain("leaf")
            return
        self.plain(structure.type_, len(structure.children))
        self.read(structure.metadata)
        for child in structure.children:
            self._structure(child)

    def _tensor(self, value: Tensor) -> None:
        if self._is_live:
            self._watch.tensors.append(value)
            self.plain("tensor", value.shape, value.dtype, value.device)
            return
        version = version_of(value)
        if version is None:
            raise _Unknown
        self._tokens += "tensor", id(value), version
        for name, item in getattr(value, "__dict__", {}).items():
            if type(item) in _PLAIN:
                self._tokens += name, item

    def _array(self, value: np.ndarray[Any, Any]) -> None:
        self.plain(type(value), value.dtype.str, value.shape)
        self._watch.array(value)
        if value.dtype.hasobject:
            self.read_all("elements", value.ravel().tolist())
        else:
            content = np.ascontiguousarray(value).view(np.ndarray)
            self.plain(hashlib.blake2b(content.tobytes()).digest())
        self._attributes(value)

    def _mapping(self, value: Mapping[Any, Any]) -> None:
        tokens = self._tokens
        tokens += "mapping", len(value)
        self._watch.mapping(value)
        self._watch.is_whole &= type(value).__iter__ in _OWN_ITERATION
        for key, item in value.items():
            for part in (key, item):
                if type(part) in _PLAIN:
                    tokens += type(part), part
                else:
                    self.read(part)

    def _kind(self, value: Any) -> None:
        """Read the class of a value, and through it the methods that are called on it."""
        kind = type(value)
        if kind.__module__ == "builtins":
            self.plain(kind)
        else:
            self._watch.kind(value)
            self.read(kind)

    def _attributes(self, value: Any) -> None:
        """Read the attributes in the `__dict__` and the slots of an object."""
        attributes = getattr(value, "__dict__", None)
        if attributes is not None:
            self._watch.attribute(value, "__dict__", attributes)
            self._mapping(attributes)
        self._in_slots(value)

    def _in_slots(self, value: Any) -> None:
        kind: Any = type(value)
        for slot in _slots(kind):
            try:
                content = slot.__get__(value)
            except AttributeError:
                self.plain("empty")
                self._watch.check(functools.partial(_is_empty, slot.__name__), value)
                continue
            self._watch.attribute(value, slot.__name__, content)
            self.read(content)

    def _members(self, value: Any) -> None:
        """Read those attributes of an object that code names."""
        attributes = getattr(value, "__dict__", {})
        self._namespace(attributes, is_object=True)
        if isinstance(value, nn.Module):
            for registered in registered_in(value):
                self._namespace(registered, is_object=True)
            for name in _EVERY_MODULE & attributes.keys():
                self._watch.entry(attributes, name, attributes[name])
                self.read(attributes[name])
        self._in_slots(value)

    def _namespace(self, mapping: Mapping[str, Any], *, is_object: bool = False) -> None:
        unread = {name: value for name, value in mapping.items() if name not in _OF_IMPORTS}
        self._namespaces.append(_Namespace(mapping, unread, is_object))

    def _watch_operator(self, operator: Any) -> None:
        """Note the attributes of an operator as they are, caches of earlier use included."""
        pending, seen = [operator], set[int]()
        while pending:
            value = pending.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            match value:
                case qml.operation.Operator() | qml.measurements.MeasurementProcess():
                    pending.append(vars(value))
                case dict():
                    self._watch.mapping(value)
                    pending += value.values()
                case list() | tuple():
                    self._watch.items(value)
                    pending += value
                case np.ndarray():
                    self._watch.array(value)

    def _class(self, value: type[Any]) -> None:
        self._itself(value)
        for base in value.__mro__[:-1]:
            if _is_trusted(base.__module__):
                continue
            members: dict[str, Any] = {}
            for name, member in vars(base).items():
                if name in _EVERY_CLASS or isinstance(member, MemberDescriptorType):
                    continue
                if callable(member) or hasattr(type(member), "__get__"):
                    members[name] = member
                else:
                    self.plain(name)
                    self._watch.entry(vars(base), name, member)
                    self.read(member)
            self._itself(base)
            self._namespaces.append(_Namespace(vars(base), members))

    def _function(self, value: FunctionType) -> None:
        is_library = _is_trusted(value.__module__) and not is_users(value.__code__.co_filename)
        if is_library and ("<locals>" not in value.__qualname__ or _is_ours(value)):
            self._itself(value)
            return
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            self._watch.attribute(value, name, getattr(value, name))
        self._code(value.__code__, {} if is_library else value.__globals__)
        self.read_all("cells", value.__closure__ or ())
        self.read_all("defaults", value.__defaults__ or ())
        self._mapping(value.__kwdefaults__ or {})
        if value.__dict__:
            self._mapping(value.__dict__)
        else:
            self._watch.names(value.__dict__)

    def _code(self, code: CodeType, namespace: Mapping[str, Any]) -> None:
        """Read the globals that code names.

        Raises:
            _Unknown: the code reads something from outside the process.
        """
        self._itself(code)
        if not namespace:
            return  # library code reads its arguments only
        names, texts, imports, loaded = _names(code)
        self._names |= names | texts
        self._reads_any_name |= not names.isdisjoint(_BY_ANY_NAME)
        self._reads_any_attribute |= not names.isdisjoint(_BY_ANY_ATTRIBUTE)
        if not loaded.isdisjoint(_OUTSIDE_BUILTINS | _TEXT_AS_CODE):
            raise _Unknown
        if "globals" in loaded:
            loaded |= names | texts
        for name in sorted(loaded & namespace.keys()):
            self.plain(name)
            self._watch.entry(namespace, name, namespace[name])
            self.read(namespace[name])
        self._watch.absent(namespace, loaded)
        for name in sorted(imports):
            if name in sys.modules:
                self.read(sys.modules[name])
            elif name in _OUTSIDE_MODULES or not _is_trusted(name):
                raise _Unknown

    def _builtin(self, value: Any) -> None:
        owner = value.__self__
        if owner is None or isinstance(owner, ModuleType):
            self._itself(value)
        else:
            self.plain(value.__name__)
            self.read(owner)

    def _cell(self, value: CellType) -> None:
        try:
            content = value.cell_contents
        except ValueError:  # a name that has no value yet
            self.plain("empty")
            self._watch.check(functools.partial(_is_empty, "cell_contents"), value)
            return
        self._watch.attribute(value, "cell_contents", content)
        self.read(content)

    def _module(self, value: ModuleType) -> None:
        if value.__name__ in _OUTSIDE_MODULES:
            raise _Unknown
        self._itself(value)
        if not _is_trusted(value.__name__):
            self._namespace(vars(value))

    def _qnode(self, value: Any) -> None:
        self._itself(value.device)
        self.plain(*_settings(value))
        self._watch.check(_settings, value)
        self._watch.attribute(value, "func", value.func)
        self._watch.attribute(value, "device", value.device)
        self.read(value.func)
        self._watch.items(value.compile_pipeline)
        for transform in value.compile_pipeline:
            self._itself(transform.tape_transform)
            self.read(transform.args)
            self.read(transform.kwargs)


def _settings(qnode: Any) -> tuple[Hashable, ...]:
    """Return in what way a QNode is computed."""
    device = qnode.device
    return (
        device.name, device.wires, qnode.shots, qnode.interface, qnode.diff_method,
        str(getattr(device, "readout_err", None)),
    )  # fmt: skip


def _reads_nothing(function: Any) -> bool:
    """Return whether a function reads only its arguments, modules and what libraries define."""
    if not isinstance(function, FunctionType) or function.__closure__:
        return False
    *_, loaded = _names(function.__code__)
    found = (function.__globals__[name] for name in loaded if name in function.__globals__)
    return all(
        isinstance(one, ModuleType) or _is_trusted(getattr(one, "__module__", None))
        for one in found
    )


def _filled(function: Any) -> Hashable:
    cache = function.cache_info()
    return cache.misses, cache.currsize


def _referred(reference: Any) -> int:
    return id(reference())


def _is_empty(name: str, owner: Any) -> bool:
    """Return whether a slot or a cell has no content."""
    try:
        getattr(owner, name)
    except (AttributeError, ValueError):
        return True
    return False


_OWN_ITERATION = frozenset(
    kind.__iter__
    for kind in (list, tuple, set, frozenset, deque, dict, OrderedDict, MappingProxyType)
)
"""How containers are iterated whose classes do not define it anew."""

_EVERY_MODULE = frozenset({"_forward_hooks", "_forward_pre_hooks", "training"})
"""Attributes that torch reads where a module is called."""


@functools.lru_cache(maxsize=4096)
def _names(
    code: CodeType,
) -> tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]:
    """Return the names in code, its string constants, the modules it imports, and its globals.

    The code of functions defined inside it is included.
    """
    names, texts = set(code.co_names), set[str]()
    instructions = list(dis.get_instructions(code))
    imports = {one.argval for one in instructions if one.opname == "IMPORT_NAME"}
    loaded = {one.argval for one in instructions if one.opname in _GLOBAL_ACCESS}
    for constant in _constants(code.co_consts):
        if isinstance(constant, CodeType):
            inner_names, inner_texts, inner_imports, inner_loaded = _names(constant)
            names |= inner_names
            texts |= inner_texts
            imports |= inner_imports
            loaded |= inner_loaded
        elif constant.isidentifier():
            texts.add(constant)
    return frozenset(names), frozenset(texts), frozenset(imports), frozenset(loaded)


def _constants(constants: Iterable[Any]) -> Iterator[Any]:
    """Yield the code objects and strings among constants, also in tuples and sets."""
    for constant in constants:
        if isinstance(constant, tuple | frozenset):
            yield from _constants(constant)
        elif isinstance(constant, CodeType | str):
            yield constant


@functools.cache
def _is_trusted(name: str | None) -> bool:
    """Return whether a module is that of a library that is known not to change."""
    if name is None or name.partition(".")[0] not in _TRUSTED or name.startswith("hybridx.models"):
        return False
    # A file of the user's may have the same name as a library.
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is None or not is_users(file)


def _is_ours(value: Callable[..., Any]) -> bool:
    """Return whether a class or function belongs to the tracing itself."""
    name = value.__module__ or ""
    return name.startswith("hybridx.") and not name.startswith("hybridx.models")


@functools.lru_cache(maxsize=4096)
def _reads_own_names(kind: Any) -> bool:
    """Return whether what reads attributes of a class's objects stands in code of the user's.

    Methods that a class inherits from a library read attributes by names of their own.
    """
    return all(
        base in _EMPTY_BASES or not _is_trusted(base.__module__) for base in kind.__mro__[:-1]
    ) and not _is_trusted(kind.__module__)


_EMPTY_BASES = frozenset({nn.Module, ABC, Generic, Protocol, Enum})


@functools.lru_cache(maxsize=4096)
def _slots(kind: Any) -> tuple[MemberDescriptorType, ...]:
    """Return the slots of a class of Python, also those that it inherits."""
    return tuple(
        slot
        for base in kind.__mro__
        if "__slots__" in vars(base)
        for slot in vars(base).values()
        if isinstance(slot, MemberDescriptorType)
    )


@functools.lru_cache(maxsize=4096)
def _is_pure(kind: Any) -> bool:
    """Return whether objects of a class hold only Python attributes and slots."""
    for base in kind.__mro__[:-1]:
        is_heap = bool(base.__flags__ & _HEAP_TYPE)
        if not is_heap or not (base.__dictoffset__ or "__slots__" in vars(base)):
            return False
    # A class in C keeps its own fields behind those of `object`.
    pointer = tuple.__itemsize__
    return bool(kind.__basicsize__ <= object.__basicsize__ + pointer * (len(_slots(kind)) + 2))


_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def _builtin_base(value: Any) -> Any:
    return next(one for one in (int, float, complex, str, bytes) if isinstance(value, one))
