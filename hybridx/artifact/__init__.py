"""Model files: their contract, and how they are assembled, read and checked."""

from hybridx.artifact.archive import TorchFormat, archive_entries, with_entries
from hybridx.artifact.bundle import MANIFEST, is_bundle_file, to_bundle
from hybridx.artifact.contract import (
    ARCHIVE_MEMBER,
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    DOMAIN_VERSION,
    FORMAT_VERSION,
    IR_VERSION,
    MAX_FILE_BYTES,
    OPSET,
    OPSETS,
    PARAMETERS,
    RESULTS,
    Verification,
    is_circuit_node,
    walk_nodes,
)
from hybridx.artifact.digest import function_name
from hybridx.artifact.functions import Compiled, circuit_function
from hybridx.artifact.limits import check_file_size, check_model, expanded_size
from hybridx.artifact.metadata import Metadata, write_metadata
from hybridx.artifact.read import (
    Artifact,
    Content,
    OnnxArtifact,
    TorchArtifact,
    decode_artifact,
    read_artifact,
)
from hybridx.artifact.segments import CircuitCall, Segment, Stage, split
from hybridx.artifact.selftest import SelfTest
from hybridx.artifact.signature import Signature, signature_of

__all__ = [
    "ARCHIVE_MEMBER",
    "CIRCUIT_ATTRIBUTE",
    "DOMAIN",
    "DOMAIN_VERSION",
    "FORMAT_VERSION",
    "IR_VERSION",
    "MANIFEST",
    "MAX_FILE_BYTES",
    "OPSET",
    "OPSETS",
    "PARAMETERS",
    "RESULTS",
    "Artifact",
    "CircuitCall",
    "Compiled",
    "Content",
    "Metadata",
    "OnnxArtifact",
    "Segment",
    "SelfTest",
    "Signature",
    "Stage",
    "TorchArtifact",
    "TorchFormat",
    "Verification",
    "archive_entries",
    "check_file_size",
    "check_model",
    "circuit_function",
    "decode_artifact",
    "expanded_size",
    "function_name",
    "is_bundle_file",
    "is_circuit_node",
    "read_artifact",
    "signature_of",
    "split",
    "to_bundle",
    "walk_nodes",
    "with_entries",
    "write_metadata",
]
