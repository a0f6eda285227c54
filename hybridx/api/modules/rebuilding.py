"""Make a torch module of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hybridx.api.options import check_choice, need
from hybridx.errors import NoConversionError
from hybridx.lowering import MACHINE_NAMES
from hybridx.storage import check_readable

if TYPE_CHECKING:
    from hybridx.lowering import MachineName
    from hybridx.rebuild import RestoredModule


def to_torch(
    source: str | Path | bytes | Mapping[str, bytes],
    *,
    circuits: Literal["qnode", "compiled"] = "qnode",
    machine: MachineName = "cpu",
) -> RestoredModule:
    """Return a torch module that computes what a file computes, to train it further.

    The weights of the classical layers are parameters, under the names that they have in the file.
    With `qnode`, the angles that are numbers in a circuit are one parameter of its layer. The
    module's `report` says which numbers are parameters and which are folded.

    Args:
        source: an ONNX file or the folder of a bundle; or its content, by name for a bundle.
        circuits: `qnode` makes each circuit a PennyLane QNode, `compiled` the torch operators of
            its compiled program, which is faster and keeps the circuit's own numbers fixed.
        machine: what is to run compiled circuits: `cpu`, or `cuda` for a GPU.

    Raises:
        ArtifactError: the file cannot be read or breaks its contract.
        NoConversionError: the file is compiled for torch.
        LostCircuitError: it is inlined, and another tool has changed a circuit in it.
        NoTorchOperatorError: an operator of its graph has no torch operator here.
        CircuitTooLargeError: a circuit is too large to be compiled.
    """
    check_choice("circuits", circuits, ("qnode", "compiled"))
    check_choice("machine", machine, MACHINE_NAMES)
    if isinstance(source, str | Path):
        check_readable(Path(source))
    need("making a torch module", "torch", "pennylane")
    from hybridx.artifact import (
        OnnxArtifact,
        decode_artifact,
        read_artifact,
        refuse_lost,
        tell_changes,
    )
    from hybridx.rebuild import RestoredModule

    if isinstance(source, str | Path):
        artifact = read_artifact(Path(source))
    else:
        artifact = decode_artifact(source, "the given content")
    if not isinstance(artifact, OnnxArtifact):
        raise NoConversionError(artifact.path, artifact.format)
    refuse_lost(artifact)
    tell_changes(artifact)
    return RestoredModule(artifact, circuits, machine)
