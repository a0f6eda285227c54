"""A captured graph and its compiled circuits joined into a file format."""

from hybridx.targets.lowered import Lowered
from hybridx.targets.onnx import to_onnx, untranslated
from hybridx.targets.pt2 import to_pt2
from hybridx.targets.returned import return_in, structure_of
from hybridx.targets.splice import splice
from hybridx.targets.torchscript import to_torchscript

__all__ = [
    "Lowered",
    "return_in",
    "splice",
    "structure_of",
    "to_onnx",
    "to_pt2",
    "to_torchscript",
    "untranslated",
]
