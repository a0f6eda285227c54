"""The digest of a file: what it means in one hash, and each part of it in another.

`docs/file-format.md` defines it. Two files with equal digests compute the same and say the same,
and a part whose digest differs says what a tool has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
import onnx
from onnx import TensorProto

from hybridx.artifact.contract import (
    ARCHIVE_MEMBER,
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    FUNCTION_PREFIX,
    KEY_CIRCUITS,
    KEY_DIGEST,
    KEY_INPUTS,
    KEY_OUTPUTS,
    KEY_SELF_TEST,
    KEY_STRATEGY,
)
from hybridx.artifact.inlined.entry import KEY_INLINED, decode_inlined
from hybridx.artifact.limits import graphs_of
from hybridx.artifact.nodes import is_circuit_node, walk_nodes
from hybridx.storage import Array

_M = TypeVar("_M")

# Fields of a model that say nothing of what it computes or promises.
_STAMPS: Final = frozenset(
    {"doc_string", "producer_name", "producer_version", "model_version", "domain"}
)
# Fields that belong to other parts than the graph.
_OF_OTHER_PARTS: Final = frozenset({"graph", "functions", "metadata_props"})
_OF_OTHER_PARTS_IN_GRAPH: Final = frozenset(
    {"input", "output", "initializer", "sparse_initializer"}
)
# What a function computes; its other fields say what it is.
_OF_BODIES: Final = frozenset({"input", "output", "node", "opset_import"})
_WEIGHTS_IN_ARCHIVE: Final = ("data/weights/", "data/constants/")


class Digest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The digest of a file, and those of its parts; each is a SHA-256 in hexadecimal.

    Attributes:
        sha256: of the whole.
        parts: by the name of the part: `graph`, `weights`, `functions`, `circuits`, `names`,
            `self-test`, `metadata`, and `manifest` of a bundle.
        circuits: of each circuit with its compiled body, by the circuit's name.
    """

    sha256: str
    parts: dict[str, str]
    circuits: dict[str, str]

    def differing(self, stated: Digest) -> tuple[str, ...]:
        """Return the names of the parts in which a stated digest differs; `digest` for others."""
        names = sorted(self.parts.keys() | stated.parts.keys())
        found = tuple(one for one in names if self.parts.get(one) != stated.parts.get(one))
        return found or (() if self == stated else ("digest",))


def difference(parts: Sequence[str]) -> str:
    """Return what is said of a file of which these parts differ.

    Example:
        >>> difference(["graph", "metadata", "weights"])
        'its graph, metadata and weights differ'
    """
    *first, last = parts
    if not first:
        return f"its {last} differ{'' if last.endswith('s') else 's'}"
    return f"its {', '.join(first)} and {last} differ"


def digest_model(model: onnx.ModelProto, manifest: bytes | None = None) -> Digest:
    """Return the digest of an ONNX model.

    Args:
        model: with its metadata.
        manifest: of the bundle that holds the model, in canonical form.
    """
    bodies, calls = _bodies(model), _calls(model)
    entries = [(one.key, one.value) for one in _ordered(model.metadata_props, "key")]
    inlined = dict(entries).get(KEY_INLINED)
    told = (field for call in calls for field in call) if inlined is None else [inlined]
    parts = {
        "graph": hashlib.sha256(canonical(_graph_only(model))).hexdigest(),
        "weights": hash_of(_weights(model.graph)),
        "functions": hash_of(_functions(model, bodies)),
        "circuits": hash_of(told),
        "names": hash_of(_names(model.graph)),
        "self-test": hash_of(value for key, value in entries if key == KEY_SELF_TEST),
        "metadata": hash_of(_metadata(entries)),
    }
    if manifest is not None:
        parts["manifest"] = hashlib.sha256(manifest).hexdigest()
    if inlined is not None:
        # Where a body is, only a look at the whole graph tells: the graph's part has it.
        texts = decode_inlined(inlined).circuits
        calls, bodies = [(name, text.encode()) for name, text in texts.items()], {}
    return _joined(parts, _hashes(calls, bodies))


