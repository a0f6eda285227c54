"""Export hybrid PyTorch + PennyLane models to ordinary files, and run them anywhere."""

from typing import TYPE_CHECKING, Any

from hybridx.api import (
    BATCH_SIZE,
    FORMATS,
    OPSET,
    OPSETS,
    SIGNIFICANCE,
    STRATEGIES,
    TOLERANCE,
    VERIFIED_BATCHES,
    CheckReport,
    CircuitSummary,
    Conversion,
    Evaluation,
    ExportReport,
    InputSummary,
    Inspection,
    Prediction,
    VerifyReport,
    check,
    convert,
    evaluate,
    export,
    inspect,
    load,
    lower,
    predict,
    verify,
)
from hybridx.errors import HybridxError
from hybridx.runtime import Execution, Session
from hybridx.version import VERSION

if TYPE_CHECKING:
    from hybridx.targets import Lowered as Lowered

__version__ = VERSION

__all__ = [
    "BATCH_SIZE",
    "FORMATS",
    "OPSET",
    "OPSETS",
    "SIGNIFICANCE",
    "STRATEGIES",
    "TOLERANCE",
    "VERIFIED_BATCHES",
    "CheckReport",
    "CircuitSummary",
    "Conversion",
    "Evaluation",
    "Execution",
    "ExportReport",
    "HybridxError",
    "InputSummary",
    "Inspection",
    "Prediction",
    "Session",
    "VerifyReport",
    "__version__",
    "check",
    "convert",
    "evaluate",
    "export",
    "inspect",
    "load",
    "lower",
    "predict",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Return `Lowered`, what `lower` returns: a class that stands on torch, imported when asked."""
    if name == "Lowered":
        from hybridx.targets import Lowered

        return Lowered
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
