"""Model files in torch's formats, run by torch."""

from hybridx.runtime.torch.engine import TorchEngine

__all__ = ["TorchEngine"]
