"""The file: its contract, how it is put together, read and checked."""

from hybridx.artifact.contract import (
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    DOMAIN_VERSION,
    FORMAT_VERSION,
    IR_VERSION,
    OPSET,
    OPSETS,
    PARAMETERS,
    RESULTS,
    Verification,
    is_circuit_node,
    walk_nodes,
)
from hybridx.artifact.functions import circuit_function
from hybridx.artifact.read import Artifact, decode_artifact, read_artifact
from hybridx.artifact.seal import seal
from hybridx.artifact.selftest import SelfTest

__all__ = [
    "CIRCUIT_ATTRIBUTE",
    "DOMAIN",
    "DOMAIN_VERSION",
    "FORMAT_VERSION",
    "IR_VERSION",
    "OPSET",
    "OPSETS",
    "PARAMETERS",
    "RESULTS",
    "Artifact",
    "SelfTest",
    "Verification",
    "circuit_function",
    "decode_artifact",
    "is_circuit_node",
    "read_artifact",
    "seal",
    "walk_nodes",
]
