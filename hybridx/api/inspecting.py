"""Describe a model file and draw its circuits, without torch and PennyLane."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.api.options import PICTURES, check_choice, check_ending, check_identifier
from hybridx.api.progress import Stages
from hybridx.errors import MissingExtraError, OptionError, OptionNeedsError
from hybridx.lowering import MACHINE_NAMES
from hybridx.report import counted
from hybridx.storage import check_readable, check_writable, write_together, write_whole

if TYPE_CHECKING:
    from hybridx.api.work.summaries import Inspection
    from hybridx.artifact import Artifact
    from hybridx.circuit import Circuit
    from hybridx.lowering import MachineName
    from hybridx.materials import Card


def inspect(
    path: str | Path, *, machine: MachineName | None = None, stages: Stages | None = None
) -> Inspection:
    """Return the description of a model file; needs neither torch nor PennyLane.

    Args:
        path: of the file.
        machine: for which the costs of strategies are shown: `cpu`, `cuda` or `web`; by default
            that for which the circuits of the file are compiled.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        OptionError: there is no such machine.
        ArtifactError: the file cannot be read or breaks its contract.
    """
    check_choice("machine", machine, (*MACHINE_NAMES, None))
    told = Stages() if stages is None else stages
    artifact = _read(path, told)
    from hybridx.api.work.summaries import inspect_artifact

    with told("describe"):
        return inspect_artifact(artifact, machine)


def _read(path: str | Path, told: Stages) -> Artifact:
    check_readable(Path(path))
    from hybridx.artifact import read_artifact

    with told("read") as tell:
        artifact = read_artifact(Path(path))
        tell(f"{artifact.size:,} bytes, {counted(len(artifact.circuits), 'circuit')}")
    return artifact


def draw(
    path: str | Path,
    output: str | Path,
    *,
    overwrite: bool = False,
    stages: Stages | None = None,
) -> tuple[str, ...]:
    """Draw the circuits of a file, and return the names of the pictures.

    One circuit goes to `output`; of several, `circuit.svg` becomes `circuit_0.svg` and so on. The
    title says where the circuit stands in the model; below it stands where its parameters come
    from, where the file tells.

    Args:
        path: of the model.
        output: of the picture; ends in `.svg`, `.png` or `.pdf`.
        overwrite: replace existing pictures.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        OptionError: the ending is another one.
        ArtifactError: a file cannot be read or written.
        MissingExtraError: PNG and PDF need matplotlib, and it is not installed.
    """
    target = Path(output)
    ending = check_ending("a picture", target, PICTURES)
    told = Stages() if stages is None else stages
    artifact = _read(path, told)
    from hybridx.api.work.summaries import circuit_layers, circuit_notes, circuit_title
    from hybridx.drawing import draw_figure, draw_svg

    circuits, layers = artifact.circuits, circuit_layers(artifact)
    titles = {name: circuit_title(name, layers.get(name, ())) for name in circuits}
    notes = circuit_notes(artifact)
    targets = [target]
    if len(circuits) != 1:
        names = (f"{target.stem}_{index}{target.suffix}" for index in range(len(circuits)))
        targets = [target.with_name(name) for name in names]
    for one in targets:
        check_writable(one, overwrite=overwrite)
    with told("draw") as tell:
        pictures = [
            draw_svg(circuit, titles[name], notes.get(name, ()))
            if ending == ".svg"
            else draw_figure(
                circuit, "pdf" if ending == ".pdf" else "png", titles[name], notes.get(name, ())
            )
            for name, circuit in circuits.items()
        ]
        tell(counted(len(pictures), "picture"))
    write_together(dict(zip(targets, pictures, strict=True)), overwrite=overwrite)
    return tuple(map(str, targets))


def html(
    path: str | Path,
    output: str | Path,
    *,
    bench: bool = False,
    overwrite: bool = False,
    stages: Stages | None = None,
) -> str:
    """Write a page on a model file that stands alone, and return its name.

    It has the graph and the circuits drawn, inputs and outputs, what was compared, and digests. It
    is one file of HTML without scripts, which makes no requests. Equal files give equal pages,
    unless their speed is measured.

    Args:
        path: of the model.
        output: of the page; ends in `.html`.
        bench: measure how fast the file runs on this machine, as `hybridx.bench` does.
        overwrite: replace an existing file.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        OptionError: the ending is another one.
        ArtifactError: a file cannot be read or written.
        NoSelfTestError: the file is to be measured, and has no self-test, whose inputs are used.
    """
    target = Path(output)
    if target.suffix.lower() not in (".html", ".htm"):
        raise OptionError("the ending of a page", target.name, ".html")
    check_readable(Path(path))
    check_writable(target, overwrite=overwrite)
    told = Stages() if stages is None else stages
    artifact = _read(path, told)
    from hybridx.api.benching import bench as measure
    from hybridx.api.work.reporting import write_report
    from hybridx.api.work.summaries import inspect_artifact

    measured = measure(path, stages=told) if bench else None
    with told("write") as tell:
        page = write_report(artifact, inspect_artifact(artifact), measured)
        write_whole(target, page, overwrite=overwrite)
        tell(f"{len(page):,} bytes")
    return str(target)


def bom(
    path: str | Path,
    output: str | Path | None = None,
    *,
    overwrite: bool = False,
    stages: Stages | None = None,
) -> str:
    """Return the bill of materials of a model file: CycloneDX 1.6 in JSON, with a line break.

    It has the hash of the file and of its parts, the circuits, what wrote it, what was verified,
    and a licence if the metadata of the file states one. Equal files of one name give equal texts.

    Args:
        path: of the file.
        output: a file for the text, too; its name is free, `model.cdx.json` is usual.
        overwrite: replace an existing file.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        ArtifactError: a file cannot be read or written.
        MissingExtraError: the package cyclonedx-python-lib is not installed.
    """
    check_readable(Path(path))
    if output is not None:
        check_writable(Path(output), overwrite=overwrite)
    if find_spec("cyclonedx") is None:
        raise MissingExtraError("a bill of materials", "cyclonedx-python-lib", "bom")
    artifact = _read(path, Stages() if stages is None else stages)
    from hybridx.materials import write_bom

    text = write_bom(artifact)
    if output is not None:
        write_whole(Path(output), text.encode(), overwrite=overwrite)
    return text


def card(
    path: str | Path,
    output: str | Path | None = None,
    *,
    picture: bool = False,
    license: str | None = None,
    pipeline_tag: str | None = None,
    overwrite: bool = False,
    stages: Stages | None = None,
) -> Card:
    """Return the model card of a file: Markdown with the front matter of the Hugging Face Hub.

    It has inputs and outputs, the circuits drawn, what was verified, how the file is used, its
    limits and its hashes. Equal files of one name give equal cards. What nobody has said is not
    there: a licence stands in it only if it is given.

    Args:
        path: of the file.
        output: a file for the text, too; the Hub reads `README.md`.
        picture: draw the circuits into files beside `output`, `circuit_0.svg` and so on.
            Otherwise they are drawn as text.
        license: an identifier of the Hub, such as `apache-2.0`.
        pipeline_tag: a task of the Hub. By default `tabular-classification` for a file that names
            columns and classes, else none.
        overwrite: replace existing files.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        OptionError: the ending of `output` is another one than `.md`.
        OptionNeedsError: pictures are wanted without `output`, beside which they lie.
        HubNameError: a licence or a task is no identifier of the Hub.
        ArtifactError: a file cannot be read or written.
    """
    check_identifier("--license", license)
    check_identifier("--pipeline-tag", pipeline_tag)
    check_readable(Path(path))
    if picture and output is None:
        raise OptionNeedsError("--picture", "--output")
    target = None if output is None else Path(output)
    if target is not None:
        check_ending("a model card", target, (".md",))
        check_writable(target, overwrite=overwrite)
    told = Stages() if stages is None else stages
    artifact = _read(path, told)
    from hybridx.api.work.reporting import draw_for_card
    from hybridx.materials import Card, write_card

    with told("draw"):
        drawn, pictures = draw_for_card(artifact, target if picture else None)
    text = write_card(artifact, drawn, license=license, pipeline_tag=pipeline_tag)
    files = {} if target is None else {target: text.encode(), **pictures}
    for one in files:
        check_writable(one, overwrite=overwrite)
    if files:
        write_together(files, overwrite=overwrite)
    return Card(text, tuple(map(str, files)))


def python(path: str | Path, *, stages: Stages | None = None) -> str:
    """Return the source of a Python module with a PennyLane QNode for each circuit of a file.

    A QNode takes the parameters of one row, in radians, and returns its results in order.

    Args:
        path: of the file.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        ArtifactError: the file cannot be read.
    """
    artifact = _read(path, Stages() if stages is None else stages)
    from hybridx.api.work.summaries import circuit_layers
    from hybridx.circuit import to_python

    layers = circuit_layers(artifact)
    named: dict[str, Circuit] = {}
    for name, circuit in artifact.circuits.items():
        layer = next(filter(None, layers.get(name, ())), name)
        named[name if layer in named else layer] = circuit
    return to_python(named)


def qasm(path: str | Path, *, stages: Stages | None = None) -> dict[str, str]:
    """Return the circuits of a file as OpenQASM 3, by function name.

    Parameters are declared as inputs; observables, which QASM does not have, are comments.

    Args:
        path: of the file.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        ArtifactError: the file cannot be read.
        NoQasmError: an operation has no form in OpenQASM 3.
    """
    circuits = _read(path, Stages() if stages is None else stages).circuits
    from hybridx.circuit import to_qasm

    return {name: to_qasm(circuit) for name, circuit in circuits.items()}
