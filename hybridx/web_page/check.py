"""What a page cannot run is refused before one is written."""

from __future__ import annotations

from typing import Final

from hybridx.artifact import Artifact, OnnxArtifact, is_circuit_node, signature_of, walk_nodes
from hybridx.bounds import PAGE_BYTES, refuse_above
from hybridx.errors import NoBodyError, PageDtypeError, PageFormatError, PageOperatorError

# What the web build of ONNX Runtime takes and gives, and JavaScript has arrays for.
_DTYPES: Final = frozenset({
    "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool",
})  # fmt: skip
_STANDARD: Final = ("", "ai.onnx")


def check_page(artifact: Artifact) -> OnnxArtifact:
    """Return a file that a page can run.

    Raises:
        PageFormatError: it is compiled for torch.
        NoBodyError: a circuit of it runs on devices only.
        PageDtypeError: an input or an output is of a dtype that a page does not take.
        PageOperatorError: a node is of no operator of the ONNX standard.
        TooLargeError: it has more bytes than a page may hold.
    """
    if not isinstance(artifact, OnnxArtifact):
        raise PageFormatError(artifact.path, artifact.format)
    refuse_above(PAGE_BYTES, len(artifact.content), f"the size of {artifact.path}, for a page")
    functions = {(one.domain, one.name) for one in artifact.model.functions}
    bodiless = [
        name
        for name in artifact.circuits
        if not artifact.is_inlined and ("hybridx", name) not in functions
    ]
    if bodiless:
        raise NoBodyError(artifact.path, ", ".join(bodiless))
    outputs = tuple(map(signature_of, artifact.model.graph.output))
    for kind, values in (("input", artifact.inputs), ("output", outputs)):
        for one in values:
            if one.dtype.name not in _DTYPES:
                raise PageDtypeError(artifact.path, kind, one.name, one.dtype.name)
    for node in walk_nodes(artifact.model.graph):
        is_own = is_circuit_node(node) or (node.domain, node.op_type) in functions
        if node.domain not in _STANDARD and not is_own:
            raise PageOperatorError(artifact.path, f"{node.domain}.{node.op_type}")
    return artifact
