"""A circuit and its compiled body as one ONNX function, named by the hash of both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import onnx
from onnx import helper

from hybridx.artifact.contract import (
    DOMAIN,
    FUNCTION_PREFIX,
    KEY_STRATEGY,
    PARAMETERS,
    RESULTS,
)


@dataclass(frozen=True)
class Compiled:
    """A circuit in the form in which a file holds it.

    Attributes:
        circuit: its canonical JSON.
        body: nodes from the input `parameters` to the output `results`, or None without a body.
        strategy: name of the strategy that made the body, for information.
    """

    circuit: str
    body: Sequence[onnx.NodeProto] | None
    strategy: str = ""


def circuit_function(compiled: Compiled, opset: int) -> onnx.FunctionProto | None:
    """Return the function of a circuit, or None if it has no body.

    Args:
        compiled: the circuit.
        opset: version of the standard operators in the body.
    """
    if compiled.body is None:
        return None
    function = helper.make_function(
        DOMAIN,
        FUNCTION_PREFIX,
        [PARAMETERS],
        [RESULTS],
        list(compiled.body),
        [helper.make_opsetid("", opset)],
        ["circuit"],
    )
    function.name = function_name(compiled.circuit, function)
    function.metadata_props.add(key=KEY_STRATEGY, value=compiled.strategy)
    return function


def function_name(circuit_json: str, function: onnx.FunctionProto | None) -> str:
    """Return the name of a circuit with its body, or without one."""
    body = b"" if function is None else body_bytes(function)
    digest = hashlib.sha256(circuit_json.encode() + b"\n" + body).hexdigest()
    return FUNCTION_PREFIX + digest[:16]


def body_hash(function: onnx.FunctionProto) -> str:
    """Return the SHA-256 of a body, in hexadecimal."""
    return hashlib.sha256(body_bytes(function)).hexdigest()


def body_bytes(function: onnx.FunctionProto) -> bytes:
    """Return a body as bytes: its nodes and operator versions."""
    core = onnx.FunctionProto()
    core.input.extend(function.input)
    core.output.extend(function.output)
    core.node.extend(function.node)
    core.opset_import.extend(function.opset_import)
    return bytes(core.SerializeToString(deterministic=True))
