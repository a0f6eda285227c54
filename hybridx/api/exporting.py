"""Export: capture, compile, emit, prove, write."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hybridx.api.inspecting import CircuitSummary, circuit_summaries
from hybridx.api.options import check_choice, need
from hybridx.api.verifying import SEED, VERIFIED_BATCHES, agree, choose_distribution
from hybridx.artifact import (
    OPSET,
    OPSETS,
    PARAMETERS,
    RESULTS,
    Compiled,
    SelfTest,
    Verification,
    decode_artifact,
    seal,
)
from hybridx.circuit import Circuit, encode
from hybridx.emit import emit_body
from hybridx.errors import NoExampleError, OptionError
from hybridx.lowering import choose
from hybridx.parity import TOLERANCE, draw
from hybridx.passes import run_passes
from hybridx.runtime import Array, start_session
from hybridx.storage import check_writable, write_whole
from hybridx.version import VERSION

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ExportReport:
    """What `export` did.

    Attributes:
        path: of the file.
        size: in bytes.
        dtype: of the model.
        is_dynamic: True if the batch may have any length.
        circuits: the quantum layers.
        verification: what was compared with the eager model, or None if that was waived.
        notes: what the user should know.
        seconds: the whole export took.
    """

    path: str
    size: int
    dtype: str
    is_dynamic: bool
    circuits: tuple[CircuitSummary, ...]
    verification: Verification | None
    notes: tuple[str, ...]
    seconds: float


def export(
    model: nn.Module,
    args: Sequence[Tensor],
    path: str | Path,
    *,
    format: Literal["onnx"] = "onnx",
    dtype: Literal["float32", "float64"] = "float32",
    batch: Literal["dynamic"] | int = "dynamic",
    opset: int = OPSET,
    atol: float | None = None,
    strategy: str | None = None,
    body: bool = True,
    verify: bool = True,
    overwrite: bool = False,
    embed_example: bool = False,
    columns: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> ExportReport:
    """Export a hybrid model to one ONNX file and prove that it computes the same.

    The model is exported in eval mode and left as it was.

    Args:
        model: any module whose quantum parts are PennyLane QNodes or TorchLayers.
        args: example inputs, one tensor for each argument of `forward`, batch first.
        path: of the file to write.
        format: what to write.
        dtype: float32 exports the model as it is; float64 exports `model.double()`.
        batch: `dynamic`, or a fixed number of rows.
        opset: version of the standard ONNX operators.
        atol: tolerance of the verification; by default `TOLERANCE` of the dtype.
        strategy: how circuits are computed, a name in `hybridx.lowering.STRATEGIES`; by default
            the one that costs least.
        body: compile the circuits. Without bodies the file runs on devices only, holds no
            self-test and is compared with nothing: that is for circuits too large to simulate.
        verify: compare with the eager model at `VERIFIED_BATCHES` before writing.
        overwrite: replace an existing file.
        embed_example: let the self-test hold the rows of `args` instead of drawn ones.
        columns: names of the input's columns in a table, kept in the file.
        classes: names of the logits in order, kept in the file.

    Raises:
        CaptureError: the model cannot be captured; the message says what to change.
        ArtifactError: the file cannot be written.
        ParityError: the file would not agree with the model; nothing is written.
    """
    started = time.perf_counter()
    path = Path(path)
    check_choice("format", format, ("onnx",))
    check_choice("dtype", dtype, tuple(TOLERANCE))
    check_choice("opset", opset, OPSETS)
    check_writable(path, overwrite=overwrite)
    need("exporting", "torch", "pennylane", "onnxscript")
    from hybridx import capture, targets
    from hybridx.parity.eager import run_eager

    is_dynamic = batch == "dynamic"
    examples = capture.prepare_examples(args, dtype, None if is_dynamic else int(batch))
    verification, self_test = None, None
    with capture.in_eval_mode(model), capture.as_dtype(model, dtype):
        captured = capture.capture(model, examples, dtype=dtype, dynamic=is_dynamic, rehearses=body)
        compiled = [
            _compile(circuit, dtype, strategy) if body else Compiled(encode(circuit), None)
            for circuit in captured.circuits
        ]
        proto = targets.to_onnx(captured, examples, compiled, opset=opset)
        outputs = [output.name for output in proto.graph.output]
        arrays = {
            name: example.numpy()
            for name, example in zip(captured.input_names, examples, strict=True)
        }

        def expected(inputs: Mapping[str, Array]) -> dict[str, Array]:
            return run_eager(model, inputs, outputs)

        tolerance = TOLERANCE[captured.precision] if atol is None else atol
        if body:
            distribution = choose_distribution(arrays, expected)
            inputs = arrays
            if not embed_example:
                inputs = draw(arrays, batch=None, distribution=distribution, seed=SEED)
            self_test = SelfTest(inputs, expected(inputs), tolerance)
        if body and verify:
            content = seal(proto, version=VERSION, verification=None, self_test=None)
            session = start_session(decode_artifact(content, str(path)))
            batches = VERIFIED_BATCHES if captured.is_dynamic else (len(examples[0]),)
            worst = agree(session, arrays, expected, batches, distribution, tolerance)
            verification = Verification(tolerance, batches, worst)
    content = seal(
        proto,
        version=VERSION,
        verification=verification,
        self_test=self_test,
        columns=columns,
        classes=classes,
    )
    artifact = decode_artifact(content, str(path))
    write_whole(path, content, overwrite=overwrite)
    notes = captured.notes
    if not body:
        notes += ("the circuits have no body: the file runs on devices only",)
    if any(array.dtype.kind != "f" for array in arrays.values()) and not embed_example:
        notes += ("the self-test holds the example's integer inputs: their range is not known",)
    return ExportReport(
        path=str(path),
        size=len(content),
        dtype=dtype,
        is_dynamic=captured.is_dynamic,
        circuits=circuit_summaries(artifact),
        verification=verification,
        notes=notes,
        seconds=time.perf_counter() - started,
    )


def _compile(circuit: Circuit, dtype: str, strategy: str | None) -> Compiled:
    """Return a circuit with its compiled body."""
    choice = choose(run_passes(circuit), strategy)
    body = emit_body(choice.program, dtype=np.dtype(dtype), parameters=PARAMETERS, results=RESULTS)
    return Compiled(encode(circuit), body, choice.strategy)


def export_source(
    source: str,
    path: str | Path,
    *,
    checkpoint: str | Path | None = None,
    example: str | Path | None = None,
    shapes: Sequence[str] = (),
    batch: str = "dynamic",
    overwrite: bool = False,
    **options: Any,
) -> ExportReport:
    """Export a model that is named by a text; see `export` for the further options.

    Args:
        source: file.py:attribute, package.module:attribute or a config.toml.
        path: of the file to write.
        checkpoint: weights to load first.
        example: a file with example inputs.
        shapes: shapes of example inputs, such as `N,4`; not needed for a config.toml.
        batch: `dynamic` or a number.
        overwrite: replace an existing file.
        **options: passed to `export`.

    Raises:
        UsageError: the source leads to no model, or nobody says what its input looks like.
    """
    if batch != "dynamic" and not (batch.isdecimal() and int(batch)):
        raise OptionError("batch", batch, "dynamic, or a whole number of rows")
    check_writable(Path(path), overwrite=overwrite)
    need("exporting", "torch", "pennylane", "onnxscript", "safetensors")
    from hybridx.sources import example_from_file, example_from_shapes, find_source

    found = find_source(source, None if checkpoint is None else Path(checkpoint))
    args = found.example
    if example is not None:
        args = example_from_file(Path(example))
    elif shapes:
        args = example_from_shapes(shapes)
    if not args:
        raise NoExampleError(source)
    return export(
        found.model,
        args,
        path,
        batch="dynamic" if batch == "dynamic" else int(batch),
        overwrite=overwrite,
        columns=found.columns,
        classes=found.classes,
        **options,
    )
