"""The names and numbers of the file contract, `docs/file-format.md`."""

from __future__ import annotations

import re
from typing import Final

import msgspec

FORMAT_VERSION: Final = 2  # of an ONNX file and a bundle; 1 had no digest
INLINED_VERSION: Final = 3  # of an ONNX file whose circuits are no functions
ARCHIVE_VERSION: Final = 4  # of an archive of torch; 1 returned a flat tuple, 2 had no digest
DIGEST_SINCE: Final = 2  # the first format version whose files have a digest
ARCHIVE_DIGEST_SINCE: Final = 3
ARCHIVE_BODIES_SINCE: Final = 4  # the first that says which part of the program a circuit is
DOMAIN: Final = "hybridx"
DOMAIN_VERSION: Final = 1

# ONNX Runtimes of last year refuse models with a newer opset or IR version.
OPSET: Final = 20
OPSETS: Final = (18, 19, 20, 21, 22, 23)
IR_VERSION: Final = 10

FUNCTION_PREFIX: Final = "Circuit_"
CIRCUIT_ATTRIBUTE: Final = "circuit"
PARAMETERS: Final = "parameters"
RESULTS: Final = "results"

# Keys of the model's metadata.
KEY_FORMAT: Final = "hybridx.format"
KEY_VERSION: Final = "hybridx.version"
KEY_BODIES: Final = "hybridx.bodies"  # of an archive; of an ONNX file of format 1 their hashes
KEY_DIGEST: Final = "hybridx.digest"
KEY_VERIFICATION: Final = "hybridx.verification"
KEY_SELF_TEST: Final = "hybridx.selftest"
KEY_COLUMNS: Final = "hybridx.columns"
KEY_CLASSES: Final = "hybridx.classes"
KEY_CALL: Final = "hybridx.call"
KEY_ASSUMED: Final = "hybridx.assumed"
KEY_WEIGHTS: Final = "hybridx.weights"
KEY_MACHINE: Final = "hybridx.machine"
USUAL_MACHINE: Final = "cpu"  # of a file that names no machine
RESERVED: Final = "hybridx."  # keys of the user's own begin otherwise

# Keys in an archive of torch, which has no ONNX graph that contains this information.
KEY_INPUTS: Final = "hybridx.inputs"
KEY_OUTPUTS: Final = "hybridx.outputs"
KEY_CIRCUITS: Final = "hybridx.circuits"
ARCHIVE_MEMBER: Final = "extra/hybridx.json"

MANIFEST: Final = "manifest.json"  # of a bundle
_PART: Final = re.compile(r"(classical|circuit)_[0-9]{1,9}\.(onnx|json|qasm)")

# Key of a function's metadata.
KEY_STRATEGY: Final = "hybridx.strategy"


class Verification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was compared with eager PyTorch before the file was written.

    Attributes:
        tolerance: largest absolute difference allowed, relative to outputs larger than one.
        batches: batch sizes that were compared; empty if the inputs have no batch.
        worst: largest difference seen, measured in the same way.
    """

    tolerance: float
    batches: tuple[int, ...]
    worst: float


def is_bundle_file(name: str) -> bool:
    """True if a file of a bundle may have that name; such a name cannot lead out of the folder."""
    return name == MANIFEST or _PART.fullmatch(name) is not None
