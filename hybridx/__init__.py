"""Export hybrid PyTorch + PennyLane models to ordinary files, and run them anywhere."""

from typing import TYPE_CHECKING

from hybridx import errors as errors
from hybridx.errors import HybridxError
from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.acceleration import AccelerationReport
    from hybridx.api import (
        BATCH_SIZE,
        FORMATS,
        OPSET,
        OPSETS,
        SIGNIFICANCE,
        STRATEGIES,
        TOLERANCE,
        VERIFIED_BATCHES,
        BenchReport,
        Card,
        CheckReport,
        CircuitSummary,
        Conversion,
        Evaluation,
        ExportReport,
        InputSummary,
        Inspection,
        Prediction,
        ServerFiles,
        Signed,
        VerifyReport,
        WebPage,
        accelerate,
        bench,
        card,
        check,
        convert,
        evaluate,
        export,
        inspect,
        load,
        lower,
        page,
        predict,
        restore,
        serve_config,
        sign,
        to_torch,
        verify,
    )
    from hybridx.bounds import limits
    from hybridx.runtime import Execution, Session
    from hybridx.targets import Lowered as Lowered
    from hybridx.version import __version__
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "BATCH_SIZE",
    "FORMATS",
    "OPSET",
    "OPSETS",
    "SIGNIFICANCE",
    "STRATEGIES",
    "TOLERANCE",
    "VERIFIED_BATCHES",
    "AccelerationReport",
    "BenchReport",
    "Card",
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
    "ServerFiles",
    "Session",
    "Signed",
    "VerifyReport",
    "WebPage",
    "__version__",
    "accelerate",
    "bench",
    "card",
    "check",
    "convert",
    "evaluate",
    "export",
    "inspect",
    "limits",
    "load",
    "lower",
    "page",
    "predict",
    "restore",
    "serve_config",
    "sign",
    "to_torch",
    "verify",
]
