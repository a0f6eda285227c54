"""A captured graph and its compiled circuits joined into a file format."""

from hybridx.targets.onnx import Attached, to_onnx

__all__ = ["Attached", "to_onnx"]
