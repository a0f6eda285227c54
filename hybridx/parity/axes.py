"""The axes of inputs that may have any length."""

from __future__ import annotations

from collections.abc import Sequence

from hybridx.artifact import Signature


def open_axes(inputs: Sequence[Signature]) -> dict[str, dict[int, str]]:
    """Return, by input, the names of the axes that may have any length."""
    return {
        signature.name: {
            axis: called for axis, called in enumerate(signature.shape) if isinstance(called, str)
        }
        for signature in inputs
    }
