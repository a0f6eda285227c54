"""Calls timed side by side, and what their durations say."""

from hybridx.timing.measured import BenchReport, Runner
from hybridx.timing.side_by_side import Pace, pace_of, percentile, side_by_side

__all__ = ["BenchReport", "Pace", "Runner", "pace_of", "percentile", "side_by_side"]
