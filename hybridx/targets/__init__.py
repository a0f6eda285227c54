"""A captured graph and its compiled circuits joined into a file format."""

from hybridx.targets.onnx import to_onnx

__all__ = ["to_onnx"]