def circuit_hashes(model: onnx.ModelProto) -> dict[str, str]:
    """Return the hash of each circuit of a model with its body, by the name of the circuit."""
    return _hashes(_calls(model), _bodies(model))


def _hashes(calls: Iterable[tuple[str, bytes]], bodies: Mapping[str, bytes]) -> dict[str, str]:
    return {name: circuit_hash(text, bodies.get(name)) for name, text in dict(calls).items()}


def _bodies(model: onnx.ModelProto) -> dict[str, bytes]:
    return {one.name: body_bytes(one) for one in model.functions if one.domain == DOMAIN}


def _calls(model: onnx.ModelProto) -> list[tuple[str, bytes]]:
    """Return the name and the JSON of the circuit of each call, in the order of the graph."""
    return [
        (node.op_type, text)
        for node in walk_nodes(model.graph)
        if is_circuit_node(node)
        for text in (a.s for a in node.attribute if a.name == CIRCUIT_ATTRIBUTE)
    ]


def digest_archive(
    members: Iterable[tuple[str, bytes]], entries: Mapping[str, str], circuits: Mapping[str, str]
) -> Digest:
    """Return the digest of an archive of torch.

    Args:
        members: its members, by their names below the top folder.
        entries: what hybridx says in it.
        circuits: the JSON of its circuits, by name.
    """
    program: dict[bool, list[str | bytes]] = {True: [], False: []}
    for name, content in sorted(members):
        if name != ARCHIVE_MEMBER:
            number = name.removeprefix("data/")
            is_weight = name.startswith(_WEIGHTS_IN_ARCHIVE) or number.isdecimal()
            program[is_weight] += [name, content]
    apart = {KEY_CIRCUITS, KEY_STRATEGY, KEY_INPUTS, KEY_OUTPUTS}
    said = [item for item in sorted(entries.items()) if item[0] not in apart]
    parts = {
        "graph": hash_of(program[False]),
        "weights": hash_of(program[True]),
        "circuits": hash_of(entries.get(key, "") for key in (KEY_CIRCUITS, KEY_STRATEGY)),
        "names": hash_of(entries.get(key, "") for key in (KEY_INPUTS, KEY_OUTPUTS)),
        "self-test": hash_of(value for key, value in said if key == KEY_SELF_TEST),
        "metadata": hash_of(_metadata(said)),
    }
    hashes = {name: circuit_hash(text.encode(), None) for name, text in circuits.items()}
    return _joined(parts, hashes)


def _joined(parts: dict[str, str], circuits: dict[str, str]) -> Digest:
    whole = hash_of(field for item in sorted(parts.items()) for field in item)
    return Digest(whole, parts, circuits)


def hash_of(fields: Iterable[str | bytes]) -> str:
    """Return the SHA-256 of fields, each behind its length in 8 bytes, the lowest first."""
    found = hashlib.sha256()
    for field in map(_as_bytes, fields):
        found.update(len(field).to_bytes(8, "little"))
        found.update(field)
    return found.hexdigest()


