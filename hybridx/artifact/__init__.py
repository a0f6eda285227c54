"""Model files: their contract, and how they are assembled, read and checked."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.artifact.archive import (
        Body,
        TorchFormat,
        archive_entries,
        leaves,
        with_entries,
    )
    from hybridx.artifact.bundle import to_bundle
    from hybridx.artifact.contract import (
        ARCHIVE_MEMBER,
        CIRCUIT_ATTRIBUTE,
        DOMAIN,
        DOMAIN_VERSION,
        FORMAT_VERSION,
        IR_VERSION,
        MANIFEST,
        OPSET,
        OPSETS,
        PARAMETERS,
        RESULTS,
        USUAL_MACHINE,
        Verification,
        is_bundle_file,
    )
    from hybridx.artifact.digest import Digest, difference, hash_of
    from hybridx.artifact.functions import (
        Compiled,
        body_hash,
        circuit_function,
        function_name,
    )
    from hybridx.artifact.graphs.structure import order_nodes
    from hybridx.artifact.graphs.work import check_work, too_much_memory, too_much_work
    from hybridx.artifact.guard.check import NO_SAMPLE_INPUTS, SAMPLE_INPUTS, checked
    from hybridx.artifact.guard.operators import OPERATORS
    from hybridx.artifact.inlined.entry import Inlined
    from hybridx.artifact.inlined.find import Lost
    from hybridx.artifact.inlined.write import inline
    from hybridx.artifact.limits import check_file_size, check_lengths, check_model, expanded_size
    from hybridx.artifact.metadata import (
        Metadata,
        compiled_for,
        inlined_entries,
        renew,
        set_entries,
        stamped,
        without_verification,
        write_metadata,
    )
    from hybridx.artifact.nodes import (
        describe,
        is_circuit_node,
        opset_of,
        parameters_from,
        walk_nodes,
    )
    from hybridx.artifact.outline import Block, Outline, describe_outline, outline_of
    from hybridx.artifact.read import (
        Artifact,
        Content,
        OnnxArtifact,
        TorchArtifact,
        decode_artifact,
        read_artifact,
        refuse_changes,
        refuse_lost,
        tell_changes,
    )
    from hybridx.artifact.said import Said
    from hybridx.artifact.segments import (
        CircuitCall,
        Segment,
        Stage,
        refuse_inner_circuits,
        split,
    )
    from hybridx.artifact.selftest import PERIOD, SelfTest, record
    from hybridx.artifact.signature import Signature, signature_of
    from hybridx.artifact.traps import refuse_traps
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "ARCHIVE_MEMBER",
    "CIRCUIT_ATTRIBUTE",
    "DOMAIN",
    "DOMAIN_VERSION",
    "FORMAT_VERSION",
    "IR_VERSION",
    "MANIFEST",
    "NO_SAMPLE_INPUTS",
    "OPERATORS",
    "OPSET",
    "OPSETS",
    "PARAMETERS",
    "PERIOD",
    "RESULTS",
    "SAMPLE_INPUTS",
    "USUAL_MACHINE",
    "Artifact",
    "Block",
    "Body",
    "CircuitCall",
    "Compiled",
    "Content",
    "Digest",
    "Inlined",
    "Lost",
    "Metadata",
    "OnnxArtifact",
    "Outline",
    "Said",
    "Segment",
    "SelfTest",
    "Signature",
    "Stage",
    "TorchArtifact",
    "TorchFormat",
    "Verification",
    "archive_entries",
    "body_hash",
    "check_file_size",
    "check_lengths",
    "check_model",
    "check_work",
    "checked",
    "circuit_function",
    "compiled_for",
    "decode_artifact",
    "describe",
    "describe_outline",
    "difference",
    "expanded_size",
    "function_name",
    "hash_of",
    "inline",
    "inlined_entries",
    "is_bundle_file",
    "is_circuit_node",
    "leaves",
    "opset_of",
    "order_nodes",
    "outline_of",
    "parameters_from",
    "read_artifact",
    "record",
    "refuse_changes",
    "refuse_inner_circuits",
    "refuse_lost",
    "refuse_traps",
    "renew",
    "set_entries",
    "signature_of",
    "split",
    "stamped",
    "tell_changes",
    "to_bundle",
    "too_much_memory",
    "too_much_work",
    "walk_nodes",
    "with_entries",
    "without_verification",
    "write_metadata",
]
