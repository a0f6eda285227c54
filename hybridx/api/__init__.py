"""The public functions of hybridx, one for each task; the command line only calls these.

Its own files import nothing heavy: they check what is asked for, and refuse it in a moment. What
is left to do stands in `work`, which they import when they are called, as torch and PennyLane are.
"""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.api.benching import bench, bench_source
    from hybridx.api.checking import CheckReport, check, check_source
    from hybridx.api.converting import Conversion, convert
    from hybridx.api.deploying import WebPage, page, serve_config
    from hybridx.api.diagnosis import Diagnosis, doctor
    from hybridx.api.divided.batches import run_batch
    from hybridx.api.divided.pieces import (
        Done,
        Piece,
        Work,
        absolute,
        batch_size_of,
        cut,
        input_files,
        run_piece,
        shared,
        survey,
    )
    from hybridx.api.evaluating import evaluate
    from hybridx.api.exporting import ExportReport, export, export_source
    from hybridx.api.formats import FORMATS, MODEL_ENDINGS
    from hybridx.api.inspecting import bom, card, draw, html, inspect, python, qasm
    from hybridx.api.modules.accelerating import accelerate, restore
    from hybridx.api.modules.lowering import lower
    from hybridx.api.modules.rebuilding import to_torch
    from hybridx.api.options import BATCH_SIZE, DTYPES, SourceOptions
    from hybridx.api.predicting import predict
    from hybridx.api.progress import Stages
    from hybridx.api.servers.folders import ServerFiles
    from hybridx.api.signing import sign
    from hybridx.api.training import train
    from hybridx.api.verifying import self_test, verify, verify_source
    from hybridx.api.work.predicting import Prediction
    from hybridx.api.work.reproducing import VerifyReport, reproduce
    from hybridx.api.work.scoring import Evaluation
    from hybridx.api.work.summaries import (
        CircuitSummary,
        DigestSummary,
        InputSummary,
        Inspection,
        OutputSummary,
        StrategySummary,
        output_summaries,
    )
    from hybridx.artifact import OPSET, OPSETS
    from hybridx.lowering import STRATEGIES
    from hybridx.materials import Card
    from hybridx.parity import SIGNIFICANCE, TOLERANCE, VERIFIED_BATCHES
    from hybridx.runtime import Execution, load
    from hybridx.signing import Signed
    from hybridx.timing import BenchReport
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "BATCH_SIZE",
    "DTYPES",
    "FORMATS",
    "MODEL_ENDINGS",
    "OPSET",
    "OPSETS",
    "SIGNIFICANCE",
    "STRATEGIES",
    "TOLERANCE",
    "VERIFIED_BATCHES",
    "BenchReport",
    "Card",
    "CheckReport",
    "CircuitSummary",
    "Conversion",
    "Diagnosis",
    "DigestSummary",
    "Done",
    "Evaluation",
    "Execution",
    "ExportReport",
    "InputSummary",
    "Inspection",
    "OutputSummary",
    "Piece",
    "Prediction",
    "ServerFiles",
    "Signed",
    "SourceOptions",
    "Stages",
    "StrategySummary",
    "VerifyReport",
    "WebPage",
    "Work",
    "absolute",
    "accelerate",
    "batch_size_of",
    "bench",
    "bench_source",
    "bom",
    "card",
    "check",
    "check_source",
    "convert",
    "cut",
    "doctor",
    "draw",
    "evaluate",
    "export",
    "export_source",
    "html",
    "input_files",
    "inspect",
    "load",
    "lower",
    "output_summaries",
    "page",
    "predict",
    "python",
    "qasm",
    "reproduce",
    "restore",
    "run_batch",
    "run_piece",
    "self_test",
    "serve_config",
    "shared",
    "sign",
    "survey",
    "to_torch",
    "train",
    "verify",
    "verify_source",
]
