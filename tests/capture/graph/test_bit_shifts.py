"""Shifts as products and quotients, against torch's own."""

from __future__ import annotations

import pytest
import torch

from hybridx.capture.graph.missing_operators import left_shift, right_shift

NUMBERS = [0, 1, 2, 5, 63, 100, -1, -2, -7, -100]
DTYPES = (torch.int8, torch.int16, torch.int32, torch.int64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(left_shift, torch.bitwise_left_shift), (right_shift, torch.bitwise_right_shift)],
)
def test_shifts_are_those_of_torch(ours, theirs, dtype):
    numbers = torch.tensor(NUMBERS, dtype=dtype)
    counts = torch.arange(torch.iinfo(dtype).bits, dtype=dtype)
    found, expected = ours(numbers[:, None], counts), theirs(numbers[:, None], counts)
    assert found.dtype == dtype
    assert torch.equal(found, expected)
    for count in counts.tolist():
        assert torch.equal(ours(numbers, count), theirs(numbers, count))


def test_a_number_is_shifted_by_a_tensor():
    counts = torch.arange(5)
    assert torch.equal(left_shift(1, counts), torch.bitwise_left_shift(1, counts))


def test_more_bits_than_a_number_has():
    numbers = torch.tensor([5, -5])
    assert right_shift(numbers, torch.tensor(70)).tolist() == [0, -1]
    assert left_shift(numbers, torch.tensor(70)).tolist() == [0, 0]
