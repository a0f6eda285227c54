"""Quantum layers of a model that is trained, compiled in place and put back."""

from hybridx.acceleration.layers import AcceleratedLayer, AccelerationReport
from hybridx.acceleration.model import accelerate_model, restore_model

__all__ = ["AcceleratedLayer", "AccelerationReport", "accelerate_model", "restore_model"]
