"""Run a graph that was traced for one row on all rows of a batch."""

from hybridx.capture.batching.batched import NoRowRule, Rows
from hybridx.capture.batching.interpreter import RowInterpreter

__all__ = ["NoRowRule", "RowInterpreter", "Rows"]
