"""Run the rows of a data file slice by slice; on a device, count the cost before running."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from hybridx.program import BATCH
from hybridx.runtime import (
    Session,
    Tally,
    check_budget,
    counting_session,
    is_dry,
    uses_device,
)
from hybridx.storage import Array

log = logging.getLogger(__name__)

Slices: TypeAlias = Sequence[Mapping[str, Array]]

STANDARD_ERROR = "_standard_error"
"""The ending of the name of a standard error; with another `_` if an output has that name."""


def run_in_batches(
    session: Session,
    inputs: Mapping[str, Array],
    batch_size: int,
    *,
    repeats: int = 1,
    check: Callable[[Mapping[str, Array]], object] = lambda _: None,
) -> dict[str, Array]:
    """Run a session slice by slice and return the outputs of all rows.

    A model is run in one piece if its batch is fixed, or if an output does not have one row for
    each row of input. A session that only counts returns zeros.

    Args:
        session: a loaded model.
        inputs: of all rows.
        batch_size: rows at a time.
        repeats: number of runs; the outputs are then means, with their standard errors.
        check: may refuse the names and shapes of the outputs before anything is sent to a device.

    Raises:
        OverBudgetError: the run would exceed a limit; nothing was sent.
    """
    slices = _slices(session, inputs, batch_size)
    if not uses_device(session):
        return _run(session, slices) or session.run(inputs)
    # Find out whether slices can be joined before anything is sent, because a second run of all
    # rows in one piece would cost again.
    counting = counting_session(session)
    expected = _run(counting, slices)
    if expected is None:
        slices, counting = [inputs], counting_session(session)
        expected = counting.run(inputs)
    for _ in range(repeats - 1):
        _run(counting, slices)
    check(_averaged([expected] * repeats))
    used = counting.usage
    tally = Tally(used.submissions, used.circuits, used.total_shots)
    kept = f"; {used.resumed:,} results are there already" if used.resumed else ""
    gets = "would get" if is_dry(session) else "gets"
    log.info("%s %s %s%s", session.device, gets, tally, kept)
    check_budget(session, tally)
    if is_dry(session):
        return expected
    return _averaged([_run(session, slices) or {} for _ in range(repeats)])


def _slices(session: Session, inputs: Mapping[str, Array], batch_size: int) -> Slices:
    sliced = {s.name for s in session.inputs if s.shape[:1] == (BATCH,)}
    rows = {len(inputs[name]) for name in sliced & inputs.keys()}
    if len(rows) != 1 or max(rows) <= batch_size:
        return [inputs]
    (total,) = rows
    return [
        {
            name: array[start : start + batch_size] if name in sliced else array
            for name, array in inputs.items()
        }
        for start in range(0, total, batch_size)
    ]


def _run(session: Session, slices: Slices) -> dict[str, Array] | None:
    """Return the outputs of all slices concatenated, or None if they cannot be concatenated."""
    parts = [session.run(one) for one in slices]
    if len(parts) == 1:
        return parts[0]
    sliced = [s.name for s in session.inputs if s.shape[:1] == (BATCH,)]
    sizes = [(len(one[sliced[0]]),) for one in slices]
    for name in session.output_names:
        if [part[name].shape[:1] for part in parts] != sizes:
            return None
    return {name: np.concatenate([part[name] for part in parts]) for name in session.output_names}


def _averaged(runs: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return the mean of each output and, beside it, s / sqrt(R) with s over the R runs."""
    if len(runs) == 1:
        return dict(runs[0])
    outputs: dict[str, Array] = {}
    for name, first in runs[0].items():
        values = np.stack([run[name] for run in runs]).astype(np.float64)
        dtype = first.dtype if first.dtype.kind == "f" else np.dtype(np.float64)
        error = values.std(axis=0, ddof=1) / np.sqrt(len(runs))
        outputs[name] = values.mean(axis=0).astype(dtype)
        error_name = name + STANDARD_ERROR
        while error_name in runs[0] or error_name in outputs:
            error_name += "_"
        outputs[error_name] = np.asarray(error, dtype=dtype)
    return outputs
