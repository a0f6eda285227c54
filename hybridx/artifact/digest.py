"""Digests: they name a circuit with its compiled body, and show that a body was changed."""

from __future__ import annotations

import hashlib

import onnx

from hybridx.artifact.contract import FUNCTION_PREFIX


def function_name(circuit_json: str, function: onnx.FunctionProto | None) -> str:
    """Return the name of a circuit: a digest of its JSON and, if it has one, of its body."""
    body = b"" if function is None else _body_bytes(function)
    digest = hashlib.sha256(circuit_json.encode() + b"\n" + body).hexdigest()
    return FUNCTION_PREFIX + digest[:16]


def body_digest(function: onnx.FunctionProto) -> str:
    """Return the SHA-256 of what a compiled body computes, in hexadecimal."""
    return hashlib.sha256(_body_bytes(function)).hexdigest()


def _body_bytes(function: onnx.FunctionProto) -> bytes:
    """Return the inputs, outputs, nodes and operator versions of a body as bytes."""
    core = onnx.FunctionProto()
    core.input.extend(function.input)
    core.output.extend(function.output)
    core.node.extend(function.node)
    core.opset_import.extend(function.opset_import)
    return bytes(core.SerializeToString(deterministic=True))
