"""The bill of materials of a model file: CycloneDX 1.6 in JSON.

Its text follows from the file and its name alone: it has no time, and its serial number is made
of the digest. What CycloneDX has no field for are properties that begin with `hybridx:`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hybridx.artifact import (
    USUAL_MACHINE,
    Artifact,
    OnnxArtifact,
    is_bundle_file,
    signature_of,
)
from hybridx.circuit import (
    Apply,
    Circuit,
    Operation,
    column_count,
    name_derivative,
    result_count,
)
from hybridx.storage import read_bytes
from hybridx.version import __version__

if TYPE_CHECKING:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component

_LICENSE: Final = ("license", "licence")
_AUTHOR: Final = ("author", "authors")


def write_bom(artifact: Artifact) -> str:
    """Return the bill of materials of a file, with a line break at the end."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository
    from cyclonedx.output.json import JsonV1Dot6

    model = _model(artifact)
    parts = [*_circuits(artifact), *_files(artifact)]
    tool = Component(type=ComponentType.APPLICATION, name="hybridx", version=__version__)
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, f"{model.name} {artifact.digest.sha256}"),
        metadata=BomMetaData(component=model, tools=ToolRepository(components=[tool])),
        components=parts,
    )
    bom.register_dependency(model, parts)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"]
    document["metadata"]["component"]["modelCard"] = _model_card(artifact)
    return json.dumps(document, indent=2) + "\n"


def _model(artifact: Artifact) -> Component:
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.contact import OrganizationalContact

    own = {key.lower(): value for key, value in artifact.metadata.own.items() if value.strip()}
    license = next((own[key] for key in _LICENSE if key in own), None)
    author = next((own[key] for key in _AUTHOR if key in own), None)
    content = None if artifact.format == "bundle" else artifact.content
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        # Bytes of a name that are no text, which Python keeps as surrogates, become question marks.
        name=Path(artifact.path).resolve().name.encode(errors="replace").decode(),
        version=own.get("version"),
        bom_ref="model",
        description=own.get("description"),
        authors=[] if author is None else [OrganizationalContact(name=author)],
        licenses=[] if license is None else [LicenseFactory().make_from_string(license)],
        hashes=[] if content is None else [_sha256(content)],
        properties=_properties(_facts(artifact)),
    )


def _facts(artifact: Artifact) -> Iterator[tuple[str, object]]:
    """Yield what is known of a file, and was verified."""
    says = artifact.metadata
    yield "format", artifact.format
    yield "bytes", artifact.size
    yield "written-by", f"hybridx {says.version}"
    if isinstance(artifact, OnnxArtifact):
        yield "ir-version", artifact.model.ir_version
        for one in artifact.model.opset_import:
            yield f"opset:{one.domain or 'ai.onnx'}", one.version
        if artifact.is_inlined:
            yield "inlined", _truth(value=True)
        for lost in artifact.lost:
            yield "lost-layer", lost.layer
    yield "digest", artifact.digest.sha256
    for name, digest in artifact.digest.parts.items():
        yield f"digest:{name}", digest
    yield "as-written", "unknown" if artifact.stated is None else _truth(not artifact.changed)
    for part in artifact.changed:
        yield "changed", part
    yield "self-test", _truth(says.self_test is not None)
    yield "verified", _truth(says.verification is not None)
    if says.verification is not None:
        yield "verified:against", "eager PyTorch"
        yield "verified:worst-error", says.verification.worst
        yield "verified:tolerance", says.verification.tolerance
        yield "verified:batches", ", ".join(map(str, says.verification.batches)) or "none"
    if says.machine != USUAL_MACHINE:
        yield "machine", says.machine
    if says.weights:
        yield "weights", says.weights
    for name, values in (("columns", says.columns), ("classes", says.classes)):
        if values:
            yield name, ", ".join(values)
    for key, value in says.own.items():
        yield f"metadata:{key}", value


def _circuits(artifact: Artifact) -> Iterator[Component]:
    from cyclonedx.model.component import Component, ComponentType

    for name, circuit in artifact.circuits.items():
        yield Component(
            type=ComponentType.DATA,
            name=name,
            bom_ref=f"circuit:{name}",
            description=f"the {name_derivative(circuit)} of a quantum circuit"
            if circuit.derivative
            else "a quantum circuit",
            properties=_properties(_circuit_facts(artifact, name, circuit)),
        )


def _circuit_facts(artifact: Artifact, name: str, circuit: Circuit) -> Iterator[tuple[str, object]]:
    yield "sha256", artifact.hashes[name]
    yield "wires", circuit.wires
    yield "parameters", column_count(circuit)
    yield "results", result_count(circuit)
    yield "gates", len(circuit.operations)
    for gate, count in sorted(Counter(map(_kind, circuit.operations)).items()):
        yield f"gates:{gate}", count
    yield "shots", "exact" if circuit.shots is None else circuit.shots
    strategy = artifact.strategies.get(name)
    if strategy:
        yield "strategy", strategy
    if not isinstance(artifact, OnnxArtifact):
        yield "runs-on", "torch"
        return
    if strategy:
        yield "runs-on", "ONNX Runtime"
    yield "runs-on", "devices of PennyLane"


def _kind(operation: Operation) -> str:
    """Return the name of a gate, or what an operation is that has none."""
    return operation.gate if isinstance(operation, Apply) else type(operation).__name__


def _files(artifact: Artifact) -> Iterator[Component]:
    """Yield the files of a bundle."""
    from cyclonedx.model.component import Component, ComponentType

    if artifact.format != "bundle":
        return
    for path in sorted(Path(artifact.path).iterdir()):
        if is_bundle_file(path.name) and path.is_file() and not path.is_symlink():
            yield Component(
                type=ComponentType.FILE,
                name=path.name,
                bom_ref=f"file:{path.name}",
                hashes=[_sha256(read_bytes(path))],
            )


def _model_card(artifact: Artifact) -> dict[str, Any]:
    """Return the model card, which cyclonedx-python-lib cannot write yet."""
    outputs: Iterable[object] = artifact.outputs
    if isinstance(artifact, OnnxArtifact):
        outputs = map(signature_of, artifact.model.graph.output)
    card: dict[str, Any] = {
        "modelParameters": {
            "architectureFamily": "hybrid quantum-classical",
            "inputs": [{"format": str(one)} for one in artifact.inputs],
            "outputs": [{"format": str(one)} for one in outputs],
        }
    }
    verification = artifact.metadata.verification
    if verification is not None:
        metric = {
            "type": f"largest error against eager PyTorch, tolerance {verification.tolerance:g}",
            "value": str(verification.worst),
        }
        if verification.batches:
            metric["slice"] = f"batches of {', '.join(map(str, verification.batches))}"
        card["quantitativeAnalysis"] = {"performanceMetrics": [metric]}
    if artifact.metadata.assumed:
        card["considerations"] = {"technicalLimitations": list(artifact.metadata.assumed)}
    return card


def _properties(facts: Iterable[tuple[str, object]]) -> list[Property]:
    from cyclonedx.model import Property

    return [Property(name=f"hybridx:{name}", value=str(value)) for name, value in facts]


def _sha256(content: bytes) -> Any:
    from cyclonedx.model import HashAlgorithm, HashType

    return HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(content).hexdigest())


def _truth(value: bool) -> str:
    return "true" if value else "false"
