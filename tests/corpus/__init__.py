"""Small hybrid models as many people write them: what hybridx should export, or refuse by name."""

from tests.corpus import (
    arguments,
    branches,
    bundle_a,
    bundle_b,
    bundle_c,
    bundle_d,
    bundle_e,
    bundle_f,
    bundle_g,
    circuits,
    derivatives,
    graphs,
    number_kinds,
    refusals,
    sequences,
    signatures,
    state,
)
from tests.corpus.case import Case

CASES: tuple[Case, ...] = (
    *bundle_a.CASES,
    *bundle_b.CASES,
    *bundle_c.CASES,
    *bundle_d.CASES,
    *bundle_e.CASES,
    *bundle_f.CASES,
    *bundle_g.CASES,
    *circuits.CASES,
    *branches.CASES,
    *signatures.CASES,
    *arguments.CASES,
    *sequences.CASES,
    *graphs.CASES,
    *number_kinds.CASES,
    *state.CASES,
    *derivatives.CASES,
    *refusals.CASES,
)
