"""Ten thousand random changes of files in all formats: 99.9 % of those with meaning are refused.

`TRUST_CHANGES` makes it shorter or longer, `TRUST_SEED` makes other changes.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.golden.files import newest
from tests.trust.mutations import FORMATS, MODELS, run, share_refused

CHANGES = int(os.environ.get("TRUST_CHANGES", "10000"))
SEED = int(os.environ.get("TRUST_SEED", "1"))


@pytest.mark.parametrize("format", FORMATS)
def test_changes_with_meaning_are_refused(format):
    files = [path for name, path in newest().items() if name in {f"{format} {m}" for m in MODELS}]
    count, found = CHANGES // len(FORMATS) // len(files), []
    for number, path in enumerate(files):
        found += run(path, count, SEED * 10_000_000 + number * 1_000_000)
    print(f"{format}: {share_refused(found):.3%} of {len(found)}", Counter(o.result for o in found))
    others = [one for one in found if one.result not in ("refused", "same")]
    assert not [one for one in others if one.result in ("crash", "hang")], others
    assert share_refused(found) >= 0.999, others
