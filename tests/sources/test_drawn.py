"""Which integers an input may have: found in the eager model, or given."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hybridx.errors import ShapeError
from hybridx.sources import chooses_by_floats, draw, find_ranges, read_ranges


class Model(nn.Module):
    """Calls a function of itself and of its inputs."""

    def __init__(self, function):
        super().__init__()
        self.rows = nn.Embedding(50, 2)
        self.bag = nn.EmbeddingBag(20, 2)
        self.register_buffer("table", torch.arange(12.0).reshape(6, 2))
        self.function = function

    def forward(self, ids, other=None):
        return self.function(self, ids) if other is None else self.function(self, ids, other)


IDS = torch.zeros((3, 4), dtype=torch.int64)


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (lambda model, ids: model.rows(ids), 0, 49),
        (lambda model, ids: model.rows(ids.reshape(4, 3).T + 1), 0, 48),
        (lambda model, ids: model.rows(ids * 2 + 3), 0, 23),
        (lambda model, ids: model.rows(ids - 5), 5, 54),
        (lambda model, ids: model.rows(49 - ids), 0, 49),
        (lambda model, ids: model.rows(ids) + model.table[ids], 0, 5),
        (lambda model, ids: model.bag(ids), 0, 19),
        (lambda model, ids: model.table[:, ids], 0, 1),
        (lambda model, ids: model.table.index_select(0, ids[0]), 0, 5),
        (lambda model, ids: model.table.gather(0, ids[:, :2]), 0, 5),
        (lambda model, ids: torch.take(model.table, ids), 0, 11),
        (lambda model, ids: nn.functional.one_hot(ids, 7).float(), 0, 6),
    ],
)
def test_indices_bound_an_input(function, low, high):
    model = Model(function)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = find_ranges(model, (IDS,), {}, "float32")["ids"]
    assert (found.low, found.high) == (low, high)
    assert " of " in found.why
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    for number in (low, high):
        model(torch.full_like(IDS, number))
    with pytest.raises((IndexError, RuntimeError)):
        model(torch.full_like(IDS, high + 1))


def test_two_inputs_have_a_range_each_and_others_none():
    model = Model(lambda model, ids, other: model.rows(ids) + model.table[other["at"]])
    args = (IDS, {"at": IDS, "x": torch.ones(1)})
    found = find_ranges(model, args, {}, "float32")
    assert {name: one.high for name, one in found.items()} == {"ids": 49, "other_at": 5}
    unbound = Model(lambda model, ids: ids.float() @ torch.ones(4))
    assert find_ranges(unbound, (IDS,), {}, "float32") == {}


def test_a_model_that_raises_has_told_before():
    def function(model, ids):
        model.rows(ids)
        raise ValueError("not today")

    assert find_ranges(Model(function), (IDS,), {}, "float32")["ids"].high == 49


def test_floats_as_indices_are_noticed():
    embedding = Model(lambda model, ids: model.rows(ids))
    assert chooses_by_floats(embedding, (IDS.float(),), {}, "float32")
    assert not chooses_by_floats(embedding, (IDS,), {}, "float32")


INPUTS = {"ids": IDS, "x": torch.ones(2), "small": torch.zeros(2, dtype=torch.int8)}


def test_a_range_is_given_as_python_counts():
    found = read_ranges(["ids=0:100", "small=-3:4"], INPUTS)
    assert {name: (one.low, one.high) for name, one in found.items()} == {
        "ids": (0, 99),
        "small": (-3, 3),
    }
    (one,) = read_ranges([" 5:7 "], {"ids": IDS}).values()
    assert (one.low, one.high) == (5, 6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ids=5", "cannot be read"),
        ("ids=0:x", "cannot be read"),
        ("ids=5:5", "5 to 4 are no numbers"),
        ("small=0:500", "0 to 499 are no numbers of small"),
        ("x=0:5", "x is not one of the integer inputs: ids, small"),
        ("y=0:5", "y is not one"),
        ("0:5", "the input is not one of the integer inputs: ids, small"),
    ],
)
def test_what_is_no_range(text, words):
    with pytest.raises(ShapeError) as refused:
        read_ranges([text], INPUTS)
    assert words in str(refused.value)


def test_numbers_are_drawn_in_a_range_and_masks_are_not_empty():
    generator = torch.Generator().manual_seed(0)
    ids = torch.zeros((40, 5), dtype=torch.int64)
    (found,) = read_ranges(["2:5"], {"ids": ids}).values()
    draw(ids, found, generator)
    assert set(ids.flatten().tolist()) == {2, 3, 4}
    mask = torch.zeros((40, 5), dtype=torch.bool)
    draw(mask, None, generator)
    assert mask.any(1).all()
    assert not mask.all()
