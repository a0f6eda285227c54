"""Circuits with live weights: values and gradients by one compiled interpreter of gates."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.kernels.directions import along, frequencies
    from hybridx.kernels.run import gradients, values
    from hybridx.kernels.tape import Reason, Tape, tape_of
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = ["Reason", "Tape", "along", "frequencies", "gradients", "tape_of", "values"]
