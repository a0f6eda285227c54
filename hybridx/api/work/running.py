"""Run rows slice by slice; on a device, count the cost before running."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from hybridx.api.options import BATCH_SIZE
from hybridx.api.work.named_inputs import join
from hybridx.errors import StoppedRunError
from hybridx.parity import TOLERANCE
from hybridx.runtime import (
    Runner,
    Session,
    Tally,
    check_budget,
    counting_session,
    is_dry,
    probing_session,
    rows_from,
    rows_of,
    running_here,
    sliced_inputs,
    uses_device,
)
from hybridx.storage import Array

log = logging.getLogger(__name__)

# One row alone is rounded in another way than many, and large angles magnify that. What a row owes
# to the others is as large as the rows are.
_ROUNDING = 100

_SHARES = 32  # of some rows: enough to divide them among many processes evenly

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
    told: Callable[[int, int], object] = lambda done, total: None,
    runner: Runner | None = None,
    others: Sequence[Session] = (),
    counted: Callable[[Session, Tally], object] = lambda session, tally: None,
) -> dict[str, Array]:
    """Run a session slice by slice and return the outputs of all rows.

    A model is run in one piece if its batch is fixed, or if its rows do not belong to themselves:
    see `is_rowwise`. A session that only counts returns zeros.

    Args:
        session: a loaded model.
        inputs: of all rows.
        batch_size: rows at a time.
        repeats: number of runs; the outputs are then means, with their standard errors.
        check: may refuse the names and shapes of the outputs before anything is sent to a device.
        told: hears how many rows are done, of how many, counted once for each run.
        runner: runs the slices; by default this process does, one by one.
        others: sessions on further devices, among which the runner chooses. No bound may be
            exceeded even if one device is sent all rows.
        counted: hears how much each device would be sent with all rows.

    Raises:
        OverBudgetError: the run would exceed a limit; nothing was sent.
    """
    slices = _slices(session, inputs, batch_size)
    # Find out whether slices can be joined before anything is sent, because a second run of all
    # rows in one piece would cost again.
    if len(slices) > 1 and not is_rowwise(session, slices[0], slices[1]):
        slices = [inputs]
    runner = running_here(session) if runner is None else runner
    if not uses_device(session):
        return _run(session, runner, slices, told=told)
    for one in (session, *others):
        counting = counting_session(one)
        expected = _run(counting, running_here(counting), slices)
        for repeat in range(1, repeats):
            _run(counting, running_here(counting), slices, repeat)
        check(_averaged([expected] * repeats))
        used = counting.usage
        tally = Tally(used.submissions, used.circuits, used.total_shots)
        kept = f"; {used.resumed:,} results are there already" if used.resumed else ""
        gets = "would get" if is_dry(one) else "gets"
        told_of = "" if not others else ", if it gets all rows"
        log.info("%s %s %s%s%s", one.device, gets, tally, kept, told_of)
        check_budget(one, tally)
        counted(one, tally)
    if is_dry(session):
        return expected
    return _averaged(
        [_run(session, runner, slices, repeat, told=told) for repeat in range(repeats)]
    )


def share_of_rows(rows: int) -> int:
    """Return how many rows at a time several processes run, where nobody says it.

    It depends on the rows and not on the number of processes, as the samples of a device do depend
    on what is sent together, and the last bits of outputs on what is computed together.

    Args:
        rows: how many there are.

    Example:
        >>> [share_of_rows(rows) for rows in (1, 24, 2_000, 1_000_000)]
        [1, 1, 63, 4096]
    """
    return min(max(math.ceil(rows / _SHARES), 1), BATCH_SIZE)


def cut_slices(
    blocks: Iterable[Mapping[str, Array]], size: int, sliced: frozenset[str]
) -> Iterator[dict[str, Array]]:
    """Yield slices of a number of rows, which divides that of all blocks but the last one.

    Args:
        blocks: of rows.
        size: of a slice.
        sliced: names of the inputs that have a row for each row; others go with each slice.
    """
    for block in blocks:
        rows = max(len(block[name]) for name in sliced)
        for start in range(0, max(rows, 1), size):
            yield {
                name: array[start : start + size] if name in sliced else array
                for name, array in block.items()
            }


def is_rowwise(session: Session, first: Mapping[str, Array], second: Mapping[str, Array]) -> bool:
    """Return whether slices of rows can run one after another, and their outputs be joined.

    That is so if every output has a row for each row of the inputs, which does not depend on the
    other rows. Both are found out by running the first slice and one row of the next one, together
    and apart. Nothing is sent to a device for it; its results are zeros.

    Args:
        session: a loaded model.
        first: a slice of the inputs.
        second: the next slice.
    """
    sliced = sliced_inputs(session)
    row = {name: array[:1] if name in sliced else array for name, array in second.items()}
    probe = probing_session(session)
    rows = len(first[next(iter(sliced))])
    try:
        apart = [probe.run(first)]
        with rows_from(rows):
            apart.append(probe.run(row))
        together = probe.run(join([first, row], sliced))
    except StoppedRunError:
        return False  # the edges of a graph, for example, name rows of other slices
    for name, whole in together.items():
        parts = [part[name] for part in apart]
        if [part.shape[:1] for part in (*parts, whole)] != [(rows,), (1,), (rows + 1,)]:
            return False
        if any(part.shape[1:] != whole.shape[1:] for part in parts):
            return False
        bound = _ROUNDING * TOLERANCE.get(whole.dtype.name, 0.0)
        if not np.allclose(np.concatenate(parts), whole, bound, bound, equal_nan=True):
            return False
    return True


def _slices(session: Session, inputs: Mapping[str, Array], batch_size: int) -> Slices:
    sliced = sliced_inputs(session)
    rows = {len(inputs[name]) for name in sliced & inputs.keys()}
    if len(rows) != 1 or max(rows) <= batch_size:
        return [inputs]
    return list(cut_slices([inputs], batch_size, sliced & inputs.keys()))


def _run(
    session: Session,
    runner: Runner,
    slices: Slices,
    repeat: int = 0,
    *,
    told: Callable[[int, int], object] = lambda done, total: None,
) -> dict[str, Array]:
    lengths = [rows_of(session, one) for one in slices]
    outputs, rows = [], 0
    for result, length in zip(runner(slices, 0, repeat), lengths, strict=True):
        outputs.append(result)
        rows += length
        told(rows, sum(lengths))
    return join(outputs, frozenset(session.output_names))


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
