"""A graph that was traced for one row, run on all rows of a batch."""

from hybridx.capture.rows.interpreter import RowInterpreter
from hybridx.capture.rows.value import NoRowRule, Rows

__all__ = ["NoRowRule", "RowInterpreter", "Rows"]
