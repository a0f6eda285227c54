"""Export hybrid PyTorch + PennyLane models to ordinary files, and run them anywhere."""

from hybridx.api import convert, evaluate, export, inspect, load, lower, predict, verify
from hybridx.errors import HybridxError
from hybridx.runtime import Session
from hybridx.version import VERSION

__version__ = VERSION

__all__ = [
    "HybridxError",
    "Session",
    "__version__",
    "convert",
    "evaluate",
    "export",
    "inspect",
    "load",
    "lower",
    "predict",
    "verify",
]