def _graph_only(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model without what belongs to other parts."""
    rest = _copied(model, _OF_OTHER_PARTS | _STAMPS)
    rest.graph.CopyFrom(_copied(model.graph, _OF_OTHER_PARTS_IN_GRAPH))
    return rest


def _weights(graph: onnx.GraphProto) -> Iterator[bytes]:
    for tensor in _ordered(graph.initializer, "name"):
        yield from _tensor_in_two(tensor)
    for sparse in graph.sparse_initializer:
        yield canonical(sparse)


def _functions(model: onnx.ModelProto, bodies: Mapping[str, bytes]) -> Iterator[bytes]:
    for function in _ordered(model.functions, "domain", "name", "overload"):
        yield canonical(_copied(function, _OF_BODIES))
        is_circuit = function.domain == DOMAIN
        yield bodies[function.name] if is_circuit else body_bytes(function)


def _names(graph: onnx.GraphProto) -> Iterator[str | bytes]:
    for value in graph.input:
        yield from ("input", canonical(value))
    for value in graph.output:
        yield from ("output", canonical(value))


def _metadata(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for key, value in entries:
        if key not in (KEY_DIGEST, KEY_SELF_TEST, KEY_INLINED):
            yield from (key, value)


# --- circuits ------------------------------------------------------------------------------------


def circuit_hash(circuit_json: bytes, body: bytes | None) -> str:
    """Return the SHA-256 of a circuit's JSON, a line feed and its body, in hexadecimal."""
    return hashlib.sha256(circuit_json + b"\n" + (body or b"")).hexdigest()


def name_of(circuit_hash: str) -> str:
    """Return the name of a circuit with a hash."""
    return FUNCTION_PREFIX + circuit_hash[:16]


def body_bytes(function: onnx.FunctionProto) -> bytes:
    """Return the canonical bytes of the inputs, outputs, nodes and operator versions of a body."""
    core = onnx.FunctionProto()
    core.input.extend(function.input)
    core.output.extend(function.output)
    core.node.extend(function.node)
    core.opset_import.extend(function.opset_import)
    return canonical(core)


# --- canonical bytes -----------------------------------------------------------------------------

# The lists in which a tensor may hold its numbers instead of in `raw_data`, and their types.
_LISTS: Final = {
    "float_data": "f4",
    "double_data": "f8",
    "int32_data": "i4",
    "int64_data": "i8",
    "uint64_data": "u8",
    "string_data": "O",
}
# By the type of a tensor: the list that holds its numbers, and what each is in `raw_data`.
_STORED: Final[dict[int, tuple[str, str]]] = {
    TensorProto.FLOAT: ("float_data", "<f4"),
    TensorProto.COMPLEX64: ("float_data", "<f4"),
    TensorProto.DOUBLE: ("double_data", "<f8"),
    TensorProto.COMPLEX128: ("double_data", "<f8"),
    TensorProto.INT64: ("int64_data", "<i8"),
    TensorProto.UINT64: ("uint64_data", "<u8"),
    TensorProto.UINT32: ("uint64_data", "<u4"),
    TensorProto.INT32: ("int32_data", "<i4"),
    TensorProto.INT16: ("int32_data", "<i2"),
    TensorProto.INT8: ("int32_data", "<i1"),
    TensorProto.UINT16: ("int32_data", "<u2"),
    TensorProto.UINT8: ("int32_data", "<u1"),
    TensorProto.BOOL: ("int32_data", "<u1"),
    TensorProto.FLOAT16: ("int32_data", "<u2"),
    TensorProto.BFLOAT16: ("int32_data", "<u2"),
}


def canonical(message: Any) -> bytes:
    """Return the canonical bytes of a message of the ONNX schema."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    _NORMALISED.get(type(copy), _as_it_is)(copy)
    return bytes(copy.SerializeToString(deterministic=True))


def _tensor_in_two(tensor: TensorProto) -> tuple[bytes, bytes]:
    """Return the canonical bytes of a tensor without its numbers, and its numbers."""
    if not tensor.HasField("raw_data"):
        copy = TensorProto()
        copy.CopyFrom(tensor)
        _tensor(copy)
        tensor = copy
    head, numbers = TensorProto(), b""
    for field, value in tensor.ListFields():
        if field.name == "raw_data":
            numbers = value
        elif field.name != "doc_string":
            _put(head, field.name, value)
    _plain(head)
    return bytes(head.SerializeToString(deterministic=True)), numbers


def _copied(message: _M, left_out: AbstractSet[str]) -> _M:
    """Return a message with the fields that its schema knows, but for some and for the texts."""
    copy: Any = type(message)()
    for field, value in message.ListFields():  # type: ignore[attr-defined]
        if field.name not in left_out and field.name != "doc_string":
            _put(copy, field.name, value)
    found: _M = copy
    return found


def _put(message: Any, name: str, value: Any) -> None:
    """Set a field to a number, a text, a list or a message that is copied."""
    if hasattr(value, "MergeFrom"):
        getattr(message, name).MergeFrom(value)
    else:
        setattr(message, name, value)


def _ordered(messages: Iterable[_M], *names: str) -> list[_M]:
    """Return messages in the order of their names; those of one name stay in their order."""

    def key(message: _M) -> list[bytes]:
        return [_as_bytes(getattr(message, name)) for name in names]

    return sorted(messages, key=key)


def _as_bytes(text: str | bytes) -> bytes:
    """Return a text of a message as bytes; protobuf gives one that is not UTF-8 so already."""
    return text if isinstance(text, bytes) else text.encode()


def _as_it_is(_message: Any) -> None:
    """Leave a message that has neither texts for people nor tensors in it."""


def _sort(messages: Any, name: str) -> None:
    if len(messages) > 1:
        messages.sort(key=lambda one: _as_bytes(getattr(one, name)))


def _plain(message: Any) -> None:
    message.ClearField("doc_string")
    _sort(message.metadata_props, "key")


def _model(model: onnx.ModelProto) -> None:
    _plain(model)
    _sort(model.opset_import, "domain")
    _graph(model.graph)
    for info in model.training_info:
        _graph(info.initialization)
        _graph(info.algorithm)


def _function(function: onnx.FunctionProto) -> None:
    _plain(function)
    _sort(function.opset_import, "domain")
    for attribute in function.attribute_proto:
        _attribute(attribute)
    for value in function.value_info:
        _plain(value)
    _sort(function.value_info, "name")
    for node in function.node:
        _node(node)


def _graph(graph: onnx.GraphProto) -> None:
    _plain(graph)
    for tensor in graph.initializer:
        _tensor(tensor)
    _sort(graph.initializer, "name")
    for sparse in graph.sparse_initializer:
        _sparse(sparse)
    for value in (*graph.input, *graph.output, *graph.value_info):
        _plain(value)
    _sort(graph.value_info, "name")
    for node in graph.node:
        _node(node)


def _node(node: onnx.NodeProto) -> None:
    _plain(node)
    for attribute in node.attribute:
        _attribute(attribute)
    _sort(node.attribute, "name")


def _attribute(attribute: onnx.AttributeProto) -> None:
    attribute.ClearField("doc_string")
    if attribute.HasField("t"):
        _tensor(attribute.t)
    for graph in graphs_of(attribute):
        _graph(graph)
    if attribute.HasField("sparse_tensor"):
        _sparse(attribute.sparse_tensor)
    for tensor in attribute.tensors:
        _tensor(tensor)
    for sparse in attribute.sparse_tensors:
        _sparse(sparse)


def _sparse(sparse: onnx.SparseTensorProto) -> None:
    _tensor(sparse.values)
    _tensor(sparse.indices)


def _tensor(tensor: TensorProto) -> None:
    """Move the numbers of a tensor to `raw_data`, if they fit its type."""
    _plain(tensor)
    if tensor.HasField("raw_data") or tensor.data_type not in _STORED:
        return
    name, kind = _STORED[tensor.data_type]
    found = np.array(getattr(tensor, name), _LISTS[name])
    numbers = _as_kind(found, np.dtype(kind))
    if numbers is None or any(len(getattr(tensor, one)) for one in _LISTS if one != name):
        return
    tensor.raw_data = numbers.tobytes()
    tensor.ClearField(name)


def _as_kind(found: Array, kind: np.dtype[Any]) -> Array | None:
    """Return numbers in another type, or None if they are others in it."""
    if kind.kind == "f":
        return found.astype(kind)
    numbers = found.astype(kind)
    return numbers if (numbers == found).all() else None


_NORMALISED: Final[dict[type, Callable[[Any], None]]] = {
    onnx.ModelProto: _model,
    onnx.FunctionProto: _function,
    onnx.GraphProto: _graph,
    onnx.NodeProto: _node,
    onnx.ValueInfoProto: _plain,
    onnx.SparseTensorProto: _sparse,
    onnx.TensorProto: _tensor,
}
