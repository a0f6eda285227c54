"""Convert a model file to another format; the original model is not needed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.api.formats import check_target, choose_format, write_model
from hybridx.api.options import check_choice
from hybridx.api.progress import Stages
from hybridx.errors import NoConversionError, OptionNeedsError
from hybridx.report import Shown, counted
from hybridx.storage import check_readable

if TYPE_CHECKING:
    from hybridx.artifact import Content


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
        overwrite: replace an existing file or folder.
        accept_changes: convert a file that was changed after hybridx wrote it.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        ChangedFileError: it was changed, and that is not accepted.
        ArtifactError: the source cannot be read, or the target cannot be written.
        NoConversionError: the source is compiled for torch.
        LostCircuitError: the source is inlined, and another tool has changed a circuit in it.
        NoBodyError: the circuits to be inlined have no compiled bodies.
    """
    started = time.perf_counter()
    chosen = choose_format(Path(path), format, "bundle")
    check_choice("format", chosen, ("onnx", "bundle"))
    if inline and chosen != "onnx":
        raise OptionNeedsError("--inline", "--format onnx")
    check_target(Path(path), chosen, overwrite=overwrite)
    check_readable(Path(source))
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
    model = artifact.model
    if artifact.changed:
        without_verification(model)
    content: Content
    if inline:
        from hybridx.api.work.building import inlined_again

        with told("inline") as tell:
            content = inlined_again(artifact)
            tell(counted(len(artifact.circuits), "circuit"))
    elif chosen == "onnx":
        content = stamped(model)
    else:
        renew(model)
        with told("cut") as tell:
            content = to_bundle(model, artifact.path)
            tell(f"{len(content)} files")
    with told("check"):
        checked = decode_artifact(content, str(path))
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
