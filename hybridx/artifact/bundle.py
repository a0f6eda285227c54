"""The bundle: a model in parts, for teams that run its circuits with their own software.

A bundle is a folder. It has ONNX models of the classical parts, each circuit as JSON, as OpenQASM 3
and compiled as an ONNX model, and a manifest that says how the parts are joined. Joining the parts
gives the model that was cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, assert_never

import msgspec
import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper

from hybridx.artifact.contract import (
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    DOMAIN_VERSION,
    IR_VERSION,
    KEY_DIGEST,
    KEY_STRATEGY,
    MANIFEST,
    PARAMETERS,
    RESULTS,
    is_bundle_file,
)
from hybridx.artifact.digest import digest_model
from hybridx.artifact.functions import Compiled, circuit_function, function_name
from hybridx.artifact.limits import check_file_size
from hybridx.artifact.metadata import decode_metadata, encode_entry, set_entries
from hybridx.artifact.nodes import describe, is_circuit_node, opset_of
from hybridx.artifact.segments import Segment, refuse_inner_circuits, split
from hybridx.artifact.signature import (
    Declared,
    Signature,
    declare,
    read_declared,
    signature_of,
    value_info_of,
)
from hybridx.bounds import BUNDLE_STEPS, DESCRIPTION_BYTES, refuse_above
from hybridx.circuit import BATCH, Circuit, column_count, decode, result_count, to_qasm
from hybridx.errors import BrokenArtifactError, IllFormedCircuitError, NoQasmError

_Version: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class _ClassicalStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="classical"):
    """A step on ONNX Runtime: a model with inputs and outputs of these names."""

    model: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class _CircuitStep(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="circuit"
):
    """A step on a quantum device: a circuit for every row of `parameters`.

    Both values have the dtype, because the following parts take no other.
    """

    circuit: str
    parameters: str
    results: str
    dtype: Literal["float32", "float64"]
    node: str = ""  # the name of its node in the model


_Step: TypeAlias = _ClassicalStep | _CircuitStep


class _CircuitFiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The files of a circuit; a file that cannot be made is left out."""

    json: str
    qasm: str | None = None
    model: str | None = None
    strategy: str = ""


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inputs: tuple[Declared, ...]
    outputs: tuple[Declared, ...]
    steps: tuple[_Step, ...]
    circuits: dict[str, _CircuitFiles]
    opset: _Version
    ir_version: _Version
    sha256: dict[str, str]  # of every other file, by name
    metadata: dict[str, str]


class _Stamp(msgspec.Struct, frozen=True):
    """The part of a manifest that every later format has too."""

    metadata: dict[str, str] = {}


def to_bundle(model: onnx.ModelProto, path: str) -> dict[str, bytes]:
    """Return the files of a bundle, by name.

    Args:
        model: a model with its metadata written into it.
        path: of the model, for messages.

    Raises:
        BrokenArtifactError: it cannot be cut.
    """
    refuse_inner_circuits(model, path)
    files: dict[str, bytes] = {}
    dtypes: dict[str, np.dtype[Any]] = {}
    steps: list[_Step] = []
    for stage in split(model, path):
        if stage.segment.content:
            steps.append(_part(f"classical_{len(files)}.onnx", stage.segment, files))
        for call in stage.circuits:
            dtypes[call.function] = call.dtype
            name: Any = call.dtype.name
            steps.append(
                _CircuitStep(call.function, call.parameters, call.results, name, call.node)
            )
    circuits = {
        name: _circuit(f"circuit_{number}", text, name, model, dtypes[name], files)
        for number, (name, text) in enumerate(_texts(model).items())
    }
    manifest = _Manifest(
        inputs=tuple(declare(signature_of(value)) for value in model.graph.input),
        outputs=tuple(declare(signature_of(value)) for value in model.graph.output),
        steps=tuple(steps),
        circuits=circuits,
        opset=opset_of(model),
        ir_version=model.ir_version,
        sha256={name: _sha256(content) for name, content in sorted(files.items())},
        metadata={
            entry.key: entry.value for entry in model.metadata_props if entry.key != KEY_DIGEST
        },
    )
    # The digest is that of the model that the parts make, which is cut differently.
    joined = _Joiner(files.__getitem__, "the new bundle", manifest).join()
    digest = digest_model(joined, _canonical(manifest))
    manifest.metadata[KEY_DIGEST] = encode_entry(digest)
    files[MANIFEST] = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    return files


def _canonical(manifest: _Manifest) -> bytes:
    """Return what a manifest says, but for the metadata, as JSON with sorted keys."""
    said = msgspec.to_builtins(manifest)
    del said["metadata"]
    return msgspec.json.encode(said, order="sorted")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _part(name: str, segment: Segment, files: dict[str, bytes]) -> _ClassicalStep:
    files[name] = segment.content
    return _ClassicalStep(name, segment.inputs, segment.outputs)


