"""The public functions of hybridx, one for each task; the command line only calls these.

torch and PennyLane are imported inside the functions that need them, so that running and
inspecting a file works without either.
"""

from hybridx.api.checking import CheckReport, check, check_source
from hybridx.api.converting import Conversion, convert
from hybridx.api.diagnosis import Diagnosis, doctor
from hybridx.api.evaluating import Evaluation, evaluate
from hybridx.api.exporting import ExportReport, export, export_source
from hybridx.api.formats import FORMATS
from hybridx.api.inspecting import (
    CircuitSummary,
    InputSummary,
    Inspection,
    StrategySummary,
    draw,
    inspect,
    qasm,
)
from hybridx.api.lowering_modules import lower
from hybridx.api.predicting import Prediction, predict
from hybridx.api.running import BATCH_SIZE
from hybridx.api.training import train
from hybridx.api.verifying import VerifyReport, reproduce, self_test, verify, verify_source
from hybridx.artifact import OPSET, OPSETS
from hybridx.lowering import STRATEGIES
from hybridx.parity import SIGNIFICANCE, TOLERANCE, VERIFIED_BATCHES
from hybridx.runtime import Execution, load

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
    "Diagnosis",
    "Evaluation",
    "Execution",
    "ExportReport",
    "InputSummary",
    "Inspection",
    "Prediction",
    "StrategySummary",
    "VerifyReport",
    "check",
    "check_source",
    "convert",
    "doctor",
    "draw",
    "evaluate",
    "export",
    "export_source",
    "inspect",
    "load",
    "lower",
    "predict",
    "qasm",
    "reproduce",
    "self_test",
    "train",
    "verify",
    "verify_source",
]
