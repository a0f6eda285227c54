"""A file compared with the model it came from, or with its own self-test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, Unpack

import numpy as np

from hybridx.api.options import need
from hybridx.artifact import BATCH, SelfTest, Signature
from hybridx.errors import (
    BrokenArtifactError,
    NoFiniteInputError,
    NoSelfTestError,
    OptionError,
    OptionNeedsError,
)
from hybridx.parity import (
    DISTRIBUTIONS,
    SIGNIFICANCE,
    Consistency,
    Sample,
    check_consistent,
    compare,
    draw,
)
from hybridx.runtime import Array, Options, Session, Usage, load, start_session

if TYPE_CHECKING:
    from torch import nn

    from hybridx.capture import Axes, Call

Expected: TypeAlias = Callable[[Mapping[str, Array]], dict[str, Array]]

VERIFIED_BATCHES = (1, 2, 5, 16)
"""Batch sizes that are tried; none of them is the one that an export traces."""

VERIFIED_STEPS = (1, -1, 2, 5)
"""What is added to the traced length of other open axes, one for each batch size."""

SEED = 2026
"""Of every drawn input, so that exports repeat byte for byte."""


@dataclass(frozen=True)
class VerifyReport:
    """A comparison that passed.

    Attributes:
        path: of the file.
        device: that ran the circuits.
        against: what it was compared with.
        batches: batch sizes that were tried.
        worst: largest error seen.
        tolerance: largest error allowed.
        notes: what the user should know.
        usage: on what the file ran, and what that took.
        consistency: with shots, that of the sampled results; the rest is on the file computed
            exactly then.
    """

    path: str
    device: str
    against: str
    batches: tuple[int, ...]
    worst: float
    tolerance: float
    notes: tuple[str, ...] = ()
    usage: Usage | None = None
    consistency: Consistency | None = None


def reproduce(
    session: Session, *, atol: float | None = None, significance: float | None = None
) -> VerifyReport:
    """Run the self-test of a loaded file.

    On a device with shots, the file is computed exactly first; then each result of its circuits is
    tested against the distribution that it has if the device is right.

    Args:
        session: the file on the device in question.
        atol: tolerance; by default the one that the file states. With shots, the outputs are then
            compared within it instead of being tested.
        significance: with shots, how often a right device may be refused.

    Raises:
        NoSelfTestError: the file carries none.
        MismatchError: the outputs are not the recorded ones.
        InconsistentResultError: a sampled result is too far from its exact value for chance.
    """
    test = _self_test(session)
    _check_significance(session, atol, significance)
    if session.shots is not None and atol is None:
        exact = reproduce(start_session(session.artifact))
        return _sampled(session, exact, significance)
    path, rows = session.artifact.path, _rows(session, test.inputs)
    tolerance = test.tolerance if atol is None else atol
    worst = compare(
        session.run(test.inputs),
        test.outputs,
        tolerance=tolerance,
        left=f"{path} on {session.device}",
        right="its self-test",
        batch=rows,
    )
    proof = session.metadata.verification
    batches = () if proof is not None and not proof.batches else (rows,)
    return VerifyReport(
        path,
        session.device,
        "its self-test",
        batches,
        worst,
        tolerance,
        usage=session.usage,
    )


def verify(
    path: str | Path,
    *,
    against: nn.Module | None = None,
    atol: float | None = None,
    significance: float | None = None,
    **execution: Unpack[Options],
) -> VerifyReport:
    """Compare a file with the eager model, or, without one, with its own self-test.

    With shots it is compared when it is computed exactly, and its circuits are tested on the
    device as in `reproduce`.

    Args:
        path: of the file.
        against: the model it was exported from.
        atol: tolerance; by default the one that the file states.
        significance: with shots, how often a right device may be refused; by default
            `SIGNIFICANCE`.
        **execution: on what the file runs; see `hybridx.load`.

    Raises:
        MismatchError: they differ.
        InconsistentResultError: a sampled result is too far from its exact value for chance.
        NoSelfTestError: the file carries no self-test to take typical inputs from.
    """
    session = load(path, **execution)
    if against is None:
        return reproduce(session, atol=atol, significance=significance)
    _check_significance(session, atol, significance)
    if session.shots is not None and atol is None:
        return _sampled(session, verify(path, against=against), significance)
    from hybridx import capture
    from hybridx.parity.eager import run_eager

    examples = _self_test(session).inputs
    flat = capture.Flat(against, _call(session))
    is_wide = any(signature.dtype.name == "float64" for signature in session.inputs)
    dtype = "float64" if is_wide else "float32"
    tolerance = _self_test(session).tolerance if atol is None else atol
    axes = open_axes(session)
    batches = _batches(session, examples)
    with capture.in_eval_mode(against), capture.as_dtype(against, dtype):

        def expected(inputs: Mapping[str, Array]) -> dict[str, Array]:
            return run_eager(flat, inputs)

        distribution = draw_typical(examples, expected).distribution
        trials = choose_trials(examples, axes, batches)
        found = agree(session, examples, expected, trials, distribution, tolerance)
    return VerifyReport(
        str(path),
        session.device,
        "the eager model",
        found.batches if batches else (),
        found.worst,
        tolerance,
        found.notes,
        session.usage,
    )


def _check_significance(session: Session, atol: float | None, significance: float | None) -> None:
    if significance is None:
        return
    if session.shots is None or atol is not None:
        raise OptionNeedsError("--significance", "--shots, and no --atol")
    if not 0 < significance < 1:
        raise OptionError("--significance", str(significance), "a number between 0 and 1")


def _sampled(session: Session, exact: VerifyReport, significance: float | None) -> VerifyReport:
    """Return a report on a device with shots, given that on the file computed exactly."""
    assert session.shots is not None
    samples = [
        Sample(
            session.name_of(one.circuit), one.circuit, one.parameters, one.results, session.shots
        )
        for one in session.observe(_self_test(session).inputs)
    ]
    found = check_consistent(
        samples,
        significance=SIGNIFICANCE if significance is None else significance,
        device=session.device,
    )
    return replace(exact, device=session.device, usage=session.usage, consistency=found)


def choose_trials(
    examples: Mapping[str, Array], axes: Axes, batches: Sequence[int]
) -> list[dict[str, int]]:
    """Return lengths of the open axes to compare at, none of them but a batch a traced one."""
    others = {
        called: examples[name].shape[axis]
        for name, named in axes.items()
        for axis, called in named.items()
        if called != BATCH
    }
    steps = VERIFIED_STEPS if others else VERIFIED_STEPS[:1]
    trials = [{called: length + step for called, length in others.items()} for step in steps]
    if not batches:
        return trials
    return [{BATCH: batch} | trials[index % len(trials)] for index, batch in enumerate(batches)]


@dataclass(frozen=True)
class Agreement:
    """How a session compares with the eager model.

    Attributes:
        worst: the largest error.
        batches: the sizes that were compared.
        refused: the sizes that the eager model itself refuses, each with its reason; the size is
            None where there is no batch.
    """

    worst: float
    batches: tuple[int, ...]
    refused: Mapping[int | None, str]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of it."""
        if not self.refused:
            return ()
        *others, last = map(str, self.refused)
        what = f"batch sizes {', '.join(others)} and {last}" if others else f"batch size {last}"
        what = "drawn inputs" if None in self.refused else what
        reason = next(iter(self.refused.values()))
        left = "these are not compared" if self.batches else "the file is compared with nothing"
        return (f"the model itself refuses {what}, {left}: {reason}",)