def _texts(model: onnx.ModelProto) -> dict[str, str]:
    """Return the JSON of each circuit by its name, in the order of the graph."""
    return {
        node.op_type: next(a.s for a in node.attribute if a.name == CIRCUIT_ATTRIBUTE).decode()
        for node in model.graph.node
        if is_circuit_node(node)
    }


def _circuit(
    stem: str,
    text: str,
    name: str,
    model: onnx.ModelProto,
    dtype: np.dtype[Any],
    files: dict[str, bytes],
) -> _CircuitFiles:
    files[f"{stem}.json"] = text.encode()
    qasm = compiled = None
    strategy = ""
    try:
        files[qasm_name := f"{stem}.qasm"] = to_qasm(decode(text)).encode()
        qasm = qasm_name
    except NoQasmError:
        pass  # The manifest then names no QASM file.
    for function in model.functions:
        if (function.domain, function.name) == (DOMAIN, name):
            compiled = f"{stem}.onnx"
            files[compiled] = bytes(
                _body_model(function, dtype, text).SerializeToString(deterministic=True)
            )
            strategy = next((e.value for e in function.metadata_props if e.key == KEY_STRATEGY), "")
    return _CircuitFiles(f"{stem}.json", qasm, compiled, strategy)


def _body_model(function: onnx.FunctionProto, dtype: np.dtype[Any], text: str) -> onnx.ModelProto:
    """Return a compiled body as an ONNX model with the signature that all circuits have."""
    circuit = decode(text)
    graph = helper.make_graph(
        list(function.node),
        function.name,
        [value_info_of(Signature(PARAMETERS, dtype, (BATCH, column_count(circuit))))],
        [value_info_of(Signature(RESULTS, dtype, (BATCH, result_count(circuit))))],
    )
    return helper.make_model(graph, opset_imports=function.opset_import, ir_version=IR_VERSION)


def from_bundle(read: Callable[[str], bytes], path: str) -> tuple[onnx.ModelProto, bytes]:
    """Return the model from which the parts were cut, and the manifest in canonical form.

    Args:
        read: returns the content of a file by its name, which cannot lead out of the folder.
        path: of the bundle, for messages.

    Raises:
        ForeignFileError: hybridx did not write its manifest.
        NewerFormatError: a later hybridx wrote it.
        BrokenArtifactError: the parts do not fit together.
        TooLargeError: the model that they make exceeds the size limit of a file.
    """
    manifest = _read_manifest(read(MANIFEST), path)
    return _Joiner(read, path, manifest).join(), _canonical(manifest)


