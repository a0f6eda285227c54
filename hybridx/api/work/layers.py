"""Compare what each quantum layer of a file gives, compiled and on a device or in another file."""

from __future__ import annotations

from hybridx.api.work.reproducing import self_test_of
from hybridx.artifact import OnnxArtifact
from hybridx.circuit import has_channel
from hybridx.errors import (
    CompiledInError,
    LayerMismatchError,
    MismatchError,
    OtherSignatureError,
)
from hybridx.parity import Difference, OutputDifference, compare
from hybridx.runtime import (
    Options,
    Session,
    compiled_layers,
    device_layers,
    layer_names,
    start_session,
    uses_device,
)
from hybridx.storage import Array


def compare_layers(
    session: Session, other: Session | None, atol: float | None, execution: Options
) -> tuple[OutputDifference, ...]:
    """Return how far the results of each quantum layer are off, in the order of the layers.

    The compiled circuits run in ONNX Runtime on the inputs of the self-test. They are compared
    with those of the other file, if it is one of hybridx, or with the circuits on a device: that
    of the session, or PennyLane's exact simulator.

    Args:
        session: the file.
        other: another file of hybridx.
        atol: tolerance; by default the one that the file states.
        execution: how the file is executed.

    Raises:
        CompiledInError: it is a file of torch, in which layers cannot be told apart.
        NoSelfTestError: the file has no self-test to take inputs from.
        LayerMismatchError: the first layer that differs.
        OtherSignatureError: the other file has another number of layers.
    """
    artifact = session.artifact
    device = _device(session)
    if not isinstance(artifact, OnnxArtifact):
        raise CompiledInError(artifact.path, artifact.format, device)
    test = self_test_of(session)
    names = layer_names(artifact)
    left, right = f"{artifact.path} on onnx", f"its circuits on {device}"
    if other is None:
        chosen: Options = {**execution, "engine": "split"}
        if not uses_device(session):
            chosen["device"] = device
        theirs = device_layers(start_session(artifact, **chosen), test.inputs)
    else:
        right = other.artifact.path
        if not isinstance(other.artifact, OnnxArtifact):
            raise CompiledInError(right, other.artifact.format, "onnx")
        theirs = compiled_layers(other, test.inputs)
    mine = compiled_layers(session, test.inputs)
    if len(mine) != len(theirs):
        raise OtherSignatureError(
            artifact.path, "quantum layers:", str(len(mine)), right, str(len(theirs))
        )
    tolerance = test.tolerance if atol is None else atol
    found = Difference()
    for number, (name, one, another) in enumerate(zip(names, mine, theirs, strict=True), 1):
        called = f"{name} (call {number})" if names.count(name) > 1 else name
        try:
            found = found.joined(_compared(called, one, another, tolerance, left, right))
        except MismatchError as error:
            raise LayerMismatchError(
                left, right, called, number, len(mine), error.worst, error.where, tolerance
            ) from error
    return found.outputs


def _device(session: Session) -> str:
    if uses_device(session):
        return session.device
    circuits = session.artifact.circuits.values()
    return "default.mixed" if any(map(has_channel, circuits)) else "default.qubit"


def _compared(
    name: str, mine: Array, theirs: Array, tolerance: float, left: str, right: str
) -> Difference:
    return compare(
        {name: mine},
        {name: theirs},
        tolerance=tolerance,
        left=left,
        right=right,
        batch=len(mine),
    )
