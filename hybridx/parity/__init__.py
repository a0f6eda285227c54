"""Two executions of a model compared: on which inputs, how, and with which tolerance.

`hybridx.parity.eager`, which runs the PyTorch model itself, is imported only where it is needed:
everything else here works without torch.
"""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.parity.against_eager import EAGER, Comparable, Comparison, compare_with_eager
    from hybridx.parity.axes import open_axes
    from hybridx.parity.difference import TOLERANCE, Difference, OutputDifference, compare
    from hybridx.parity.draw import DISTRIBUTIONS, draw_inputs
    from hybridx.parity.smallest import Differs, smallest_rows
    from hybridx.parity.statistics import SIGNIFICANCE, Consistency, Sample, check_consistent
    from hybridx.parity.trials import (
        VERIFIED_BATCHES,
        VERIFIED_STEPS,
        Expected,
        Typical,
        draw_typical,
        reason_of,
    )
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "DISTRIBUTIONS",
    "EAGER",
    "SIGNIFICANCE",
    "TOLERANCE",
    "VERIFIED_BATCHES",
    "VERIFIED_STEPS",
    "Comparable",
    "Comparison",
    "Consistency",
    "Difference",
    "Differs",
    "Expected",
    "OutputDifference",
    "Sample",
    "Typical",
    "check_consistent",
    "compare",
    "compare_with_eager",
    "draw_inputs",
    "draw_typical",
    "open_axes",
    "reason_of",
    "smallest_rows",
]
