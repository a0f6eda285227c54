"""A few hundred random changes of golden files; `make test-trust` makes ten thousand."""

from __future__ import annotations

import pytest

from tests.golden.files import newest
from tests.trust.mutations import run, share_refused


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("onnx classifier", 60),
        ("bundle classifier", 60),
        ("inlined no_parameters", 40),
        pytest.param("inlined named", 300, marks=pytest.mark.slow),
        pytest.param("onnx noise", 400, marks=pytest.mark.slow),
        pytest.param("bundle state", 200, marks=pytest.mark.slow),
        pytest.param("torchscript named", 200, marks=pytest.mark.slow),
        pytest.param("pt2 named", 60, marks=pytest.mark.slow),
    ],
)
def test_no_change_with_meaning_passes(name, count):
    found = run(newest()[name], count, seed=5)
    passed = [one for one in found if one.result not in ("refused", "same")]
    assert share_refused(found) == 1.0, passed
    assert sum(one.result == "refused" for one in found) > count / 2
