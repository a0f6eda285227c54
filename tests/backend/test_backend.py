"""ONNX's own tests of its operators: hybridx gives what plain ONNX Runtime gives, to the bit."""

from __future__ import annotations

import tomllib

import onnx
import pytest

from tests.backend.cases import bundled, cases, no_bundle, ours, plain, reason, same_bits
from tests.backend.conformance import TABLE, check, found

QUICK, BUNDLES = 40, 10  # of so many tests, one


def test_a_sample_is_as_in_onnx_runtime():
    for case in cases()[::QUICK]:
        check(case, plain(case), ours(case))


def test_an_axis_that_is_always_empty_is_no_batch_without_rows():
    for case in cases():
        if case.name in ("test_triu_zero", "test_reduce_sum_default_axes_keepdims_example"):
            assert ours(case).is_right(case), case.name


@pytest.mark.slow
def test_all_are_as_in_onnx_runtime_and_as_the_table_says():
    table = tomllib.loads(TABLE.read_text())
    now = tomllib.loads(found())  # which checks each
    # What ONNX Runtime takes also depends on the processor and on the locales that are installed.
    if table["onnx"] == onnx.__version__:
        for key in ("tests", "refused-by-hybridx"):
            assert now[key] == table[key]


@pytest.mark.slow
def test_a_sample_in_bundles_is_as_in_onnx_runtime():
    tried = 0
    for case in cases()[::BUNDLES]:
        alone = plain(case)
        if alone.given is None or reason(case) is not None:
            continue
        mine = bundled(case)
        assert (mine.given is None) == (no_bundle(case) is not None), (case.name, mine.error)
        assert mine.given is None or same_bits([*mine.given], [*alone.given]), case.name
        tried += mine.given is not None
    assert tried > 100


def test_an_other_answer_would_be_seen():
    case = next(one for one in cases() if one.name == "test_add")
    mine = ours(case)
    assert mine.is_right(case)
    mine.given[0][0][0, 0, 0] += 1
    assert not mine.is_right(case)
    with pytest.raises(AssertionError, match="test_add"):
        check(case, plain(case), mine)
