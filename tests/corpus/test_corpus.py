"""The corpus exported: every sixteenth model here, the others in the slow suite."""

from __future__ import annotations

import pytest

from tests.corpus import CASES
from tests.corpus.case import Case
from tests.corpus.report import export
from tests.sampling import some

EVERY = 16
"""Of so many models one is exported in the quick suite: a few seconds each."""


def expected(case: Case) -> str:
    """Return what has to come of a case."""
    if case.refused:
        return "refused"
    return "dynamic" if case.batch in ("dynamic", "own") else "fixed"


def test_names_are_unique_and_bundles_are_filled():
    assert len({case.name for case in CASES}) == len(CASES)
    for bundle in (*"ABCDEFG", "branches", "signatures", "state", "number_kinds", "refusals"):
        assert sum(case.bundle == bundle for case in CASES) >= 10


@pytest.mark.filterwarnings("ignore")  # models may use what torch or PennyLane deprecates
@pytest.mark.parametrize("name", some([case.name for case in CASES], every=EVERY))
def test_a_model_comes_out_as_it_should(name):
    case = next(case for case in CASES if case.name == name)
    outcome = export(case)
    assert outcome.result.split(":")[0] == expected(case), outcome.result