def _read_manifest(content: bytes, path: str) -> _Manifest:
    try:
        # A later version may have other fields; the error should call it later, not broken.
        decode_metadata(msgspec.json.decode(content, type=_Stamp).metadata, path)
        return msgspec.json.decode(content, type=_Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenArtifactError(path, f"{MANIFEST} cannot be read: {error}") from error


@dataclass(frozen=True)
class _Joiner:
    """Joins the parts of one bundle."""

    read: Callable[[str], bytes]
    path: str
    manifest: _Manifest

    def join(self) -> onnx.ModelProto:
        manifest = self.manifest
        model = onnx.ModelProto(ir_version=manifest.ir_version, producer_name=DOMAIN)
        model.graph.name = "model"
        model.graph.input.extend(map(self._value, manifest.inputs))
        model.graph.output.extend(map(self._value, manifest.outputs))
        model.opset_import.append(helper.make_opsetid("", manifest.opset))
        if manifest.circuits:
            model.opset_import.append(helper.make_opsetid(DOMAIN, DOMAIN_VERSION))
        refuse_above(BUNDLE_STEPS, len(manifest.steps), "the number of steps of a bundle")
        refuse_above(BUNDLE_STEPS, len(manifest.circuits), "the steps that run circuits, at least")
        texts = {name: self._circuit(name, model) for name in sorted(manifest.circuits)}
        decoded = cache(lambda name: self._decoded(texts[name]))
        self._check_order()
        self._check_copies(texts)
        types: list[onnx.ValueInfoProto] = []
        weights: dict[str, onnx.TensorProto] = {}
        for step in manifest.steps:
            match step:
                case _ClassicalStep():
                    graph = self._part(step)
                    model.graph.node.extend(graph.node)
                    self._add_weights(graph, model, weights)
                    types += [*graph.input, *graph.output]
                case _CircuitStep(name, parameters, results):
                    node = helper.make_node(name, [parameters], [results], domain=DOMAIN)
                    node.attribute.append(helper.make_attribute(CIRCUIT_ATTRIBUTE, texts[name]))
                    if step.node:
                        describe(node, step.node, decoded(name))
                    model.graph.node.append(node)
                case _:
                    assert_never(step)
        # A value that goes from one circuit to another has its type in no part.
        runs = [step for step in manifest.steps if isinstance(step, _CircuitStep)]
        types += [
            value_info_of(Signature(name, np.dtype(run.dtype), ("?", "?")))
            for run in runs
            for name in (run.parameters, run.results)
        ]
        ends = {value.name for value in (*manifest.inputs, *manifest.outputs)}
        first = {value.name: value for value in reversed(types) if value.name not in ends}
        model.graph.value_info.extend(first[name] for name in sorted(first))
        set_entries(model, manifest.metadata)
        return model

    def _decoded(self, text: str) -> Circuit:
        try:
            return decode(text)
        except IllFormedCircuitError as error:
            raise self._broken(str(error.faults)) from error

    def _check_order(self) -> None:
        """Refuse a step that reads a value before it is produced, or produces a value again."""
        known = {value.name for value in self.manifest.inputs}
        parts: set[str] = set()
        for step in self.manifest.steps:
            match step:
                case _ClassicalStep(what, reads, gives):
                    pass
                case _CircuitStep(what, parameters, results):
                    reads, gives = (parameters,), (results,)
                case _:
                    assert_never(step)
            self._check_known(what, reads, known)
            if known & set(gives) or len(set(gives)) < len(gives):
                raise self._broken(f"{what} gives a value that is there already")
            if isinstance(step, _ClassicalStep):
                if what in parts:
                    raise self._broken(f"it runs {what} twice")
                parts.add(what)
            known |= set(gives)
        self._check_known("its output", [value.name for value in self.manifest.outputs], known)

    def _check_known(self, what: str, reads: Iterable[str], known: set[str]) -> None:
        for name in reads:
            if name not in known:
                raise self._broken(f"{what} takes {name!r}, which nothing before it gives")

    def _check_copies(self, texts: Mapping[str, str]) -> None:
        """Refuse runs of unknown circuits, and circuits whose JSON is too large in total."""
        size = 0
        for step in self.manifest.steps:
            if isinstance(step, _CircuitStep):
                if step.circuit not in texts:
                    raise self._broken(f"it runs {step.circuit}, which it does not have")
                # The JSON is one file, but every node has a copy of it.
                size += len(texts[step.circuit])
                check_file_size(size)
                refuse_above(DESCRIPTION_BYTES, size, "the circuits of all steps")

    def _part(self, step: _ClassicalStep) -> onnx.GraphProto:
        model = self._model(step.model)
        graph = model.graph
        is_as_declared = (
            {value.name for value in graph.input} == set(step.inputs)
            and {value.name for value in graph.output} == set(step.outputs)
            and self._opsets(model.opset_import) == {"": self.manifest.opset}
        )
        if not is_as_declared or model.functions or graph.sparse_initializer:
            raise self._broken(f"{step.model} is not the part that {MANIFEST} says it is")
        return graph

    def _add_weights(
        self, graph: onnx.GraphProto, model: onnx.ModelProto, there: dict[str, onnx.TensorProto]
    ) -> None:
        for weight in graph.initializer:
            if weight.name not in there:
                there[weight.name] = weight
                model.graph.initializer.append(weight)
            elif there[weight.name] != weight:
                raise self._broken(f"two parts differ in their weight {weight.name!r}")

    def _circuit(self, name: str, model: onnx.ModelProto) -> str:
        """Return the JSON of a circuit, and attach its body to the model."""
        files = self.manifest.circuits[name]
        text = self._read(files.json).decode(errors="replace")
        if files.qasm is not None:
            self._read(files.qasm)
        function = None
        if files.model is not None:
            body = self._model(files.model)
            graph = body.graph
            is_whole = (
                [value.name for value in graph.input] == [PARAMETERS]
                and [value.name for value in graph.output] == [RESULTS]
                and self._opsets(body.opset_import).keys() == {""}
            )
            if not is_whole or body.functions or graph.initializer or graph.sparse_initializer:
                raise self._broken(f"{files.model} is no compiled circuit")
            opset = self._opsets(body.opset_import)[""]
            function = circuit_function(Compiled(text, list(graph.node), files.strategy), opset)
            model.functions.extend([function] if function is not None else [])
        if function_name(text, function) != name:
            raise self._broken(f"the files of {name} are not the ones that were written")
        return text

    def _model(self, name: str) -> onnx.ModelProto:
        try:
            return onnx.load_model_from_string(self._read(name))
        except DecodeError as error:
            raise self._broken(f"{name} is no ONNX model") from error

    def _opsets(self, imports: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
        return {each.domain: each.version for each in imports}

    def _value(self, declared: Declared) -> onnx.ValueInfoProto:
        return value_info_of(read_declared(declared, self.path))

    def _read(self, name: str) -> bytes:
        if name == MANIFEST or not is_bundle_file(name):
            raise self._broken(f"it has a part called {name[:80]!r}")
        content = self.read(name)
        if self.manifest.sha256.get(name) != _sha256(content):
            raise self._broken(f"{name} was changed")
        return content

    def _broken(self, reason: str) -> BrokenArtifactError:
        return BrokenArtifactError(self.path, reason)