class Comparable(Protocol):
    """What can be compared with the eager model: a session, or a graph in memory."""

    @property
    def inputs(self) -> tuple[Signature, ...]:
        """Names, dtypes and shapes."""

    @property
    def device(self) -> str:
        """What runs the circuits."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name."""


def agree(
    session: Comparable,
    examples: Mapping[str, Array],
    expected: Expected,
    trials: Sequence[Mapping[str, int]],
    distribution: str,
    tolerance: float,
) -> Agreement:
    """Compare a session with the eager model at several lengths of the open axes.

    What the eager model itself refuses is left out: it may take lengths up to a limit, or hold
    numbers of rows in an integer input.

    Raises:
        MismatchError: an error is above the tolerance.
    """
    from hybridx.capture import first_line

    axes = open_axes(session)
    worst = 0.0
    compared: list[int] = []
    refused: dict[int | None, str] = {}
    for lengths in trials:
        batch = lengths.get(BATCH, 1)
        # Rather than nothing, the example's own lengths of the other axes.
        for tried in (lengths, {BATCH: batch}):
            inputs = draw(
                examples, axes, lengths=tried, distribution=distribution, seed=SEED + batch
            )
            try:
                outputs = expected(inputs)
            except Exception as refusal:
                # The model is the user's own code and may raise anything.
                refused[lengths.get(BATCH)] = f"{type(refusal).__name__}: {first_line(refusal)}"
                continue
            refused.pop(lengths.get(BATCH), None)
            error = compare(
                session.run(inputs),
                outputs,
                tolerance=tolerance,
                left=f"the file on {session.device}",
                right="the eager model",
                batch=batch,
            )
            worst = max(worst, error)
            compared.append(batch)
            break
    return Agreement(worst, tuple(compared), refused)


