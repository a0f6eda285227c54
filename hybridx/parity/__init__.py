"""Whether two executions of a model agree: what they are fed, and how they are compared.

`hybridx.parity.eager`, which runs the PyTorch model itself, is imported only where it is needed:
everything else here works without torch.
"""

from hybridx.parity.compare import TOLERANCE, compare
from hybridx.parity.draw import DISTRIBUTIONS, draw
from hybridx.parity.statistics import SIGNIFICANCE, Consistency, Sample, check_consistent

__all__ = [
    "DISTRIBUTIONS",
    "SIGNIFICANCE",
    "TOLERANCE",
    "Consistency",
    "Sample",
    "check_consistent",
    "compare",
    "draw",
]
