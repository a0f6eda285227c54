"""The metadata of an ONNX file, with the digests of its functions, written last."""

from __future__ import annotations

import onnx

from hybridx.artifact.contract import DOMAIN, KEY_BODIES
from hybridx.artifact.functions import body_hash
from hybridx.artifact.metadata import Metadata, encode_entry


def seal(model: onnx.ModelProto, metadata: Metadata) -> bytes:
    """Write the metadata into `model` and return the bytes of the file.

    Args:
        model: a graph with its circuit functions attached; changed in place.
        metadata: of the file.
    """
    bodies = {f.name: body_hash(f) for f in model.functions if f.domain == DOMAIN}
    entries = metadata.encode() | {KEY_BODIES: encode_entry(bodies)}
    del model.metadata_props[:]
    for key in sorted(entries):
        model.metadata_props.add(key=key, value=entries[key])
    return bytes(model.SerializeToString(deterministic=True))
