"""Compare a loaded file with the model it was exported from, or with its own self-test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hybridx.api.work.saving import Saving, fails, saving
from hybridx.artifact import SelfTest
from hybridx.circuit import BATCH
from hybridx.errors import (
    BrokenArtifactError,
    NoSelfTestError,
    NothingComparedError,
    OptionError,
    OptionNeedsError,
)
from hybridx.parity import EAGER, Difference, OutputDifference, compare, open_axes
from hybridx.report import Shown
from hybridx.runtime import Agreement, Session, Usage, record_circuits, start_session
from hybridx.storage import Array

if TYPE_CHECKING:
    from torch import nn

    from hybridx.capture import Flat, ForwardCall
    from hybridx.parity import Comparison, Consistency, Expected, Typical
    from hybridx.signing import Signed


@dataclass(frozen=True)
class VerifyReport(Shown):
    """A comparison that passed.

    Attributes:
        path: of the file.
        device: that ran the circuits.
        against: what it was compared with.
        batches: batch sizes that were tried.
        worst: largest error seen.
        tolerance: largest error allowed.
        notes: what the user should know.
        usage: the devices and providers of the run, and what was sent.
        consistency: with shots, the consistency of the sampled results; all other fields then
            describe the file computed exactly.
        outputs: how far each output is off.
        layers: how far the results of each quantum layer are off, in order, where they were
            compared.
        circuits: what shows that each compiled circuit is the circuit that the file carries.
        signature: the signature that was verified, if a key was given. Where nothing else was,
            `device` is `none`, `worst` and `tolerance` are NaN, and nothing was compared.
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
    outputs: tuple[OutputDifference, ...] = ()
    layers: tuple[OutputDifference, ...] = ()
    circuits: tuple[Agreement, ...] = ()
    signature: Signed | None = None


def reproduce(
    session: Session,
    *,
    atol: float | None = None,
    significance: float | None = None,
    save: Saving | None = None,
) -> VerifyReport:
    """Run the self-test of a loaded file.

    On a device with shots, the file is first computed exactly. Then each result of its circuits is
    tested against the distribution that a correct device would give.

    Args:
        session: the file on the device in question.
        atol: tolerance; by default the one that the file states. With shots, the outputs are then
            compared within it instead of being tested.
        significance: with shots, the probability that a correct device is refused.
        save: keeps the smallest input that fails.

    Raises:
        NoSelfTestError: the file carries none.
        NothingComparedError: its outputs are empty, or hold no finite number.
        MismatchError: the outputs are not the recorded ones.
        InconsistentResultError: a sampled result is too far from its exact value for chance.
    """
    test = self_test_of(session)
    _check_significance(session, atol, significance)
    if session.shots is not None and atol is None:
        exact = reproduce(start_session(session.artifact), save=save)
        return _sampled(session, exact, significance)
    path, rows = session.artifact.path, _rows(session, test.inputs)
    tolerance = test.tolerance if atol is None else atol

    def compared(
        inputs: Mapping[str, Array], expected: Mapping[str, Array], batch: int
    ) -> Difference:
        actual = test.of(session.run(inputs))
        return compare(
            {name: array for name, array in actual.items() if name in expected},
            expected,
            tolerance=tolerance,
            left=f"{path} on {session.device}",
            right="its self-test",
            batch=batch,
        )

    def differs(inputs: Mapping[str, Array], chosen: Sequence[int]) -> bool:
        # Of an output of which only some numbers are recorded, rows cannot be told.
        by_row = {
            name: array.take(chosen, 0)
            for name, array in test.outputs.items()
            if name not in test.recorded and array.shape[:1] == (rows,)
        }
        return fails(lambda: compared(inputs, by_row, len(chosen)))

    with saving(save, session.inputs, lambda: test.inputs, differs):
        found = compared(test.inputs, test.outputs, rows)
    if not found.elements:
        raise NothingComparedError(
            f"{path} on {session.device}", "its self-test", "its outputs hold no finite numbers"
        )
    at_export = session.metadata.verification
    batches = () if at_export is not None and not at_export.batches else (rows,)
    return VerifyReport(
        path,
        session.device,
        "its self-test",
        batches,
        found.worst,
        tolerance,
        usage=session.usage,
        outputs=tuple(
            replace(one, index=test.place(one.output, one.index)) for one in found.outputs
        ),
    )


def compare_with_model(
    session: Session,
    against: nn.Module | Callable[..., Any],
    *,
    atol: float | None = None,
    significance: float | None = None,
    save: Saving | None = None,
) -> VerifyReport:
    """Compare a loaded file with the eager model; arguments and errors as `verify`."""
    _check_significance(session, atol, significance)
    if session.shots is not None and atol is None:
        exact = compare_with_model(start_session(session.artifact), against, save=save)
        return _sampled(session, exact, significance)
    from hybridx import capture
    from hybridx.parity.eager import run_eager

    examples = self_test_of(session).inputs
    against, flat, dtype = flat_model(session, against)
    tolerance = self_test_of(session).tolerance if atol is None else atol
    with capture.as_exported(against, dtype):
        return compare_with_reference(
            session,
            examples,
            lambda inputs: run_eager(flat, inputs),
            tolerance=tolerance,
            batches=_batches(session, examples),
            save=save,
        )


