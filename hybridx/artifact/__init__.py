"""The file: its contract, how it is put together, read and checked."""

from hybridx.artifact.contract import (
    BATCH,
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    DOMAIN_VERSION,
    FORMAT_VERSION,
    IR_VERSION,
    KEY_STRATEGY,
    OPSET,
    OPSETS,
    PARAMETERS,
    RESULTS,
    Verification,
    is_circuit_node,
    walk_nodes,
)
from hybridx.artifact.functions import Compiled, circuit_function, function_name
from hybridx.artifact.limits import check_file_size, check_model, expanded_size
from hybridx.artifact.read import Artifact, decode_artifact, read_artifact
from hybridx.artifact.seal import seal
from hybridx.artifact.selftest import SelfTest

__all__ = [
    "BATCH",
    "CIRCUIT_ATTRIBUTE",
    "DOMAIN",
    "DOMAIN_VERSION",
    "FORMAT_VERSION",
    "IR_VERSION",
    "KEY_STRATEGY",
    "OPSET",
    "OPSETS",
    "PARAMETERS",
    "RESULTS",
    "Artifact",
    "Compiled",
    "SelfTest",
    "Verification",
    "check_file_size",
    "check_model",
    "circuit_function",
    "decode_artifact",
    "expanded_size",
    "function_name",
    "is_circuit_node",
    "read_artifact",
    "seal",
    "walk_nodes",
]
