"""Write what others need to use a model file: a page that runs it, or what a server reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridx.api.options import BATCH_SIZE, check_choice, check_ending
from hybridx.api.progress import Stages
from hybridx.deployment import (
    NAME_RULE,
    RECORD,
    SERVERS,
    is_model_name,
    is_ours,
    name_from,
    settings_of,
)
from hybridx.errors import OptionError, OptionNeedsError, PageDataError
from hybridx.report import Shown, counted
from hybridx.runtime import Execution, check_execution
from hybridx.storage import check_folder_writable, check_readable, check_writable, write_whole

if TYPE_CHECKING:
    from hybridx.api.servers.folders import ServerFiles
    from hybridx.artifact import OnnxArtifact
    from hybridx.web_page import Range

_PAGES = (".html", ".htm")


@dataclass(frozen=True)
class WebPage(Shown):
    """A page that runs a model in a browser.

    Attributes:
        path: of the page.
        size: in bytes.
        sha256: of the page, in hexadecimal.
        model: the file that it runs.
        model_size: in bytes.
        model_sha256: of its bytes, which the page holds.
        digest: of the model.
        title: of the page.
        inputs: how each input is shown, by its name: `table`, `image`, `tokens` or `array`.
        circuits: names of the quantum layers, in order.
        ranges_from: where the ranges of sliders come from: `data`, `self-test` or `nothing`.
        runtime: the engine in the page, and its version.
    """

    path: str
    size: int
    sha256: str
    model: str
    model_size: int
    model_sha256: str
    digest: str
    title: str
    inputs: Mapping[str, str]
    circuits: tuple[str, ...]
    ranges_from: str
    runtime: str


def page(
    path: str | Path,
    output: str | Path,
    *,
    data: str | Path | Any = None,
    title: str | None = None,
    overwrite: bool = False,
    stages: Stages | None = None,
) -> WebPage:
    """Write a page that runs a model file in a browser.

    It is one file of HTML with the model and ONNX Runtime's WebAssembly inside. It makes no
    requests, and opens from a disk. Equal files, titles and data give equal pages.

    Args:
        path: of the model: an ONNX file or a bundle.
        output: of the page; ends in `.html`.
        data: rows whose least, largest and mean number of each column are the ends and the start of
            its slider, as `hybridx.predict` takes them; by default those of the self-test. No rows
            of them are kept.
        title: of the page; by default the entry `title` of the file's metadata, or the file's name.
        overwrite: replace an existing file.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        OptionError: the ending is another one.
        ArtifactError: a file cannot be read or written, or a page cannot run it.
        PageDataError: there are data, and no input has sliders.
        InputError: the data do not fit the model.
    """
    target = Path(output)
    check_ending("a page", target, _PAGES)
    check_readable(Path(path))
    check_writable(target, overwrite=overwrite)
    told = Stages() if stages is None else stages
    from hybridx.api.work.summaries import circuit_layers, circuit_notes
    from hybridx.artifact import read_artifact, tell_changes
    from hybridx.web_page import check_page, facts_of, fill_page, runtime_name

    with told("read") as tell:
        artifact = _alone(check_page(read_artifact(Path(path))))
        tell(f"{artifact.size:,} bytes, {counted(len(artifact.circuits), 'circuit')}")
    tell_changes(artifact)
    ranges = None
    if data is not None:
        with told("data") as tell:
            ranges, rows = _ranges(artifact, data)
            tell(counted(rows, "row"))
    with told("write") as tell:
        layers = circuit_layers(artifact)
        facts = facts_of(
            artifact,
            title=title,
            runtime=runtime_name(),
            layers=layers,
            notes=circuit_notes(artifact),
            ranges=ranges,
        )
        content = fill_page(facts, artifact.content)
        write_whole(target, content, overwrite=overwrite)
        tell(f"{len(content):,} bytes")
    return WebPage(
        path=str(target),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        model=str(path),
        model_size=facts.file.size,
        model_sha256=facts.file.sha256,
        digest=facts.digest.sha256,
        title=facts.title,
        inputs={one.name: one.kind for one in facts.inputs},
        circuits=tuple(name or circuit for circuit, names in layers.items() for name in names),
        ranges_from=facts.ranges_from,
        runtime=facts.runtime,
    )


def serve_config(
    path: str | Path,
    folder: str | Path,
    *,
    server: str,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    stages: Stages | None = None,
) -> ServerFiles:
    """Write a folder from which a server of others runs a model file.

    The file is first run on its self-test. A server in Python (MLServer, KServe, BentoML,
    Ray Serve) runs every kind of file and has it on a device too. Triton gets a model repository
    for its backend of ONNX, with the file as it is, and OpenVINO Model Server the file with its
    circuits inlined.

    Args:
        path: of the model: a file, not a bundle.
        folder: to write; all of it is written, or nothing.
        server: one of `mlserver`, `kserve`, `triton`, `openvino`, `bentoml`, `ray`.
        name: of the model there; by default made of the name of the file.
        settings: what no request can change: device, shots, budget, queue, time limit; the
            attributes of Settings in hybridx/deployment.
        overwrite: replace a folder that was written so before.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        OptionError: there is no such server, or the name cannot be one.
        OptionNeedsError: the server has nothing that a setting could act on.
        ServerSettingError: a setting is unknown or has a wrong value.
        NotServedError: the server does not run such a file.
        ArtifactError: the file cannot be read, or the folder not be written.
        ParityError: the file does not pass its self-test.
    """
    check_choice("--server", server, (*SERVERS,))
    row = SERVERS[server]
    chosen = settings_of(settings or {})
    for one in chosen.given():
        if one not in row.takes:
            others = " or ".join(other for other, each in SERVERS.items() if one in each.takes)
            raise OptionNeedsError(f"--{one.replace('_', '-')}", f"--server {others}")
    check_execution(Execution(**chosen.execution))
    source = Path(path)
    if name is not None and not is_model_name(name):
        raise OptionError("--name", name, NAME_RULE)
    check_readable(source)
    check_folder_writable(Path(folder), RECORD, is_ours, overwrite=overwrite)
    from hybridx.api.servers.folders import write_server_files

    return write_server_files(
        source,
        Path(folder),
        server,
        name_from(source.stem) if name is None else name,
        chosen,
        overwrite=overwrite,
        stages=Stages() if stages is None else stages,
    )


def _alone(artifact: OnnxArtifact) -> OnnxArtifact:
    """Return a file as one ONNX model, also one that is a bundle.

    Raises:
        ChangedFileError: it is a bundle that was changed, which the digest of a model hides.
    """
    if artifact.format == "onnx":
        return artifact
    import onnx

    from hybridx.artifact import OnnxArtifact, decode_artifact, refuse_changes, stamped

    refuse_changes(artifact)
    model = onnx.ModelProto()
    model.CopyFrom(artifact.model)
    joined = decode_artifact(stamped(model), artifact.path)
    assert isinstance(joined, OnnxArtifact)
    return joined


def _ranges(artifact: OnnxArtifact, data: Any) -> tuple[dict[str, tuple[Range, ...]], int]:
    """Return the ranges of the columns of each table among the inputs, and how many rows there are.

    Raises:
        PageDataError: no input is a table.
    """
    from contextlib import nullcontext

    from hybridx.api.work.named_inputs import name_inputs
    from hybridx.runtime import named_arrays, start_session
    from hybridx.storage import GivenArrays, open_data
    from hybridx.web_page import Spans, table_inputs

    spans = {one.name: Spans(one) for one in table_inputs(artifact)}
    if not spans:
        raise PageDataError(artifact.path)
    session = start_session(artifact)
    source = (
        open_data(data)
        if isinstance(data, str | Path)
        else nullcontext(GivenArrays(named_arrays(session, data)))
    )
    rows = 0
    with source as opened:
        for block in name_inputs(session, opened).slices(BATCH_SIZE):
            rows += max(each.add(block[name]) for name, each in spans.items())
    return {name: each.ranges() for name, each in spans.items()}, rows
