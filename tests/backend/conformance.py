"""The table of what ONNX's tests of its operators give, as `conformance.toml` keeps it."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import onnx
import onnxruntime
import tomli_w

from tests.backend.cases import Case, Outcome, cases, ours, plain, reason, same_bits

TABLE = Path(__file__).parent / "conformance.toml"
HEAD = """\
# ONNX's own tests of its operators, through the reader and the session of hybridx and through plain
# ONNX Runtime. `python -m tests.backend` writes this table; for other versions than these two,
# tests/backend checks the rules alone.
"""
# Why ONNX Runtime by itself does not run a test: what its message says, in our words.
_WORDS = (
    ("an operator that it does not know", "is not a registered function|not supported operator"),
    (
        "a newer version of ONNX's operators or types than it takes",
        r"model\.cc|model_load_utils|under development|ONNX Runtime only \*guarantees",
    ),
    ("a kernel that it does not have", "NOT_IMPLEMENTED|Could not find an implementation"),
    (
        "data of a type that its Python does not take",
        "Unexpected input data type|Unable to handle object|Unsupported|INVALID_ARGUMENT|float8",
    ),
)


def found() -> str:
    """Return the table as it is today."""
    right, ours_refuse, theirs = 0, defaultdict(list), defaultdict(list)
    wrong: list[str] = []
    unbounded: list[str] = []
    for case in cases():
        check(case, alone := plain(case), mine := ours(case))
        if (why := reason(case)) is not None:
            ours_refuse[why].append(case.name)
        elif alone.given is None:
            theirs[_why(str(alone.error))].append(case.name)
        elif not mine.is_right(case):
            wrong.append(case.name)
        else:
            right += 1
        if mine.is_unbounded and mine.given is not None:
            unbounded.append(case.name)
    table = {
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "tests": len(cases()),
        "right": right,
        "run-only-without-the-estimate-of-what-it-computes": sorted(unbounded),
        "refused-by-hybridx": dict(sorted(ours_refuse.items())),
        "wrong-in-onnxruntime-too": sorted(wrong),
        "refused-by-onnxruntime-too": dict(sorted(theirs.items())),
    }
    return HEAD + tomli_w.dumps(table)


def check(case: Case, alone: Outcome, mine: Outcome) -> None:
    """Assert that hybridx gives what ONNX Runtime gives, to the bit, or refuses for a reason."""
    if alone.given is None:
        assert mine.given is None, f"{case.name}: ONNX Runtime by itself refuses it"
        return
    why = reason(case)
    assert (mine.given is None) == (why is not None), (case.name, why, mine.error)
    assert mine.given is None or same_bits([*mine.given], [*alone.given]), case.name


def _why(error: str) -> str:
    known = (said for said, words in _WORDS if re.search(words, error))
    return next(known, "attributes or layouts that its kernel does not take")
