"""The bundle: a model in parts, for teams that run its circuits on a stack of their own.

A folder with ONNX models of the classical parts, each circuit as JSON, as OpenQASM 3 and compiled
as an ONNX model of its own, and a manifest that says how they are joined. Nothing is lost: the
parts joined again are the model that was cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never

import msgspec
import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper

from hybridx.artifact.contract import (
    BATCH,
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    DOMAIN_VERSION,
    IR_VERSION,
    KEY_STRATEGY,
    OPSET,
    PARAMETERS,
    RESULTS,
    is_circuit_node,
)
from hybridx.artifact.functions import Compiled, circuit_function, function_name
from hybridx.artifact.signature import (
    Declared,
    Signature,
    declare,
    read_declared,
    signature_of,
    value_of,
)
from hybridx.artifact.split import Segment, split
from hybridx.circuit import decode, result_count, to_qasm
from hybridx.errors import BrokenArtifactError, NoQasmError

MANIFEST: Final = "manifest.json"

_NAME: Final = re.compile(r"(classical|circuit)_[0-9]+\.(onnx|json|qasm)")


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="classical"):
    """A step on ONNX Runtime: a model with inputs and outputs of these names."""

    model: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class _Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="circuit"):
    """A step on a quantum device: a circuit for every row of `parameters`."""

    circuit: str
    parameters: str
    results: str


_Step: TypeAlias = _Part | _Run


class _Circuit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The files of a circuit; one that cannot be had is left out."""

    json: str
    qasm: str | None = None
    model: str | None = None
    strategy: str = ""


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inputs: tuple[Declared, ...]
    outputs: tuple[Declared, ...]
    steps: tuple[_Step, ...]
    circuits: dict[str, _Circuit]
    opset: int
    ir_version: int
    metadata: dict[str, str]


def to_bundle(model: onnx.ModelProto) -> dict[str, bytes]:
    """Return the files of a bundle, by name.

    Args:
        model: a sealed model of the file contract.
    """
    files: dict[str, bytes] = {}
    dtypes: dict[str, np.dtype[Any]] = {}
    steps: list[_Step] = []
    for number, stage in enumerate(split(model)):
        if stage.segment.content:
            steps.append(_part(f"classical_{number}.onnx", stage.segment, files))
        dtypes |= {call.function: call.dtype for call in stage.circuits}
        steps += [_Run(call.function, call.parameters, call.results) for call in stage.circuits]
    circuits = {
        name: _circuit(f"circuit_{number}", text, name, model, dtypes[name], files)
        for number, (name, text) in enumerate(_texts(model).items())
    }
    manifest = _Manifest(
        inputs=tuple(declare(signature_of(value)) for value in model.graph.input),
        outputs=tuple(declare(signature_of(value)) for value in model.graph.output),
        steps=tuple(steps),
        circuits=circuits,
        opset=next(o.version for o in model.opset_import if o.domain == ""),
        ir_version=model.ir_version,
        metadata={entry.key: entry.value for entry in model.metadata_props},
    )
    files[MANIFEST] = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    return files


def _part(name: str, segment: Segment, files: dict[str, bytes]) -> _Part:
    files[name] = segment.content
    return _Part(name, segment.inputs, segment.outputs)


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
) -> _Circuit:
    files[f"{stem}.json"] = text.encode()
    qasm = compiled = None
    strategy = ""
    try:
        files[qasm_name := f"{stem}.qasm"] = to_qasm(decode(text)).encode()
        qasm = qasm_name
    except NoQasmError:
        pass  # The manifest then names none.
    for function in model.functions:
        if (function.domain, function.name) == (DOMAIN, name):
            compiled = f"{stem}.onnx"
            files[compiled] = bytes(
                _body_model(function, dtype, text).SerializeToString(deterministic=True)
            )
            strategy = next((e.value for e in function.metadata_props if e.key == KEY_STRATEGY), "")
    return _Circuit(f"{stem}.json", qasm, compiled, strategy)


