"""Convert a model file to another format; the original model is not needed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.api.formats import check_target, choose_format, write_model
from hybridx.api.options import check_choice
from hybridx.api.progress import Stages
from hybridx.errors import NoConversionError, OptionNeedsError
from hybridx.lowering import MACHINE_NAMES
from hybridx.report import Shown, counted
from hybridx.storage import check_readable

if TYPE_CHECKING:
    from hybridx.artifact import Artifact, Content, OnnxArtifact
    from hybridx.lowering import MachineName


@dataclass(frozen=True)
class Conversion(Shown):
    """The result of a conversion.

    Attributes:
        path: of the new file or folder.
        format: of the new file.
        source: the file that was converted.
        files: names of the files in a bundle; empty for a single file.
        size: in bytes.
        seconds: time of the conversion.
    """

    path: str
    format: str
    source: str
    files: tuple[str, ...]
    size: int
    seconds: float


def convert(
    source: str | Path,
    path: str | Path,
    *,
    format: str | None = None,
    inline: bool = False,
    machine: MachineName | None = None,
    overwrite: bool = False,
    accept_changes: bool = False,
    stages: Stages | None = None,
) -> Conversion:
    """Write a model file in another format, with its self-test and its verification.

    The new file has a digest of its own. That of a file that was changed on purpose has no
    verification, because what was compared is not what is written.

    Args:
        source: an ONNX file or the folder of a bundle.
        path: of the new file or folder.
        format: onnx or bundle; by default the format of the ending of `path`, else bundle.
        inline: write the nodes of each circuit in its place, so that the ONNX file has standard
            operators only. Without it, an inlined file gets its functions back.
        machine: compile the circuits again, for `cpu`, `cuda` (a GPU) or `web` (a browser), each by
            the strategy that costs least there. The new file is compared with the source on its
            self-test, and each circuit on random parameters. It has no verification, because it
            was not compared with the eager model.
        overwrite: replace an existing file or folder.
        accept_changes: convert a file that was changed after hybridx wrote it.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        ChangedFileError: it was changed, and that is not accepted.
        ArtifactError: the source cannot be read, or the target cannot be written.
        NoConversionError: the source is compiled for torch.
        LostCircuitError: the source is inlined, and another tool has changed a circuit in it.
        NoBodyError: the circuits to be inlined, or compiled again, have no compiled bodies.
        LoweringError: a circuit is too large for the machine.
        ParityError: the new file computes something else; nothing is written.
    """
    started = time.perf_counter()
    chosen = choose_format(Path(path), format, "bundle")
    check_choice("format", chosen, ("onnx", "bundle"))
    if inline and chosen != "onnx":
        raise OptionNeedsError("--inline", "--format onnx")
    check_choice("machine", machine, (*MACHINE_NAMES, None))
    check_target(Path(path), chosen, overwrite=overwrite)
    check_readable(Path(source))
    import onnx

    from hybridx.artifact import (
        OnnxArtifact,
        decode_artifact,
        read_artifact,
        refuse_changes,
        renew,
        stamped,
        tell_changes,
        to_bundle,
        without_verification,
    )

    told = Stages() if stages is None else stages
    with told("read") as tell:
        artifact = read_artifact(Path(source))
        tell(f"{artifact.size:,} bytes, {counted(len(artifact.circuits), 'circuit')}")
    if not isinstance(artifact, OnnxArtifact):
        raise NoConversionError(artifact.path, artifact.format)
    refuse_changes(artifact, accepted=accept_changes)
    tell_changes(artifact)
    model = onnx.ModelProto()
    model.CopyFrom(artifact.model)
    new = replace(artifact, model=model)
    if artifact.changed:
        without_verification(model)
    names: dict[str, str] = {}
    content: Content
    if inline:
        from hybridx.api.work.building import inlined_again

        with told("inline") as tell:
            content, names = inlined_again(new, machine)
            tell(counted(len(artifact.circuits), "circuit"))
    else:
        if machine is not None:
            from hybridx.api.work.building import compiled_again

            with told("compile") as tell:
                names = compiled_again(new, machine, loops=True)
                tell(counted(len(names), "circuit"))
        if chosen == "onnx":
            content = stamped(model)
        else:
            renew(model)
            with told("cut") as tell:
                content = to_bundle(model, artifact.path)
                tell(f"{len(content)} files")
    with told("check"):
        checked = decode_artifact(content, str(path))
    if names:
        with told("compare"):
            _compare(artifact, checked)
    with told("write") as tell:
        write_model(Path(path), content, overwrite=overwrite)
        tell(f"{checked.size:,} bytes")
    return Conversion(
        path=str(path),
        format=chosen,
        source=str(source),
        files=() if isinstance(content, bytes) else tuple(sorted(content)),
        size=checked.size,
        seconds=time.perf_counter() - started,
    )


def _compare(old: OnnxArtifact, new: Artifact) -> None:
    """Compare a file with the one whose circuits were compiled again, if it has a self-test.

    Raises:
        MismatchError: they differ on the inputs of the self-test.
    """
    from hybridx.parity import compare
    from hybridx.runtime import start_session

    test = old.metadata.self_test
    if test is not None:
        actual, expected = (start_session(one).run(test.inputs) for one in (new, old))
        compare(
            actual,
            expected,
            tolerance=test.tolerance,
            left="the new file",
            right=old.path,
            batch=next((len(array) for array in test.inputs.values() if array.ndim), 1),
        )
