"""A tensor program written for a target: as ONNX nodes.

`hybridx.emit.torch`, which writes it as a torch module, is imported only where it is needed:
everything else here works without torch.
"""

from hybridx.emit.onnx import emit_body

__all__ = ["emit_body"]