def _body_model(function: onnx.FunctionProto, dtype: np.dtype[Any], text: str) -> onnx.ModelProto:
    """Return a compiled body as a model of its own, with the signature of every circuit."""
    circuit = decode(text)
    graph = helper.make_graph(
        list(function.node),
        function.name,
        [value_of(Signature(PARAMETERS, dtype, (BATCH, circuit.parameters)))],
        [value_of(Signature(RESULTS, dtype, (BATCH, result_count(circuit))))],
    )
    return helper.make_model(graph, opset_imports=function.opset_import, ir_version=IR_VERSION)


def from_bundle(read: Callable[[str], bytes], path: str) -> bytes:
    """Return the model that parts were cut from.

    Args:
        read: gives the content of a part by its name, which leads out of no folder.
        path: of the bundle, for messages.

    Raises:
        BrokenArtifactError: the parts do not fit together.
    """
    return _Joiner(read, path).join()


@dataclass(frozen=True)
class _Joiner:
    """Joins the parts of one bundle."""

    read: Callable[[str], bytes]
    path: str

    def join(self) -> bytes:
        manifest = self._manifest()
        model = onnx.ModelProto(ir_version=manifest.ir_version)
        model.opset_import.append(helper.make_opsetid("", manifest.opset))
        model.graph.name = "model"
        model.graph.input.extend(map(self._value, manifest.inputs))
        model.graph.output.extend(map(self._value, manifest.outputs))
        texts = {name: self._circuit(name, one, model) for name, one in manifest.circuits.items()}
        weights: dict[str, onnx.TensorProto] = {}
        for step in manifest.steps:
            match step:
                case _Part(file):
                    graph = self._model(file).graph
                    model.graph.node.extend(graph.node)
                    for weight in graph.initializer:
                        if weights.setdefault(weight.name, weight) != weight:
                            raise self._broken(f"two parts differ in their {weight.name}")
                case _Run(name, parameters, results):
                    if name not in texts:
                        raise self._broken(f"it runs {name}, which it does not have")
                    node = helper.make_node(name, [parameters], [results], domain=DOMAIN)
                    node.attribute.append(helper.make_attribute(CIRCUIT_ATTRIBUTE, texts[name]))
                    model.graph.node.append(node)
                case _:
                    assert_never(step)
        model.graph.initializer.extend(weights.values())
        if texts:
            model.opset_import.append(helper.make_opsetid(DOMAIN, DOMAIN_VERSION))
        for key in sorted(manifest.metadata):
            model.metadata_props.add(key=key, value=manifest.metadata[key])
        return bytes(model.SerializeToString(deterministic=True))

    def _manifest(self) -> _Manifest:
        try:
            return msgspec.json.decode(self.read(MANIFEST), type=_Manifest)
        except msgspec.MsgspecError as error:
            raise self._broken(f"{MANIFEST} cannot be read: {error}") from error

    def _circuit(self, name: str, files: _Circuit, model: onnx.ModelProto) -> str:
        """Return the JSON of a circuit, and attach its body to the model."""
        text = self._read(files.json).decode(errors="replace")
        function = None
        if files.model is not None:
            body = self._model(files.model)
            opset = next((o.version for o in body.opset_import if o.domain == ""), OPSET)
            function = circuit_function(
                Compiled(text, list(body.graph.node), files.strategy), opset
            )
            model.functions.extend([function] if function is not None else [])
        if function_name(text, function) != name:
            raise self._broken(f"the files of {name} are not the ones that were written")
        return text

    def _model(self, name: str) -> onnx.ModelProto:
        try:
            return onnx.load_model_from_string(self._read(name))
        except DecodeError as error:
            raise self._broken(f"{name} is no ONNX model") from error

    def _value(self, declared: Declared) -> onnx.ValueInfoProto:
        return value_of(read_declared(declared, self.path))

    def _read(self, name: str) -> bytes:
        # No name leads out of the folder.
        if not _NAME.fullmatch(name):
            raise self._broken(f"it has a part called {name!r}")
        return self.read(name)

    def _broken(self, reason: str) -> BrokenArtifactError:
        return BrokenArtifactError(self.path, reason)
