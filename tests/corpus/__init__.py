"""Small hybrid models as many people write them: what hybridx should export, or refuse by name."""

from tests.corpus import bundle_a, bundle_b, bundle_c, bundle_d, bundle_e
from tests.corpus.case import Case

CASES: tuple[Case, ...] = (
    *bundle_a.CASES,
    *bundle_b.CASES,
    *bundle_c.CASES,
    *bundle_d.CASES,
    *bundle_e.CASES,
)
