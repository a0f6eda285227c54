"""Passes: pure functions from a circuit to a simpler one, each with a promise."""

from hybridx.passes.light_cone import light_cone
from hybridx.passes.merge_rotations import merge_rotations
from hybridx.passes.pipeline import PASSES, run_passes

__all__ = ["PASSES", "light_cone", "merge_rotations", "run_passes"]
