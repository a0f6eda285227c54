"""The page on a model file: what it takes and gives, its circuits, and what was proved of it."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

from hybridx.api.work.summaries import (
    CircuitSummary,
    Inspection,
    circuit_notes,
    circuit_summaries,
    circuit_title,
)
from hybridx.artifact import (
    USUAL_MACHINE,
    Artifact,
    OnnxArtifact,
    describe_outline,
    outline_of,
)
from hybridx.drawing import draw_graph, draw_svg
from hybridx.materials import Drawn
from hybridx.report import (
    Folded,
    Listing,
    Page,
    Part,
    Picture,
    Section,
    Table,
    Verdict,
    duration,
    rate,
    size,
    write_page,
)
from hybridx.timing import BenchReport

_MOST_DRAWN = 400  # gates; a longer circuit is a text only


def write_report(
    artifact: Artifact, found: Inspection, measured: BenchReport | None = None
) -> bytes:
    """Return the page on a file as HTML.

    Args:
        artifact: the file.
        found: its description.
        measured: how fast it runs on this machine, if that was measured.
    """
    name = Path(found.path).name
    return write_page(
        Page(
            title=name,
            lead=f"{found.format}, {size(found.size)}, written by hybridx {found.version}",
            sections=(
                Section("Proved", [*_proved(found)]),
                Section("Inputs and outputs", [*_signature(found)]),
                Section("Graph", [*_graph(artifact, found)]),
                *_circuits(artifact, found),
                *([] if measured is None else [Section("Speed", [*_speed(measured)])]),
                Section("Provenance", [*_provenance(artifact, found)]),
            ),
            foot="Made by hybridx inspect --html. The page is one file and makes no requests.",
        )
    )


def _proved(found: Inspection) -> Iterator[Part]:
    done = found.verification
    if done is None:
        yield Verdict("Not compared with the eager model before it was written.", is_good=False)
    else:
        yield Verdict("Compared with the eager PyTorch model before it was written.", is_good=True)
        yield Table(
            (
                ("batch sizes", ", ".join(map(str, done.batches)) or "none: it has no batch"),
                ("worst error", f"{done.worst:.1e}"),
                ("tolerance", f"{done.tolerance:.0e}, relative to outputs larger than one"),
            )
        )
    yield (
        "It carries a self-test: hybridx run repeats the comparison on any machine."
        if found.self_test
        else "It carries no self-test."
    )
    if found.digest.is_intact is None:
        yield Verdict("It has no digest: no change of it is noticed.", is_good=False)
    elif found.digest.is_intact:
        yield Verdict("It is as hybridx wrote it, as its digest says.", is_good=True)
    else:
        said = f"It was changed after hybridx wrote it: {found.digest.difference}."
        yield Verdict(said, is_good=False)
    for layer, reason in found.lost.items():
        said = f"The quantum layer {layer} is not found in it again: {reason}."
        yield Verdict(said, is_good=False)
    for sentence in found.assumed:
        yield Verdict(f"Assumed: {sentence}", is_good=False)
    if found.machine != USUAL_MACHINE:
        yield f"Its circuits are compiled for the machine {found.machine}."
    if found.weights:
        yield Verdict(f"Weights: {found.weights}", is_good=False)


def _signature(found: Inspection) -> Iterator[Part]:
    rows = [("input", one.name, one.dtype, _shape(one.shape)) for one in found.inputs]
    rows += [
        ("output", one.name, one.dtype or "not stated", _shape(one.shape)) for one in found.outputs
    ]
    yield Table(rows, ("", "name", "dtype", "shape"))
    known = [("columns", found.columns), ("classes", found.classes)]
    named = [(what, ", ".join(names)) for what, names in known if names]
    if named:
        yield Table(named)


def _shape(shape: tuple[int | str, ...] | None) -> str:
    return "not stated" if shape is None else f"({', '.join(map(str, shape))})"


def _circuits(artifact: Artifact, found: Inspection) -> Iterator[Section]:
    if not found.circuits:
        yield Section("Circuits", ["It has none."])
    notes = circuit_notes(artifact)
    for number, one in enumerate(found.circuits):
        if not number:
            yield Section("Circuits", [])
        circuit = artifact.circuits[one.name]
        parts: list[Part] = []
        if len(circuit.operations) <= _MOST_DRAWN:
            picture = draw_svg(circuit, notes=notes.get(one.name, ()))
            parts.append(Picture(picture, f"the circuit {one.name}, drawn"))
        parts += [Table(_facts(one)), Folded("as text", [Listing(one.text.replace("; ", "\n"))])]
        yield Section(circuit_title(one.name, one.layers), parts, is_inner=True)


def draw_for_card(artifact: Artifact, target: Path | None) -> tuple[list[Drawn], dict[Path, bytes]]:
    """Return how the circuits of a file are shown in its card, and the pictures by their paths.

    Args:
        artifact: the file.
        target: the card, beside which pictures lie; None to draw the circuits as text.
    """
    notes, drawn, pictures = circuit_notes(artifact), list[Drawn](), dict[Path, bytes]()
    for number, one in enumerate(circuit_summaries(artifact)):
        circuit, picture = artifact.circuits[one.name], ""
        if target is not None and one.gates <= _MOST_DRAWN:
            path = target.with_name(f"circuit_{number}.svg")
            pictures[path], picture = draw_svg(circuit), path.name
        drawn.append(
            Drawn(
                name=one.name,
                title=circuit_title(one.name, one.layers),
                text="" if picture else one.picture,
                picture=picture,
                notes=notes.get(one.name, ()),
                cost=next((c.reason for c in one.candidates if c.strategy == one.strategy), ""),
            )
        )
    return drawn, pictures


def _facts(one: CircuitSummary) -> list[tuple[str, str]]:
    compiled = f"{one.strategy}, {one.nodes} ONNX nodes" if one.nodes else one.strategy
    return [
        ("name", one.name),
        *([("derivative", _derivative(one))] if one.derivative else []),
        ("size", f"{one.wires} wires, {one.gates} gates"),
        ("from and to", f"{one.parameters} parameters, {one.results} results a row"),
        ("compiled", compiled or "no: it runs on devices only"),
        (
            "shots",
            "exact" if one.shots is None else f"{one.shots} on devices; compiled it is exact",
        ),
    ]


def _derivative(one: CircuitSummary) -> str:
    taken = "angles, then cotangents" if one.derivative == 1 else "angles, then all cotangents"
    return f"order {one.derivative}: its columns are {taken}"


def _graph(artifact: Artifact, found: Inspection) -> Iterator[Part]:
    if not isinstance(artifact, OnnxArtifact):
        yield "A program for torch: its operators are inside the archive."
        return
    outline = outline_of(artifact)
    yield Picture(draw_graph(outline), " ".join(describe_outline(outline)))
    yield f"{sum(found.nodes.values())} nodes, opset {found.opset}."
    counted = sorted(found.nodes.items(), key=lambda item: (-item[1], item[0]))
    rows = [(name, str(count)) for name, count in counted]
    yield Folded("operators", [Table(rows, ("operator", "nodes"))])


def _speed(measured: BenchReport) -> Iterator[Part]:
    (one,) = measured.runners
    loaded = "" if one.load is None else f" The file is loaded in {duration(one.load)}."
    yield (
        f"Measured when this page was made, on {_machine()}: calls of {one.name} on inputs like "
        f"those of the self-test, {measured.seconds:g} s for each number of rows, on "
        f"{measured.provider}.{loaded}"
    )
    rows = [
        (
            "none" if pace.batch is None else str(pace.batch),
            *(
                duration(seconds).replace(" ", "\N{NO-BREAK SPACE}")
                for seconds in (pace.p50, pace.p90, pace.p99)
            ),
            rate(pace.rows_per_second),
            "" if pace.circuits is None else f"{pace.circuits:.0%}",
        )
        for pace in one.paces
    ]
    yield Table(rows, ("batch", "p50", "p90", "p99", "rows/s", "in circuits"))


def _machine() -> str:
    """Return what this machine is, as far as Python knows."""
    processor = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")  # of Linux, where Python knows the architecture alone
    if described.is_file():
        names = re.findall(r"^model name\s*: (.*)$", described.read_text(), flags=re.MULTILINE)
        processor = names[0] if names else processor
    return f"{os.cpu_count()} cores of {processor}, {platform.system()}"


def _provenance(artifact: Artifact, found: Inspection) -> Iterator[Part]:
    # The bytes of a bundle are those of the model that its parts make.
    rows = [
        ("digest", found.digest.sha256),
        ("SHA-256 of the bytes", hashlib.sha256(artifact.content).hexdigest()),
        ("hybridx", found.version),
    ]
    rows += [(key, value) for key, value in found.metadata.items()]
    rows += [(f"digest of its {part}", value) for part, value in found.digest.parts.items()]
    rows += [(f"digest of {one.name}", one.sha256) for one in found.circuits]
    yield Table(rows)
