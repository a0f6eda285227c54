"""How far the mean of some shots may be from the exact expectation value.

The mean m of N outcomes ±1 has the standard deviation sqrt((1 - m²) / N). By the normal
approximation, which is good here (N is in the thousands and no |m| is near 1), m is off by more
than five standard deviations with probability 6e-7. The tests here compare a hundred means, so one
run in 17,000 fails by chance; tests with a seed always give the same result.
"""

from __future__ import annotations

import numpy as np


def standard_errors(means, exact, shots):
    """Return how many standard errors each mean is from the exact one."""
    return np.abs(means - exact) / np.sqrt((1 - exact**2) / shots)


FARTHEST = 5.0
