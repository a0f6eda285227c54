"""Export: capture, compile, emit, compare, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, assert_never

from hybridx.api.building import Draft, draft_onnx, draft_pt2, draft_torchscript, plan_circuits
from hybridx.api.comparing import build_and_compare
from hybridx.api.formats import (
    NAMES,
    Format,
    check_format,
    check_target,
    choose_format,
    write_model,
)
from hybridx.api.inspecting import CircuitSummary, circuit_summaries
from hybridx.api.options import Batch, Dynamic, check_choice, need, read_batch, read_open_axes
from hybridx.artifact import (
    MAX_FILE_BYTES,
    OPSET,
    OPSETS,
    Content,
    Metadata,
    SelfTest,
    Verification,
    decode_artifact,
)
from hybridx.circuit import Circuit
from hybridx.errors import BrokenArtifactError, NoExampleError, NoKernelError, UnusableFileError
from hybridx.lowering import Choice
from hybridx.parity import TOLERANCE
from hybridx.runtime import Session, start_session
from hybridx.version import VERSION

if TYPE_CHECKING:
    from torch import nn

    from hybridx.capture import Capture, Example, OpenAxes


@dataclass(frozen=True)
class ExportReport:
    """What `export` did.

    Attributes:
        path: of the file.
        size: in bytes.
        dtype: of the model.
        is_dynamic: True if an axis of an input may have any length.
        circuits: the quantum layers.
        verification: what was compared with the eager model, or None if nothing was.
        notes: what the user should know.
        seconds: duration of the whole export.
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
    model: nn.Module | Callable[..., Any],
    args: Any,
    path: str | Path,
    *,
    kwargs: Mapping[str, Any] = MappingProxyType({}),
    format: Format | None = None,
    dtype: Literal["float32", "float64"] | None = None,
    batch: Batch | None = None,
    dynamic: Dynamic | None = None,
    opset: int = OPSET,
    atol: float | None = None,
    strategy: str | None = None,
    body: bool = True,
    aot: bool = False,
    verify: bool = True,
    overwrite: bool = False,
    embed_example: bool = False,
    columns: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> ExportReport:
    """Export a hybrid model to one file, or to a bundle, and verify that it computes the same.

    The model is exported in eval mode and restored afterwards. Inputs are named after the arguments
    of `forward`, and outputs after the keys and fields in what it returns.

    Args:
        model: any module whose quantum parts are PennyLane QNodes or TorchLayers.
        args: example arguments of `forward`. Tensors are inputs of the file, also those in lists,
            tuples and dicts; None, booleans, numbers and texts are constants.
        path: of the file to write.
        kwargs: example arguments by keyword, likewise.
        format: what to write, one of `FORMATS`; by default what the name says (`.pt` for
            TorchScript, `.pt2`, `.bundle`), else ONNX.
        dtype: float32 exports the model as it is, float64 `model.double()`. By default float64 if
            all its parameters and floating-point inputs are that, else float32.
        batch: another spelling of what `dynamic` says of the batch: `dynamic`, `none` or a number
            of rows. Beside named axes, it speaks of the one that is called batch.
        dynamic: which axes may have any length. `batch`, the default: the batch, which is found by
            running the model at two lengths. `none`: no axis. A number: the batch is fixed at so
            many rows. Or by input the name of each axis, for example
            `{"x": {0: "batch", 1: "length"}}`; all others are fixed.
        opset: version of the standard ONNX operators.
        atol: tolerance of the verification; by default `TOLERANCE` of the dtype.
        strategy: how circuits are computed, the name of one of `STRATEGIES`; by default
            the one that costs least.
        body: compile the circuits. Without bodies the file runs on devices only, holds no
            self-test and is compared with nothing: that is for circuits too large to simulate.
        aot: put machine code for this kind of machine into a pt2 file, beside the program.
        verify: compare with the eager model at `VERIFIED_BATCHES` before writing, at fewer of them
            where a model calls circuits hundreds of times.
        overwrite: replace an existing file.
        embed_example: let the self-test hold the rows of `args` instead of drawn ones.
        columns: names of the input's columns in a table, kept in the file.
        classes: names of the logits in order, kept in the file.

    Raises:
        UsageError: an option or an argument is not one that a file can have.
        CaptureError: the model cannot be captured; the message says what to change.
        ArtifactError: the file cannot be written.
        ParityError: the file and the model differ, or nothing can be compared; no file is written.
    """
    started = time.perf_counter()
    path = Path(path)
    check_choice("dtype", dtype, (*TOLERANCE, None))
    check_choice("opset", opset, OPSETS)
    target = choose_format(path, format, "onnx")
    check_target(path, target, overwrite=overwrite)
    check_format(target, opset=opset, body=body, aot=aot)
    need("exporting", "torch", "pennylane", "onnxscript", "threadpoolctl")
    made = make_file(
        model,
        args,
        kwargs,
        target,
        dtype=dtype,
        open_axes=read_open_axes(dynamic, batch),
        opset=opset,
        atol=atol,
        strategy=strategy,
        body=body,
        aot=aot,
        verify=verify,
        embed_example=embed_example,
        columns=columns,
        classes=classes,
    )
    artifact = decode_artifact(made.content, str(path))
    write_model(path, made.content, overwrite=overwrite)
    return ExportReport(
        path=str(path),
        size=artifact.size,
        dtype=made.dtype,
        is_dynamic=made.is_dynamic,
        circuits=circuit_summaries(artifact, made.choices),
        verification=made.verification,
        notes=made.notes,
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True, eq=False)
class Made:
    """A model file that is not written yet.

    Attributes:
        content: of the file.
        dtype: of the model.
        is_dynamic: True if an axis of an input may have any length.
        choices: how its circuits are computed.
        verification: what was compared with the eager model, or None if nothing was.
        notes: what the user should know.
    """

    content: Content
    dtype: str
    is_dynamic: bool
    choices: Mapping[Circuit, Choice]
    verification: Verification | None
    notes: tuple[str, ...]


