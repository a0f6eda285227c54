"""Quantum layers of a model that is trained, compiled in place and put back."""

from hybridx.acceleration.model import (
    AcceleratedLayer,
    AccelerationReport,
    accelerate_model,
    restore_model,
)

__all__ = ["AcceleratedLayer", "AccelerationReport", "accelerate_model", "restore_model"]
