"""A circuit and its compiled body as one ONNX function, which a hash of both names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import onnx
from onnx import helper

from hybridx.artifact.contract import DOMAIN, FUNCTION_PREFIX, KEY_STRATEGY, PARAMETERS, RESULTS
from hybridx.artifact.digest import body_bytes, circuit_hash, name_of


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
    """Return the ONNX function of a circuit, or None if the circuit has no body.

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
    """Return the name of a circuit: a hash of its JSON and, if it has one, of its body."""
    body = None if function is None else body_bytes(function)
    return name_of(circuit_hash(circuit_json.encode(), body))


def body_hash(function: onnx.FunctionProto) -> str:
    """Return the SHA-256 of what a compiled body computes, in hexadecimal."""
    return hashlib.sha256(body_bytes(function)).hexdigest()
