"""Compare a loaded file with another file, which hybridx need not have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hybridx.api.work.reproducing import (
    VerifyReport,
    compare_with_reference,
    has_batch,
    self_test_of,
)
from hybridx.api.work.saving import Saving
from hybridx.artifact import Signature
from hybridx.circuit import BATCH
from hybridx.errors import OtherSignatureError
from hybridx.parity import VERIFIED_BATCHES, draw_inputs, open_axes
from hybridx.runtime import ForeignModel, Session
from hybridx.storage import Array


def compare_with_file(
    session: Session,
    other: Session | ForeignModel,
    path: str,
    *,
    atol: float | None,
    save: Saving | None,
) -> VerifyReport:
    """Compare a loaded file with another one on the inputs of its self-test and on drawn ones.

    Args:
        session: the file on its device, without shots.
        other: the other file.
        path: of it, for messages.
        atol: tolerance; by default the one that the file states.
        save: keeps the smallest input that fails.

    Raises:
        NoSelfTestError: the file has no self-test to take typical inputs from.
        OtherSignatureError: the other takes other inputs, or gives other outputs.
        MismatchError: they differ.
    """
    test = self_test_of(session)
    _check_inputs(session, other, path)
    renamed = _renamed_outputs(session, other, path)
    fixed = _fixed_by_other(session.inputs, other.inputs)
    examples = draw_inputs(
        test.inputs, open_axes(session.inputs), lengths=fixed, distribution=None, seed=0
    )
    batches = VERIFIED_BATCHES if has_batch(session) else ()

    def expected(inputs: Mapping[str, Array]) -> dict[str, Array]:
        outputs = other.run(inputs)
        return {renamed[name]: array for name, array in outputs.items()}

    return compare_with_reference(
        session,
        examples,
        expected,
        tolerance=test.tolerance if atol is None else atol,
        batches=(fixed[BATCH],) if BATCH in fixed else batches,
        save=save,
        reference=path,
    )


def _check_inputs(session: Session, other: Session | ForeignModel, path: str) -> None:
    mine, theirs = ({one.name: one for one in each.inputs} for each in (session, other))
    fits = mine.keys() == theirs.keys() and all(
        _fits(one.shape, theirs[name].shape) for name, one in mine.items()
    )
    if not fits:
        told = (", ".join(map(str, each.inputs)) or "none" for each in (session, other))
        raise OtherSignatureError(session.artifact.path, "the inputs", next(told), path, next(told))


def _fits(mine: Sequence[int | str], theirs: Sequence[int | str]) -> bool:
    return len(mine) == len(theirs) and all(
        isinstance(one, str) or isinstance(other, str) or one == other
        for one, other in zip(mine, theirs, strict=True)
    )


def _renamed_outputs(
    session: Session, other: Session | ForeignModel, path: str
) -> Mapping[str, str]:
    """Return the names of the file's outputs by those of the other: alike, or in order."""
    mine, theirs = session.output_names, other.output_names
    if set(mine) == set(theirs):
        return {name: name for name in mine}
    if len(mine) != len(theirs):
        told = (", ".join(names) or "none" for names in (mine, theirs))
        raise OtherSignatureError(
            session.artifact.path, "the outputs", next(told), path, next(told)
        )
    return dict(zip(theirs, mine, strict=True))


def _fixed_by_other(mine: Sequence[Signature], theirs: Sequence[Signature]) -> dict[str, int]:
    """Return the lengths that the other file has for open axes of the file."""
    others = {one.name: one.shape for one in theirs}
    return {
        axis: length
        for one in mine
        for axis, length in zip(one.shape, others[one.name], strict=True)
        if isinstance(axis, str) and isinstance(length, int)
    }