def make_file(
    model: nn.Module | Callable[..., Any],
    args: Any,
    kwargs: Mapping[str, Any],
    target: Format,
    *,
    dtype: str | None,
    open_axes: OpenAxes,
    opset: int,
    atol: float | None,
    strategy: str | None,
    body: bool,
    aot: bool = False,
    verify: bool = True,
    embed_example: bool = False,
    columns: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> Made:
    """Return the file that `export` writes; the arguments and errors are those of `export`."""
    from hybridx import capture

    model, remarks = capture.read_model(model)
    call, tensors = capture.describe_call(model, capture.read_arguments(args), kwargs)
    chosen = dtype or capture.choose_dtype(model, tensors.values())
    capture.check_weight_size(model, dtype=chosen, limit=MAX_FILE_BYTES)
    flat = capture.Flat(model, call, chosen)
    training = capture.training_note(model)
    choices: dict[Circuit, Choice] = {}

    def build(captured: Capture, example: Example) -> Draft:
        if body:
            plan_circuits(captured, strategy, choices)
        match target:
            case "onnx" | "bundle":
                return draft_onnx(
                    captured,
                    example,
                    choices,
                    dtype=chosen,
                    opset=opset,
                    bundled=target == "bundle",
                )
            case "torchscript":
                return draft_torchscript(captured, example, choices, dtype=chosen)
            case "pt2":
                return draft_pt2(captured, example, choices, dtype=chosen, aot=aot)
            case _:
                assert_never(target)

    with (
        capture.one_thread(),
        capture.as_exported(model, chosen),
    ):
        example = capture.prepare_example(
            flat, tensors, dtype=chosen, open_axes=open_axes, rehearses=body
        )
        built = build_and_compare(
            flat,
            example,
            build,
            partial(_start, dtype=chosen),
            dtype=chosen,
            atol=atol,
            verify=verify,
            runs=body,
            embed=embed_example,
        )
    verification = self_test = None
    if built.typical is not None:
        self_test = SelfTest(built.typical.inputs, built.typical.outputs, built.tolerance)
    if built.comparison is not None:
        compared = built.comparison
        verification = Verification(built.tolerance, compared.batches, compared.worst)
    content = built.product(
        Metadata(
            version=VERSION,
            verification=verification,
            self_test=self_test,
            columns=tuple(columns),
            classes=tuple(classes),
            assumed=built.captured.assumed,
            call=None if call.is_plain else call.encode(),
        )
    )
    notes = remarks + built.notes
    if call.complex_names:
        names = ", ".join(call.complex_names)
        notes += (f"complex {names}: real and imaginary part are a last axis of 2",)
    if flat.is_raised:
        notes += (f"bfloat16 and half precision of the model are {chosen} in the file",)
    if training is not None:
        notes += (training,)
    if dtype is None and chosen == "float64":
        notes += ("the file is float64, as the model and its example are",)
    if not body:
        notes += ("the circuits have no body: the file runs on devices only",)
    if any(not tensor.is_floating_point() for tensor in tensors.values()) and not embed_example:
        notes += ("the self-test holds the example's integer inputs: their range is not known",)
    return Made(content, chosen, built.captured.is_dynamic, choices, verification, notes)


def _start(draft: Draft, *_: object, dtype: str) -> Session:
    """Start a session of a new file.

    Raises:
        UnusableFileError: what torch made of an operator does not fit together, or is missing.
        NoKernelError: ONNX Runtime has no implementation of an operator for float64.
    """
    try:
        return start_session(decode_artifact(draft(Metadata(VERSION)), "the new file"))
    except BrokenArtifactError as error:
        raise UnusableFileError(error.problem) from error
    except NoKernelError as error:
        if dtype == "float64":
            raise
        raise UnusableFileError(error.reason) from error


def export_source(
    source: str,
    path: str | Path | None = None,
    *,
    checkpoint: str | Path | None = None,
    example: str | Path | None = None,
    shapes: Sequence[str] = (),
    batch: str = "dynamic",
    format: str | None = None,
    overwrite: bool = False,
    **options: Any,
) -> ExportReport:
    """Export the model that a source text names; see `export` for the further options.

    Args:
        source: file.py:attribute, package.module:attribute or a config.toml.
        path: of the file to write; by default `model` with the ending of the format.
        checkpoint: weights to load first.
        example: a file with example inputs; arrays with the name of an argument are that argument.
        shapes: shapes of example inputs, such as `N,4` or `x=N,T,4`; not needed for a config.toml.
        batch: `dynamic`, `none` or a number.
        format: what to write; by default what the name says.
        overwrite: replace an existing file.
        **options: passed to `export`.

    Raises:
        UsageError: the source names no model, or the shape of its input is not known.
    """
    rows = read_batch(batch)
    target = choose_format(Path(path or ""), format, "onnx")
    path = Path(path or NAMES[target])
    check_target(path, target, overwrite=overwrite)
    need("exporting", "torch", "pennylane", "onnxscript", "safetensors", "threadpoolctl")
    with exported_source(source, checkpoint, example, shapes) as found:
        return export(
            found.model,
            found.args,
            path,
            kwargs=found.kwargs,
            batch=rows,
            dynamic=found.dynamic,
            format=target,
            overwrite=overwrite,
            columns=found.columns,
            classes=found.classes,
            **options,
        )


@dataclass(frozen=True)
class ExportedSource:
    """The model that a source text names, with its example.

    Attributes:
        model: the model.
        args: example arguments.
        kwargs: example arguments by keyword.
        dynamic: the names of the open axes, where shapes name them.
        columns: names of the input's columns in a table.
        classes: names of the logits.
    """

    model: nn.Module
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    dynamic: Dynamic | None
    columns: tuple[str, ...]
    classes: tuple[str, ...]


@contextmanager
def exported_source(
    source: str,
    checkpoint: str | Path | None,
    example: str | Path | None,
    shapes: Sequence[str],
) -> Iterator[ExportedSource]:
    """Yield the model that a source text names, with its example; see `export_source`."""
    from hybridx.capture import choose_dtype
    from hybridx.sources import (
        arguments,
        axes_by_input,
        example_from_file,
        example_from_shapes,
        found_source,
    )

    with found_source(source, None if checkpoint is None else Path(checkpoint)) as found:
        args: Sequence[Any] = found.example
        kwargs: Mapping[str, Any] = {}
        dynamic = None
        example_dtype = choose_dtype(found.model, ())
        if example is not None:
            args, kwargs = arguments(found.model, example_from_file(Path(example), example_dtype))
        elif shapes:
            shaped = example_from_shapes(shapes, example_dtype)
            args, kwargs = arguments(found.model, [(one.name, one.tensor) for one in shaped])
            dynamic = axes_by_input(found.model, args, kwargs, shaped)
        if not args and not kwargs:
            raise NoExampleError(source)
        yield ExportedSource(found.model, args, kwargs, dynamic, found.columns, found.classes)
