"""Models of the corpus as files for torch: our own reader lets torch see each of them."""

from __future__ import annotations

import pytest

from hybridx.artifact import checked
from hybridx.errors import UnscriptableError
from tests.corpus import CASES
from tests.sampling import some
from tests.targets.spliced import FORMATS, splice_model, write

EVERY, QUICK = 5, 64
NAMES = [case.name for case in CASES if not case.refused][::EVERY]


@pytest.mark.filterwarnings("ignore")  # models may use what torch or PennyLane deprecates
@pytest.mark.parametrize("name", some(NAMES, every=QUICK // EVERY, first=1))
def test_what_we_write_is_what_we_read(name):
    (case,) = (case for case in CASES if case.name == name)
    spliced = splice_model(case.build(), case.args, kwargs=dict(case.kwargs))
    for format in FORMATS:
        try:
            content = write(spliced, format)
        except UnscriptableError:
            continue
        made = checked(content, format, name)
        assert made.inputs == len(spliced.args)
        assert made.outputs == len(spliced.captured.output_names)
