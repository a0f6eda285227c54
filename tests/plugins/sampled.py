"""How far a mean of shots may be from the exact one.

The mean m of N outcomes ±1 has the standard deviation sqrt((1 - m²) / N). By the normal
approximation, which is good here (N is thousands and no |m| is near 1), it is more than five of
them off with probability 6e-7; with the hundred means of all tests here, one run in 17,000 fails
by chance, and those with a seed not even that.
"""

from __future__ import annotations

import numpy as np


def standard_errors(means, exact, shots):
    """Return how many standard errors each mean is from the exact one."""
    return np.abs(means - exact) / np.sqrt((1 - exact**2) / shots)


FARTHEST = 5.0
