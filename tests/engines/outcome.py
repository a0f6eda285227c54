"""How a file went on an engine: whether it runs, how far it is off, why it is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tests.engines.engine import Attempt
from tests.engines.files import Dtype

# Relative to the largest expected number, and to 1 at least. Some hundred operations of 6e-8 or
# 1e-16 each.
TOLERANCES: dict[Dtype, float] = {"float32": 1e-5, "float64": 1e-12}
LONGEST = 150  # characters of a reason
KINDS = (
    (r"Circuit_[0-9a-f]+", "no functions"),
    (r"Loop", "no Loop"),
    (r"takes more than", "too slow"),
    (r"the process ends", "crashes"),
    (r"(?i)RoundHalfToEven does not support F64", "no Round in float64"),
    (r"Could not find an implementation for (\w+)\(", r"no kernel of \1"),
    (r"tensor is F32, accessed as F64", "mixes in float32"),
    (r"IsNodeCompatibleWithProvider", "no float64"),
    (r"assigned to the default CPU EP", "not alone"),
    (r"(?i)can't divide batch", "no open batch"),
    (r"operation_type='(\w+)', version=(\d+)", r"no \1 of opset \2"),
)

Status = Literal["right", "narrow", "wrong", "refused"]


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt.

    Attributes:
        attempt: which file was tried.
        status: `right` within the tolerance; `narrow`: a float64 file within the tolerance of
            float32; `wrong`: it gives other numbers; `refused`: it gives none.
        error: the largest, relative; None if there is none to compare.
        reason: of a refusal or a wrong shape, the line that says it.
    """

    attempt: Attempt
    status: Status
    error: float | None = None
    reason: str = ""

    @property
    def kind(self) -> str:
        """Return the reason of a refusal in a few words."""
        for pattern, words in KINDS:
            if found := re.search(pattern, self.reason):
                return found.expand(words)
        return "refused"


def compared(
    attempt: Attempt, dtype: Dtype, found: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> Outcome:
    """Return how outputs differ from the expected ones.

    Args:
        attempt: which file gave them.
        dtype: of the file.
        found: an output for each input.
        expected: the same, float64.

    Raises:
        ValueError: there is nothing to compare.
    """
    if not expected or not all(one.size for one in expected):
        raise ValueError("there is nothing to compare")
    if [one.shape for one in found] != [one.shape for one in expected]:
        shapes = " and ".join(str(one.shape) for one in found)
        return Outcome(attempt, "wrong", None, f"it gives shapes {shapes}")
    error = float(np.max([*map(_error, found, expected)]))  # NaN, if one is
    if not math.isfinite(error):
        return Outcome(attempt, "wrong", None, "it gives numbers that are not finite")
    error = float(f"{error:.1e}")  # two digits say enough, and hardly change from run to run
    if error > TOLERANCES["float32"]:
        return Outcome(attempt, "wrong", error)
    is_narrow = any(one.dtype != dtype for one in found) or error > TOLERANCES[dtype]
    return Outcome(attempt, "narrow" if is_narrow else "right", error)


def refused(attempt: Attempt, text: str) -> Outcome:
    """Return an outcome with the line of a text that says most, without paths and addresses."""
    # Paths and addresses differ from run to run, and the names of functions with each change.
    text = re.sub(r"(https?:/|(?<![\w.]))/[\w./-]*/", "", text)
    text = re.sub(r"Circuit_[0-9a-f]+", "Circuit_0", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason is given"]
    telling = ((line, re.search(pattern, line)) for line in lines for pattern, _ in KINDS)
    line, found = next(((one, match) for one, match in telling if match), (lines[0], None))
    if found is not None and found.end() > LONGEST:
        line = f"… {line[found.end() - LONGEST : found.end()]}"
    return Outcome(attempt, "refused", None, line[: LONGEST + 2].rstrip())


def _error(found: np.ndarray, expected: np.ndarray) -> float:
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(found.astype(np.float64) - expected).max()) / scale
