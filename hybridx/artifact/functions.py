"""A circuit and its compiled body as one ONNX function, named by the hash of both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import onnx
from onnx import helper

from hybridx.artifact.contract import DOMAIN, FUNCTION_PREFIX, PARAMETERS, RESULTS


def circuit_function(
    circuit_json: str, body: Sequence[onnx.NodeProto], opset: int
) -> onnx.FunctionProto:
    """Return the function for a circuit.

    Args:
        circuit_json: the canonical JSON of the circuit.
        body: nodes from the input `parameters` to the output `results`.
        opset: version of the standard operators in the body.
    """
    function = helper.make_function(
        DOMAIN,
        FUNCTION_PREFIX,
        [PARAMETERS],
        [RESULTS],
        list(body),
        [helper.make_opsetid("", opset)],
        ["circuit"],
    )
    function.name = function_name(circuit_json, function)
    return function


def function_name(circuit_json: str, function: onnx.FunctionProto) -> str:
    """Return the name that belongs to a circuit and its body."""
    digest = hashlib.sha256(circuit_json.encode() + b"\n" + body_bytes(function)).hexdigest()
    return FUNCTION_PREFIX + digest[:16]


def body_hash(function: onnx.FunctionProto) -> str:
    """Return the SHA-256 of a body, in hexadecimal."""
    return hashlib.sha256(body_bytes(function)).hexdigest()


def body_bytes(function: onnx.FunctionProto) -> bytes:
    """Return what a body computes, as bytes: its nodes and operator versions."""
    core = onnx.FunctionProto()
    core.input.extend(function.input)
    core.output.extend(function.output)
    core.node.extend(function.node)
    core.opset_import.extend(function.opset_import)
    return bytes(core.SerializeToString(deterministic=True))