def flat_model(
    session: Session, model: nn.Module | Callable[..., Any]
) -> tuple[nn.Module, Flat, str]:
    """Return the module of a file, how it takes the file's inputs, and the dtype of the file.

    Raises:
        NotAModelError: what was given is no model.
        BrokenArtifactError: the file does not say how its model is called.
    """
    from hybridx import capture

    read, _ = capture.read_model(model)
    is_wide = any(signature.dtype.name == "float64" for signature in session.inputs)
    dtype = "float64" if is_wide else "float32"
    return read, capture.Flat(read, _call(session), dtype, session.output_names), dtype


def compare_with_reference(
    session: Session,
    examples: Mapping[str, Array],
    expected: Expected,
    *,
    tolerance: float,
    batches: Sequence[int],
    save: Saving | None,
    reference: str = EAGER,
) -> VerifyReport:
    """Compare a loaded file with another execution.

    Args:
        session: the file on its device.
        examples: typical inputs by name.
        expected: the other execution.
        tolerance: the largest error that passes.
        batches: batch sizes to compare at.
        save: keeps the smallest input that fails.
        reference: what the other is, for messages.

    Raises:
        MismatchError: they differ.
        NothingComparedError: the other does not take these inputs.
    """
    from hybridx.parity import compare_with_eager

    tried: dict[str, Array] = {}

    def trying(inputs: Mapping[str, Array]) -> dict[str, Array]:
        tried.update(inputs)
        return expected(inputs)

    def differs(inputs: Mapping[str, Array], chosen: Sequence[int]) -> bool:
        def compared() -> None:
            compare(
                session.run(inputs),
                expected(inputs),
                tolerance=tolerance,
                left=session.device,
                right=reference,
                batch=len(chosen),
            )

        return fails(compared)

    with saving(save, session.inputs, lambda: tried, differs):
        found = compare_with_eager(
            session,
            _typical(examples, trying, reference),
            trying,
            batches=batches,
            tolerance=tolerance,
            reference=reference,
        )
    return VerifyReport(
        session.artifact.path,
        session.device,
        reference,
        found.batches,
        found.worst,
        tolerance,
        (*found.notes, *_unmoved(found)),
        session.usage,
        outputs=found.outputs,
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
    from hybridx.parity import SIGNIFICANCE, Sample, check_consistent

    assert session.shots is not None
    samples = [
        Sample(one.name, one.circuit, one.parameters, one.results, session.shots)
        for one in record_circuits(session, self_test_of(session).inputs)
    ]
    found = check_consistent(
        samples,
        significance=SIGNIFICANCE if significance is None else significance,
        device=session.device,
    )
    return replace(exact, device=session.device, usage=session.usage, consistency=found)


def _typical(examples: Mapping[str, Array], expected: Expected, reference: str) -> Typical:
    """Return the inputs of a self-test with the outputs of a model, maybe not the exported one.

    Raises:
        NothingComparedError: the model does not run on the inputs.
    """
    from hybridx.parity import Typical, draw_typical, reason_of

    typical = draw_typical(examples, expected)
    try:
        outputs = expected(examples)
    except Exception as error:
        # The model is the user's own code and may raise anything.
        raise NothingComparedError("the file", reference, reason_of(error)) from error
    return Typical(typical.distribution, examples, outputs)


def _unmoved(found: Comparison) -> Iterator[str]:
    for called, reason in found.unmoved.items():
        yield f"the {called} is compared at the length of the self-test alone: {reason}"


def _batches(session: Session, examples: Mapping[str, Array]) -> tuple[int, ...]:
    """Return the batch sizes that a file can be compared at; none if it has no batch."""
    from hybridx.parity import VERIFIED_BATCHES

    if has_batch(session):
        return VERIFIED_BATCHES
    if session.metadata.verification is not None:
        return session.metadata.verification.batches
    return (_rows(session, examples),)


def _call(session: Session) -> ForwardCall:
    """Return how the inputs of a file become arguments of its model's forward.

    Raises:
        BrokenArtifactError: that part of the file cannot be read.
    """
    from hybridx.capture import decode_call, plain_call

    if session.metadata.call is None:
        return plain_call(session.input_names)
    try:
        return decode_call(session.metadata.call, session.input_names)
    except ValueError as error:
        problem = f"hybridx.call cannot be read: {error}"
        raise BrokenArtifactError(session.artifact.path, problem) from error


def self_test_of(session: Session) -> SelfTest:
    """Return the self-test of a file.

    Raises:
        NoSelfTestError: it carries none.
        BrokenArtifactError: it is a test of other inputs or outputs.
    """
    test, path = session.metadata.self_test, session.artifact.path
    if test is None:
        raise NoSelfTestError(path)
    for what, tested, names in (
        ("inputs", test.inputs, session.input_names),
        ("outputs", test.outputs, session.output_names),
    ):
        if tested.keys() != set(names):
            found = ", ".join(sorted(tested)) or "none"
            problem = f"its self-test has the {what} {found}, its model {', '.join(names)}"
            raise BrokenArtifactError(path, problem)
    return test


def has_batch(session: Session) -> bool:
    """Return whether a file takes any number of rows."""
    return any(BATCH in one.shape for one in session.inputs)


def _rows(session: Session, arrays: Mapping[str, Array]) -> int:
    """Return the length of the batch, or of the first axis if none is called batch."""
    named = [
        arrays[name].shape[axis]
        for name, axes in open_axes(session.inputs).items()
        for axis, called in axes.items()
        # A self-test of a file may have other axes than its inputs; running it says so.
        if called == BATCH and axis < arrays[name].ndim
    ]
    return next(iter(named or [len(array) for array in arrays.values() if array.ndim]), 1)