@dataclass(frozen=True, eq=False)
class Typical:
    """Inputs on which the eager model gives finite outputs.

    Attributes:
        distribution: what they are drawn from.
        inputs: as long as the example.
        outputs: of the eager model.
    """

    distribution: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


def draw_typical(examples: Mapping[str, Array], expected: Expected) -> Typical:
    """Return inputs of the first distribution on which the eager model gives finite outputs.

    Raises:
        NoFiniteInputError: there is none.
    """
    for distribution in DISTRIBUTIONS:
        inputs = draw(examples, {}, lengths={}, distribution=distribution, seed=SEED)
        outputs = expected(inputs)
        if all(np.isfinite(output).all() for output in outputs.values()):
            return Typical(distribution, inputs, outputs)
    raise NoFiniteInputError


def open_axes(session: Comparable) -> dict[str, dict[int, str]]:
    """Return, by input, the names of the axes that may have any length."""
    return {
        signature.name: {
            axis: called for axis, called in enumerate(signature.shape) if isinstance(called, str)
        }
        for signature in session.inputs
    }


def _batches(session: Session, examples: Mapping[str, Array]) -> tuple[int, ...]:
    """Return the batch sizes that a file can be compared at; none if it has no batch."""
    axes = open_axes(session)
    if any(BATCH in named.values() for named in axes.values()):
        return VERIFIED_BATCHES
    if session.metadata.verification is not None:
        return session.metadata.verification.batches
    return (_rows(session, examples),)


def _call(session: Session) -> Call:
    """Return how the inputs of a file are arguments of its model's forward.

    Raises:
        BrokenArtifactError: the file does not say it in a form that can be read.
    """
    from hybridx.capture import decode_call, plain_call

    if session.metadata.call is None:
        return plain_call(session.input_names)
    try:
        return decode_call(session.metadata.call, session.input_names)
    except ValueError as error:
        problem = f"hybridx.call cannot be read: {error}"
        raise BrokenArtifactError(session.artifact.path, problem) from error


def _self_test(session: Session) -> SelfTest:
    if session.metadata.self_test is None:
        raise NoSelfTestError(session.artifact.path)
    return session.metadata.self_test


def _rows(session: Session, arrays: Mapping[str, Array]) -> int:
    """Return the length of the batch; where no axis is called so, that of the first axis."""
    named = [
        arrays[name].shape[axis]
        for name, axes in open_axes(session).items()
        for axis, called in axes.items()
        if called == BATCH
    ]
    return next(iter(named or [len(array) for array in arrays.values() if array.ndim]), 1)


def self_test(path: str | Path, **execution: Unpack[Options]) -> VerifyReport:
    """Load a file and run its self-test; arguments as `load`, errors as `reproduce`."""
    return reproduce(load(path, **execution))


def verify_source(
    path: str | Path,
    *,
    against: str | None = None,
    checkpoint: str | Path | None = None,
    atol: float | None = None,
    significance: float | None = None,
    **execution: Unpack[Options],
) -> VerifyReport:
    """Compare a file with the model that a text names; see `verify`.

    Args:
        path: of the file.
        against: file.py:attribute, package.module:attribute or a config.toml.
        checkpoint: weights to load into that model first.
        atol: tolerance.
        significance: with shots, how often a right device may be refused.
        **execution: on what the file runs; see `hybridx.load`.
    """
    if against is None:
        return verify(path, atol=atol, significance=significance, **execution)
    need("comparing with a model", "torch", "pennylane", "safetensors")
    from hybridx.sources import find_source

    model = find_source(against, None if checkpoint is None else Path(checkpoint)).model
    return verify(path, against=model, atol=atol, significance=significance, **execution)
