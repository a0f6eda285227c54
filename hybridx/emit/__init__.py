"""A tensor program written for a target: as ONNX nodes."""

from hybridx.emit.onnx import emit_body

__all__ = ["emit_body"]
