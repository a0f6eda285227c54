"""Operators whose kernels trust their arguments: these are looked at, and fitting ones pass."""

import pytest
import torch
from torch import nn

from hybridx.artifact import OPERATORS
from hybridx.runtime.torch.torch_internals import intercepting
from hybridx.runtime.torch.trusting import TRUSTING, UnfitArgumentsError, called

ATEN = torch.ops.aten
N = torch.randn


def lstm(
    x=(5, 2, 3), hx=((1, 2, 4), (1, 2, 4)), weights=((16, 3), (16, 4), (16,), (16,)), layers=1
):
    states, params = [N(one) for one in hx], [N(one) for one in weights]
    return ATEN.lstm.input(N(x), states, params, True, layers, 0.0, False, False, False)


def packed(sizes):
    states = [N(1, 2, 4), N(1, 2, 4)]
    params = [N(16, 3), N(16, 4), N(16), N(16)]
    sizes = torch.tensor(sizes)
    return ATEN.lstm.data(N(5, 3), sizes, states, params, True, 1, 0.0, False, False)


def norm(operator, *flags):
    return operator(N(2, 999, 3), N(1), N(1), *flags, 0.1, 1e-5)


def attention(query, key, value, **options):
    flash = ATEN._scaled_dot_product_flash_attention_for_cpu
    return flash(N(query), N(key), N(value), **options)


def smallest_by_minus_one(dtype):
    numbers = torch.tensor([torch.iinfo(dtype).min, 3], dtype=dtype)
    return torch.div(numbers, torch.tensor([-1], dtype=dtype), rounding_mode="trunc")


UNFIT = {
    "states that are too long": lambda: lstm(hx=((1, 2, 99), (1, 2, 99))),
    "states of other rows": lambda: lstm(hx=((1, 1, 4), (1, 1, 4))),
    "inputs that are too long": lambda: lstm(x=(5, 2, 99)),
    "more layers than weights": lambda: lstm(hx=((9, 2, 4), (9, 2, 4)), layers=9),
    "a bias that is too short": lambda: lstm(weights=((16, 3), (16, 4), (16,), (1,))),
    "rows of a packed sequence": lambda: packed([99, 2]),
    "rows that grow": lambda: packed([2, 3]),
    "a batch norm": lambda: norm(ATEN.native_batch_norm, N(1), N(1), False),
    "a batch norm without training": lambda: norm(
        ATEN._native_batch_norm_legit_no_training, N(1), N(1)
    ),
    "a batch norm of the batch": lambda: norm(ATEN._native_batch_norm_legit.no_stats, True),
    "a batch norm without a mean": lambda: ATEN.native_batch_norm(
        N(2, 4, 3), None, None, None, None, False, 0.1, 1e-5
    ),
    "distances of a stack": lambda: ATEN._pdist_forward(N(8, 1, 0, 2), 0.5),
    "values of other rows": lambda: nn.functional.scaled_dot_product_attention(
        N(1, 1, 99, 4), N(1, 1, 99, 4), N(1, 1, 3, 4)
    ),
    "a flash attention of other rows": lambda: attention((9, 9, 3, 4), (1, 1, 3, 4), (1, 1, 3, 4)),
    "a mask": lambda: attention(
        (1, 1, 9, 4), (1, 1, 9, 4), (1, 1, 9, 4), attn_mask=torch.zeros(2, 2)
    ),
    "a weight norm": lambda: ATEN._weight_norm(N(9, 9), N(1), 0),
    "a tiny scale": lambda: ATEN._upsample_bilinear2d_aa(
        N(1, 1, 4, 4), [9, 9], False, 1e-19, 1e-19
    ),
    "the smallest int32 by -1": lambda: smallest_by_minus_one(torch.int32),
    "the smallest int64 by -1": lambda: smallest_by_minus_one(torch.int64),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_does_not_fit_is_not_called(name):
    with (
        torch.inference_mode(),
        intercepting(TRUSTING, called),
        pytest.raises(UnfitArgumentsError, match="what does not fit it"),
    ):
        UNFIT[name]()


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_what_fits_gives_the_same():
    torch.manual_seed(0)
    deep = nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True, proj_size=2)
    bare = nn.LSTM(3, 4, bias=False)
    rows = nn.utils.rnn.pack_sequence([N(4, 3), N(2, 3)])
    batch, x, image = nn.BatchNorm1d(3).eval(), N(2, 5, 3), N(1, 2, 4, 4)
    calls = {
        "deep": lambda: deep(x)[0],
        "bare": lambda: bare(x)[0],
        "packed": lambda: bare(rows)[0].data,
        "batch norm": lambda: batch(x.mT),
        "distances": lambda: ATEN._pdist_forward(x[0], 2.0),
        "attention": lambda: nn.functional.scaled_dot_product_attention(x, x, x),
        "weight norm": lambda: ATEN._weight_norm(N(3, 3).fill_(2), N(3, 1).fill_(2), 0),
        "scaled": lambda: nn.functional.interpolate(
            image, scale_factor=0.5, mode="bilinear", antialias=True
        ),
        "divided": lambda: torch.div(torch.tensor([7, -7]), -2, rounding_mode="trunc"),
    }
    for name, call in calls.items():
        with torch.inference_mode():
            expected = call()
            with intercepting(TRUSTING, called):
                torch.testing.assert_close(call(), expected, msg=name)


@pytest.mark.parametrize("kind", ["empty", "new_empty", "empty_like"])
def test_unwritten_memory_is_zero(kind):
    x = torch.ones(3)
    makers = {
        "empty": lambda: torch.empty(999),
        "new_empty": lambda: x.new_empty(999),
        "empty_like": lambda: torch.empty_like(torch.ones(999)),
    }
    with torch.inference_mode(), intercepting(TRUSTING, called):
        assert not makers[kind]().any()


def test_each_may_stand_in_a_file():
    assert {name.partition("::")[2].partition(".")[0] for name in TRUSTING} - OPERATORS == {
        "divide"
    } - OPERATORS
