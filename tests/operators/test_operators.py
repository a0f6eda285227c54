"""The table of torch's operators is complete, and a sample of it, chosen by hash, holds."""

from __future__ import annotations

import pytest

from tests.operators.outcomes import by_hash, read
from tests.operators.reasons import EXCEPTIONS, REASONS

OUTCOMES = read()
SAMPLED = 60


def test_every_exception_has_a_reason_and_nothing_else_has():
    exceptions = {name for name, outcome in OUTCOMES.items() if outcome.status in EXCEPTIONS}
    assert exceptions == set(REASONS)


def test_a_refusal_has_a_code():
    refused = {name for name, outcome in OUTCOMES.items() if outcome.status == "refused"}
    assert refused == {name for name in refused if OUTCOMES[name].code}


@pytest.mark.slow
def test_the_table_lists_torchs_operators():
    from tests.operators.samples import names

    assert set(OUTCOMES) == set(names())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch deprecates some of its own operators
@pytest.mark.parametrize("name", by_hash(OUTCOMES, SAMPLED))
def test_a_sample_comes_out_as_the_table_says(name):
    from tests.operators.trial import attempt

    outcome = attempt(name)
    expected = OUTCOMES[name]
    assert (outcome.status, outcome.code) == (expected.status, expected.code), outcome.detail
