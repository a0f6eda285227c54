"""The key of like calls: another one as soon as what the quantum function reads differs."""

from __future__ import annotations

import functools
import itertools
import random
import types
import weakref
from array import array
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture.qnode.call_key import MOST_NESTED, MOST_OBJECTS, call_key

DEVICE = qml.device("default.qubit", wires=3)
WIRING = [0, 1]
TABLE = {"first": [0, 1]}
DEPTH = 1
X = torch.ones(2)


def key(function, *args, device=DEVICE, **options):
    return call_key(qml.QNode(function, device, **options), (X, *args), {}, "layer")


class Bag:
    """An object with attributes."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


class Slotted:
    __slots__ = ("__hidden", "wires")

    def __init__(self, wires, hidden=0):
        self.wires = wires
        self.__hidden = hidden

    def hide(self, value):
        self.__hidden = value


@dataclass
class Config:
    wires: list[int] = field(default_factory=lambda: [0, 1])


class Frozen(namedtuple("Frozen", "wires")):  # noqa: PYI024 (as people write them)
    pass


class Deep:
    depth = 1
    table = [0, 1]  # noqa: RUF012 (as people write it)

    @property
    def wires(self):
        return WIRING

    def turn(self, x):
        qml.RX(x, wires=TABLE["first"][0])

    @classmethod
    def of_class(cls):
        return cls.depth

    @staticmethod
    def of_nobody():
        return DEPTH

    @functools.cached_property
    def late(self):
        return DEPTH


def reading(state):
    """A quantum function that reads what a variable holds."""

    def function(x):
        return state

    return function


def counting():
    count = 0

    def step():
        nonlocal count
        count += 1

    def function(x):
        return count

    return function, step


def of_globals(x):
    return WIRING, TABLE, DEPTH


def calling(x):
    return of_globals(x)


def nested(x):
    def inner():
        return [WIRING[0] for _ in range(2)]

    return inner()


def with_default(x, wires=WIRING):
    return wires


def with_keyword(x, *, wires=WIRING):
    return wires


def rewire():
    WIRING[0] = 1 - WIRING[0]


def rebind():
    global DEPTH
    DEPTH += 1


def of(value, change):
    """A function that captures a value, and a change of that value."""
    return reading(value), lambda: change(value)


def put(place, item, value):
    place[item] = value


@pytest.fixture(autouse=True)
def _state():
    global DEPTH
    yield
    WIRING[:] = [0, 1]
    TABLE["first"] = [0, 1]
    Deep.depth, Deep.table = 1, [0, 1]
    DEPTH = 1


shared = [0]
model = nn.Module()
model.wiring = [0, 1]
module = types.ModuleType("a_users_module")
module.WIRING = [0, 1]
linked = Bag(next=None)
linked.next = Bag(next=linked, value=[1])

# What is read: the quantum function, and what changes between two calls.
CHANGES = {
    "list behind an attribute": of(Bag(wiring=[0, 1]), lambda bag: put(bag.wiring, 0, 1)),
    "list behind a module's attribute": of(model, lambda one: put(one.wiring, 0, 1)),
    "dict of lists": of({"a": [0, 1]}, lambda one: put(one["a"], 0, 1)),
    "list in a tuple in a dict": of({"a": ([0],)}, lambda one: one["a"][0].append(1)),
    "three attributes deep": of(
        Bag(a=Bag(b=Bag(c=1))), lambda bag: setattr(bag.a.b, "c", 2)
    ),
    "around a circle": of(linked, lambda one: one.next.value.append(2)),
    "a new attribute": of(Bag(), lambda bag: setattr(bag, "a", 1)),
    "which of two is which": of(
        Bag(a=shared, b=shared), lambda bag: setattr(bag, "b", [0])
    ),
    "slot": of(Slotted([0, 1]), lambda one: put(one.wires, 0, 1)),
    "private slot": of(Slotted([0, 1]), lambda one: one.hide(1)),
    "dataclass": of(Config(), lambda one: put(one.wires, 0, 1)),
    "list in a named tuple": of(Frozen([0, 1]), lambda one: put(one.wires, 0, 1)),
    "namespace": of(types.SimpleNamespace(a=[0]), lambda one: put(one.a, 0, 1)),
    "view of a dict": of(Bag(a=types.MappingProxyType(TABLE)), lambda _: put(TABLE["first"], 0, 2)),
    "set": of({0, 1}, lambda one: one.add(2)),
    "order of a set": (reading(order := [{0, 8}]), lambda: put(order, 0, {8, 0})),
    "order of a dict": of(OrderedDict(a=0, b=1), lambda one: one.move_to_end("a")),
    "deque": of(deque([0, 1]), lambda one: one.rotate(1)),
    "Counter": of(Counter("ab"), lambda one: one.update("a")),
    "defaultdict": of(defaultdict(list), lambda one: one["a"]),
    "what a defaultdict makes": of(
        defaultdict(list), lambda one: setattr(one, "default_factory", dict)
    ),
    "bytearray": of(bytearray(b"ab"), lambda one: put(one, 0, 1)),
    "array": of(array("d", [0.0, 1.0]), lambda one: put(one, 0, 1.0)),
    "NumPy array": of(np.zeros(3), lambda one: put(one, 0, 1.0)),
    "strided NumPy array": of(np.zeros((3, 4))[:, ::2], lambda one: put(one, (0, 1), 1.0)),
    "NumPy array of objects": of(np.array([[0], "a"], dtype=object), lambda one: one[0].append(1)),
    "PennyLane's array": of(qml.numpy.zeros(2), lambda one: setattr(one, "requires_grad", False)),
    "sign of a zero": of([0.0], lambda one: put(one, 0, -0.0)),
    "type of a number": of([1], lambda one: put(one, 0, True)),
    "tensor in place": of(torch.zeros(2), lambda one: one.add_(1)),
    "another tensor": of([torch.zeros(2)], lambda one: put(one, 0, torch.zeros(2))),
    "operator": of([qml.PauliZ(0)], lambda one: put(one, 0, qml.PauliZ(1))),
    "coefficients": of([qml.Hamiltonian([1.0], [qml.PauliZ(0)])], lambda one: put(
        one, 0, qml.Hamiltonian([2.0], [qml.PauliZ(0)])
    )),
    "seeded random.Random": of(random.Random(1), lambda one: one.random()),
    "seeded Generator": of(np.random.default_rng(1), lambda one: one.random()),
    "seeded RandomState": of(np.random.RandomState(1), lambda one: one.rand()),
    "random": (reading(0), random.random),
    "numpy.random": (reading(0), np.random.rand),
    "seed of torch": (reading(0), lambda: torch.manual_seed(torch.initial_seed() + 1)),
    "weak reference": (reading(weakref.ref(bag := Bag(a=[0]))), lambda: bag.a.append(1)),
    "closure": counting(),
    "function in a closure": (reading(reading(inner := [0])), lambda: inner.append(1)),
    "partial": (functools.partial(lambda a, x: a, part := [0]), lambda: part.append(1)),
    "partial by keyword": (
        functools.partial(lambda x, a: a, a=(named := [0])), lambda: named.append(1)
    ),
    "attribute of a function": (
        decorated := functools.wraps(of_globals)(lambda x: 0), lambda: setattr(decorated, "a", 1)
    ),
    "global list": (of_globals, rewire),
    "global dict of lists": (of_globals, lambda: put(TABLE["first"], 0, 1)),
    "global number": (of_globals, rebind),
    "global of a function that is called": (calling, rewire),
    "global in a function inside": (nested, rewire),
    "default": (with_default, rewire),
    "keyword default": (with_keyword, rewire),
    "method": (Bag(a=[0]).__init__.__func__.__get__(one := Bag(a=[0])), lambda: one.a.append(1)),
    "class attribute": (lambda x: Deep().depth, lambda: setattr(Deep, "depth", 2)),
    "list in a class": (lambda x: Deep().table, lambda: put(Deep.table, 0, 1)),
    "property": (lambda x: Deep().wires, rewire),
    "global of a method": (lambda x: Deep().turn(x), lambda: put(TABLE["first"], 0, 1)),
    "class method": (lambda x: Deep.of_class(), lambda: setattr(Deep, "depth", 2)),
    "static method": (lambda x: Deep.of_nobody(), rebind),
    "cached property": (lambda x: Deep().late, rebind),
    "by a computed name": (lambda x: getattr(Deep(), "".join("wires")), rewire),
    "attribute of a module": (lambda x: module.WIRING, lambda: put(module.WIRING, 0, 1)),
}  # fmt: skip


@pytest.mark.parametrize(("function", "change"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_what_is_read_gives_another_key(function, change):
    before = key(function)
    assert key(function) == before
    assert hash(key(function)) == hash(before)
    change()
    after = key(function)
    assert after != before
    assert key(function) == after


def generated():
    yield 0


UNREADABLE = {
    "generator": generated,
    "iterator of a list": lambda: iter([0, 1]),
    "counter": itertools.count,
    "cycle": lambda: itertools.cycle([0, 1]),
    "generator of torch": torch.Generator,
    "open file": lambda: Path(__file__).open(encoding="utf-8"),  # noqa: SIM115
    "frame": lambda: generated().gi_frame,
    "memory": lambda: memoryview(bytearray(2)),
    "method of an iterator": lambda: itertools.count().__next__,
    "deep nesting": lambda: functools.reduce(lambda inner, _: [inner], range(MOST_NESTED + 5), []),
    "many objects": lambda: [[n] for n in range(MOST_OBJECTS)],
}


@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_makes_a_call_unlike_itself(make):
    value = make()
    function = reading(Bag(state=value))
    assert key(function) != key(function)
    if hasattr(value, "close"):
        value.close()


def opening(x):
    return open(__file__)  # noqa: PTH123 - as people write it


def telling_time(x):
    import time

    return time.time()


def imported(x):
    import statistics
    from math import pi

    return statistics.mean([pi])


def test_what_comes_from_outside_makes_a_call_unlike_itself():
    assert key(opening) != key(opening)
    assert key(telling_time) != key(telling_time)
    assert key(imported) == key(imported)


class Colour(Enum):
    RED = 1


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        Config(),
        Frozen([0]),
        linked,
        nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)),
        qml.qnn.TorchLayer(qml.QNode(lambda inputs, w: qml.expval(qml.Z(0)), DEVICE), {"w": 2}),
        qml.Hamiltonian([1.0, 2.0], [qml.PauliZ(0), qml.PauliX(1) @ qml.PauliY(2)]),
        DEVICE,
        (np.float64(0.5), np.int64(2), 1j, float("nan"), slice(1), b"a", range(3), ...),
        {np.sin: torch.sin, qml.RX: qml.expval, "sum": sum, "stack": np.stack},
        functools.lru_cache(of_globals),
        (np.dtype("f4"), torch.float32, torch.device("cpu"), np.random.default_rng(0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_stays_the_same_gives_the_same_key(value):
    function = reading(value)
    assert key(function) == key(function)


def test_arguments_of_transforms_count():
    def circuit(x):
        return qml.expval(qml.PauliZ(0))

    def of_argument(tolerance):
        transform = qml.transforms.merge_rotations
        return call_key(transform(qml.QNode(circuit, DEVICE), atol=tolerance), (X,), {}, "layer")

    assert of_argument(1e-3) == of_argument(1e-3)
    assert of_argument(1e-3) != of_argument(1e-4)


OPERATORS = {
    "observable": lambda wire: qml.Z(wire),
    "product": lambda wire: 0.5 * qml.X(wire) @ qml.Y(2),
    "sum": lambda wire: qml.Hamiltonian([0.1 + wire, 0.2], [qml.Z(wire), qml.X(2)]),
    "matrix": lambda wire: qml.Hermitian(np.eye(2), wires=wire),
    "wires": lambda wire: qml.wires.Wires([wire, 2]),
}


@pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)
def test_operators_that_are_made_anew_are_read_by_value(make):
    def circuit(x, operator):
        return qml.expval(qml.Z(0))

    assert key(circuit, make(0)) == key(circuit, make(0))
    assert key(circuit, make(0)) != key(circuit, make(1))


def test_the_device_counts():
    def circuit(x):
        return qml.state()

    assert key(circuit) == key(circuit)
    assert key(circuit) != key(circuit, device=qml.device("default.mixed", wires=3))
    assert key(circuit) != key(circuit, shots=10)
    assert key(circuit) != key(circuit, interface="numpy")


class Rewired(nn.Module):
    """Calls one circuit again and again; what it reads changes in between."""

    def __init__(self, change):
        super().__init__()
        self.weights = nn.Parameter(torch.rand(2, generator=torch.Generator().manual_seed(4)))
        self.wiring = [0, 1]
        self.options = {"axes": ["X", "Y"]}
        self.shift = np.array([0.3, 0.6])
        self.log = []
        self.change = change

        @qml.qnode(DEVICE)
        def circuit(x):
            self.log.append(len(self.log))
            qml.AngleEmbedding(x, wires=self.wiring, rotation=self.options["axes"][0])
            qml.CNOT(self.wiring)
            qml.RY(self.weights[0] + self.shift[0], wires=self.wiring[1])
            qml.RZ(0.1 * len(self.log), wires=0)
            qml.RX(0.4, wires=0)
            return qml.expval(qml.PauliZ(0))

        self.circuit = circuit

    def forward(self, x):
        self.wiring[:] = [0, 1]
        self.options["axes"][0] = "X"
        self.shift[0] = 0.3
        self.log.clear()
        results = []
        for step in range(4):
            results.append(self.circuit(x[:, step % 2 : step % 2 + 2]))
            self.change(self)
        return torch.stack(results, 1).float() + len(self.log)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.wiring.reverse(),
        lambda model: put(model.options["axes"], 0, "Y"),
        lambda model: put(model.shift, 0, model.shift[0] + 0.5),
        lambda model: model.log.append(0),
        lambda model: None,
    ],
    ids=["list", "dict of lists", "array", "list that grows", "what the circuit itself changes"],
)
def test_an_export_follows_the_change(tmp_path, change):
    report = hybridx.export(Rewired(change), (torch.rand(3, 3),), tmp_path / "model.onnx")
    assert report.is_dynamic


def test_a_call_that_changes_what_is_put_back_is_traced_each_time(tmp_path):
    class Logged(Rewired):
        def forward(self, x):
            results = []
            for step in range(3):
                self.log.clear()
                result = self.circuit(x[:, step % 2 : step % 2 + 2])
                results.append(result * len(self.log))  # 1 each time
            return torch.stack(results, 1).float()

    hybridx.export(Logged(None), (torch.rand(3, 3),), tmp_path / "model.onnx")
