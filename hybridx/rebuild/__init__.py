"""The way back: a model file as a torch module, which computes the same and can be trained."""

from hybridx.rebuild.module import Restoration, RestoredCircuit, RestoredModule

__all__ = ["Restoration", "RestoredCircuit", "RestoredModule"]
