"""What a model keeps is found and put back in place, and what depends on it is refused by name."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from functools import cache, partial

import numpy as np
import pytest
import torch
from torch import nn

from hybridx.capture import Flat, plain_call
from hybridx.capture.model.earlier_calls import refuse_earlier_calls
from hybridx.capture.model.holders import Copies
from hybridx.capture.model.kept_state import Snapshot
from hybridx.errors import EarlierCallsError

LOG: list[int] = []
STEPS = 0


@cache
def table(length):
    return torch.arange(length)


class Note:
    total = 0

    def __init__(self):
        self.entries = {"first": [1, 2]}


class Keeps(nn.Module):
    """Everything that can be kept; `write` is what forward does."""

    shared: list[int] = []  # noqa: RUF012 - models do so

    def __init__(self, write=lambda model, x: None):
        super().__init__()
        self.write = write
        self.weight = nn.Parameter(torch.ones(2))
        self.weight.grad = torch.full((2,), 3.0)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.tensor([1.0, float("nan")]))
        self.plain = torch.zeros(2)
        self.nested = {"a": [torch.zeros(1), {"b": {1, 2}}], "c": (deque([1]),)}
        self.order = OrderedDict(x=1, y=2)
        self.array = np.zeros(3)
        self.note = Note()
        self.generators = [np.random.default_rng(1), random.Random(2), torch.Generator()]
        self.number = 0
        seen = []
        self.hook = lambda: seen.append(1)
        self.seen = lambda: len(seen)

    def forward(self, x):
        self.write(self, x)
        return x * 2

    def global_names(self):
        global STEPS
        STEPS += 1
        LOG.append(1)


def move(model, _):
    model.weight.data = torch.zeros(5)


def forget(model, _):
    del model.steps
    model.register_buffer("steps", torch.ones(()))


def note(model, _):
    model.note.entries["first"].append(3)


def count(model, _):
    type(model.note).total += 1


def reorder(model, _):
    model.order.move_to_end("x")
    model.order["z"] = 3


# By what forward does: the path of what it changes.
WRITES = {
    "a number": (lambda m, x: setattr(m, "number", m.number + 1), "number"),
    "a new attribute": (lambda m, x: setattr(m, "late", x), "late"),
    "a buffer in place": (lambda m, x: m.steps.add_(1), "steps"),
    "a buffer past torch's count": (lambda m, x: m.mean.data.zero_(), "mean"),
    "a buffer made anew": (forget, "steps"),
    "a tensor": (lambda m, x: m.plain.copy_(x), "plain"),
    "a weight": (lambda m, x: m.weight.data.clamp_(0, 0.5), "weight"),
    "a weight's storage": (move, "weight"),
    "a tensor in a dict": (lambda m, x: m.nested["a"][0].add_(1), "nested"),
    "a list in a dict": (lambda m, x: m.nested["a"].append(x), "nested"),
    "a set": (lambda m, x: m.nested["a"][1]["b"].add(3), "nested"),
    "a deque in a tuple": (lambda m, x: m.nested["c"][0].append(2), "nested"),
    "an ordered dict": (reorder, "order"),
    "an array": (lambda m, x: m.array.__setitem__(1, 7), "array"),
    "an object": (note, "note.entries"),
    "a class of an object": (count, "Note.total"),
    "a class": (lambda m, x: m.shared.append(1), "Keeps.shared"),
    "NumPy's generator": (lambda m, x: m.generators[0].normal(), "generators"),
    "Python's generator": (lambda m, x: m.generators[1].random(), "generators"),
    "torch's generator": (lambda m, x: torch.rand(1, generator=m.generators[2]), "generators"),
    "an enclosed list": (lambda m, x: m.hook(), "seen"),
    "a mode": (lambda m, x: m.train(), "training"),
}


def state(model):
    """What a test can compare: the contents, and which objects they are in."""
    tensors = [model.weight, model.weight.grad, model.steps, model.mean, model.plain]
    return (
        [(id(one), one.data_ptr(), one._version, str(one)) for one in tensors],
        str(model.nested),
        str(model.order),
        model.array.tolist(),
        (model.note.entries, Note.total, list(Keeps.shared), model.number, model.seen()),
        str(model.generators[0].bit_generator.state),
        (model.generators[1].getstate(), model.generators[2].get_state().tolist()),
        (list(vars(model)), list(model._buffers), model.training),
        [id(one) for one in (model.nested, model.nested["a"], model.order, model.array)],
    )


def flat_of(model):
    return Flat(model, plain_call(["x"]))


X = torch.tensor([0.5, 2.0])


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
@pytest.mark.parametrize("kind", WRITES)
def test_what_a_run_changes_is_seen_and_put_back(kind, error):
    write, path = WRITES[kind]

    def forward(model, x):
        write(model, x)
        if error is not None:
            raise error

    model = Keeps(forward).eval()
    before = str(state(model))
    flat = flat_of(model)
    for _ in range(2):
        if error is None:
            flat(X)
        else:
            with pytest.raises(error):
                flat(X)
        assert path in flat.kept
        assert str(state(model)) == before


def test_nothing_is_seen_where_nothing_changes():
    model = Keeps()
    snapshot = Snapshot(model, Copies())
    model(X)
    model.number = 1 - 1
    assert snapshot.changed() == ()


def test_globals_that_the_model_names_are_put_back():
    model = Keeps(lambda model, x: model.global_names())
    flat = flat_of(model)
    flat(X)
    assert {*flat.kept} == {"STEPS", "LOG"}
    assert (STEPS, LOG) == (0, [])


def test_cached_calls_of_a_trace_are_forgotten():
    class Cached(nn.Module):
        def forward(self, x):
            return x + table(len(x))

    table(1)
    snapshot = Snapshot(Cached(), None)
    snapshot.forget_calls()
    assert table.cache_info().currsize == 1
    table(7)
    snapshot.forget_calls()
    assert table.cache_info().currsize == 0


def test_large_weights_are_copied_for_one_run(monkeypatch):
    monkeypatch.setattr("hybridx.capture.model.holders.KEPT_BYTES", 4)
    model = Keeps(WRITES["a buffer past torch's count"][0])
    copies = Copies()
    snapshot = Snapshot(model, copies)
    model(X)
    snapshot.changed()
    snapshot.put_back()
    assert copies.of(model.weight) is None
    assert copies.of(model.mean) is not None
    assert model.mean[0] == 1


def test_an_input_that_forward_writes_into_stays():
    x = X.clone()
    assert flat_of(Keeps(lambda model, x: x.zero_()))(x)[0].tolist() == [0, 0]
    assert torch.equal(x, X)


def kept_by(write, returned):
    class Model(Keeps):
        def forward(self, x):
            write(self, x)
            return returned(self, x)

    return Model()


def grow(model, x):
    model.nested["a"].append(x)


def smooth(model, x):
    model.plain = (model.plain + x) / 2


# What forward writes, what it returns, and what of it decides; None where nothing does.
CALLS = {
    "a counter": (WRITES["a number"][0], lambda m, x: x, None),
    "a counter that decides": (WRITES["a number"][0], lambda m, x: x * m.number, "'number'"),
    "a counter at last": (
        partial(WRITES["a number"][0]),
        lambda m, x: x if m.number < 500 else -x,
        "'number'",
    ),
    "a buffer at last": (
        WRITES["a buffer in place"][0],
        lambda m, x: torch.where(m.steps > 900, -x, x),
        "'steps'",
    ),
    "a list": (grow, lambda m, x: x, None),
    "a list that decides": (grow, lambda m, x: x * len(m.nested["a"]), "'nested'"),
    "an average": (smooth, lambda m, x: x + m.plain, "'plain'"),
    "what is written first": (lambda m, x: m.plain.copy_(x), lambda m, x: m.plain * 2, None),
    "a generator": (
        lambda m, x: None,
        lambda m, x: x + m.generators[0].normal(),
        "'generators'",
    ),
    "one of two": (
        lambda m, x: (grow(m, x), smooth(m, x)),
        lambda m, x: x + m.plain,
        "'plain'",
    ),
}


@pytest.mark.parametrize("kind", CALLS)
def test_what_depends_on_earlier_calls_is_refused_by_name(kind):
    write, returned, name = CALLS[kind]
    model = kept_by(write, returned)
    before = str(state(model))
    flat = flat_of(model)
    flat(X)
    if name is None:
        refuse_earlier_calls(flat, [X])
    else:
        with pytest.raises(EarlierCallsError) as caught:
            refuse_earlier_calls(flat, [X])
        assert caught.value.names == name
        assert "test_kept_state.py:" in caught.value.place
    assert str(state(model)) == before


def test_the_mean_of_two_outputs_shows_with_other_inputs():
    class Smoothed(nn.Module):
        def __init__(self):
            super().__init__()
            self.previous = None

        def forward(self, x):
            y = x if self.previous is None else (x + self.previous) / 2
            self.previous = y
            return y

    flat = flat_of(Smoothed())
    flat(X)
    with pytest.raises(EarlierCallsError, match="previous"):
        refuse_earlier_calls(flat, [X])
