"""Make and write the folder of a server."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hybridx.api.progress import Stages
from hybridx.api.work.reproducing import reproduce, self_test_of
from hybridx.api.work.running import is_rowwise
from hybridx.api.work.summaries import output_summaries
from hybridx.artifact import (
    Artifact,
    OnnxArtifact,
    decode_artifact,
    read_artifact,
    refuse_changes,
)
from hybridx.deployment import RECORD, SERVERS, Deployed, Server, Settings, Tensor, as_json, is_ours
from hybridx.errors import NotServedError
from hybridx.report import Shown, counted
from hybridx.runtime import Session, sliced_inputs, start_session
from hybridx.storage import write_folder
from hybridx.version import __version__

_ENDINGS = {"onnx": "model.onnx", "torchscript": "model.pt", "pt2": "model.pt2"}


@dataclass(frozen=True)
class ServerFiles(Shown):
    """A folder from which a server runs a model file.

    Attributes:
        path: of the folder.
        server: for which it is.
        title: how the server is called.
        name: of the model there.
        files: names of the files in the folder.
        start: the command that starts the server.
        joins_requests: the rows do not depend on each other, so that requests may be joined.
        settings: what no request can change, as far as it is not the default.
        notes: what the user should know.
    """

    path: str
    server: str
    title: str
    name: str
    files: tuple[str, ...]
    start: str
    joins_requests: bool
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def write_server_files(
    source: Path,
    folder: Path,
    server: str,
    name: str,
    settings: Settings,
    *,
    overwrite: bool,
    stages: Stages,
) -> ServerFiles:
    """Write the folder of a server; arguments and errors as `serve_config`."""
    row = SERVERS[server]
    with stages("read") as tell:
        artifact = read_artifact(source)
        tell(f"{artifact.size:,} bytes, {counted(len(artifact.circuits), 'circuit')}")
    _check_kind(artifact, row)
    refuse_changes(artifact, accepted=settings.accept_changes)
    if row.runs == "inlined" and isinstance(artifact, OnnxArtifact) and not artifact.is_inlined:
        with stages("inline"):
            artifact = decode_artifact(_inlined(artifact), str(source))
    notes: tuple[str, ...] = ()
    is_joined = False
    if _has_bodies(artifact):
        with stages("verify") as tell:
            session = start_session(artifact)
            report = reproduce(session)
            tell(f"worst error {report.worst:.1e}, tolerance {report.tolerance:.0e}")
            is_joined = _joins(session)
    else:
        notes = ("it holds no compiled circuits; the server tests it on the device at its start",)
    deployed = Deployed(
        name=name,
        file=_ENDINGS[artifact.format],
        content=artifact.content,
        inputs=tuple(Tensor(one.name, one.dtype.name, one.shape) for one in artifact.inputs),
        outputs=tuple(Tensor(one.name, one.dtype, one.shape) for one in output_summaries(artifact)),
        is_rowwise=is_joined,
        settings=settings,
    )
    files = row.files(deployed)
    about = {
        "server": server,
        "model": name,
        "sha256": hashlib.sha256(artifact.content).hexdigest(),
        "hybridx": __version__,
    }
    with stages("write") as tell:
        write_folder(
            folder, {RECORD: as_json(about), **files}, RECORD, is_ours, overwrite=overwrite
        )
        tell(counted(len(files), "file"))
    return ServerFiles(
        path=str(folder),
        server=server,
        title=row.title,
        name=name,
        files=(*files,),
        start=row.start.format(folder=shlex.quote(str(folder)), name=name),
        joins_requests=is_joined,
        settings=settings.given(),
        notes=notes,
    )


def _check_kind(artifact: Artifact, row: Server) -> None:
    """Refuse what a server cannot run.

    Raises:
        NotServedError: it is a bundle, or a file of torch for a server that runs ONNX.
    """
    if artifact.format == "bundle":
        advice = f"make one file of it: `hybridx convert {artifact.path} -o model.onnx`"
        raise NotServedError(row.title, artifact.path, "it is a folder of parts", advice)
    if row.runs != "python" and not isinstance(artifact, OnnxArtifact):
        python = ", ".join(name for name, one in SERVERS.items() if one.runs == "python")
        advice = f"export the model as ONNX, or choose a server in Python: {python}"
        reason = f"it is a {artifact.format} file, and that server runs ONNX"
        raise NotServedError(row.title, artifact.path, reason, advice)


def _has_bodies(artifact: Artifact) -> bool:
    if not isinstance(artifact, OnnxArtifact) or artifact.is_inlined:
        return True
    return artifact.circuits.keys() <= {one.name for one in artifact.model.functions}


def _inlined(artifact: OnnxArtifact) -> bytes:
    """Return a file with its circuits inlined."""
    import onnx

    from hybridx.api.work.building import inlined_again

    model = onnx.ModelProto()
    model.CopyFrom(artifact.model)
    content, _ = inlined_again(replace(artifact, model=model), None)
    return content


def _joins(session: Session) -> bool:
    """Return whether rows of requests may be joined, as the rows of the self-test show."""
    test = self_test_of(session)
    sliced = sliced_inputs(session)
    rows = {len(test.inputs[name]) for name in sliced}
    if sliced != {*session.input_names} or len(rows) != 1 or min(rows) < 2:
        return False
    first = {name: array[:-1] for name, array in test.inputs.items()}
    return is_rowwise(session, first, {name: array[-1:] for name, array in test.inputs.items()})
