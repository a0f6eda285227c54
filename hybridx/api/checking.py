"""Look for everything in a model that stands in the way of an export, and write nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hybridx.api.formats import FileOptions, Format
from hybridx.api.options import (
    Batch,
    Dtype,
    Dynamic,
    SourceOptions,
    dtype_name,
    need,
    read_batch,
    read_open_axes,
)
from hybridx.api.progress import Stages
from hybridx.artifact import OPSET
from hybridx.errors import CaptureError, HybridxError, LoweringError
from hybridx.report import Shown, counted

if TYPE_CHECKING:
    from torch import nn

    from hybridx.api.work.making import Made
    from hybridx.api.work.summaries import CircuitSummary, InputSummary, OutputSummary
    from hybridx.artifact import Verification
    from hybridx.lowering import MachineName


@dataclass(frozen=True)
class Refusal:
    """One thing that stands in the way of an export.

    Attributes:
        code: of the error that `export` would raise.
        reason: what it is, and where.
        remedy: what to do.
    """

    code: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class CheckReport(Shown):
    """What an export of a model would come to.

    Attributes:
        refusals: all that stands in its way; empty if the model can be exported. All other fields
            are empty if there are any.
        inputs: what the file would take, with the names of axes of any length.
        outputs: what it would give.
        circuits: its quantum layers.
        verification: what was compared with the eager model.
        notes: what the user should know.
    """

    refusals: tuple[Refusal, ...]
    inputs: tuple[InputSummary, ...] = ()
    outputs: tuple[OutputSummary, ...] = ()
    circuits: tuple[CircuitSummary, ...] = ()
    verification: Verification | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_exportable(self) -> bool:
        """True if nothing stands in the way of an export."""
        return not self.refusals


def check(
    model: nn.Module | Callable[..., Any],
    args: Any,
    *,
    kwargs: Mapping[str, Any] = MappingProxyType({}),
    format: Format = "onnx",
    dtype: Dtype | None = None,
    batch: Batch | None = None,
    dynamic: Dynamic | None = None,
    opset: int = OPSET,
    atol: float | None = None,
    strategy: str | None = None,
    machine: MachineName = "cpu",
    body: bool = True,
    stages: Stages | None = None,
) -> CheckReport:
    """Say what an export would come to: what the file would be, or all that stands in its way.

    The model is exported to memory. If that is refused, it is run and traced once more, past each
    refused place, so that the report lists all of them. Behind such a place the results are those
    of a stand-in, so a later refusal may still be missing. The model itself is restored.

    Args:
        model: as in `export`, likewise all others.
        args: example arguments of `forward`.
        kwargs: example arguments by keyword.
        format: what would be written.
        dtype: of the file.
        batch: how many rows it would take.
        dynamic: which axes may have any length.
        opset: version of the standard ONNX operators.
        atol: tolerance of the verification.
        strategy: how circuits are computed.
        machine: what would run the file.
        body: compile the circuits.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        UsageError: an option or an argument is not one that a file can have.
    """
    options = FileOptions(
        dtype=dtype_name(dtype),
        opset=opset,
        atol=atol,
        strategy=strategy,
        machine=machine,
        body=body,
    )
    return _check(
        model,
        args,
        kwargs,
        format,
        options,
        open_axes=(dynamic, batch, frozenset()),
        is_drawn=False,
        stages=Stages() if stages is None else stages,
    )


def _check(
    model: nn.Module | Callable[..., Any],
    args: Any,
    kwargs: Mapping[str, Any],
    format: Format,
    options: FileOptions,
    *,
    open_axes: tuple[Dynamic | None, Batch | None, frozenset[str]],
    is_drawn: bool,
    stages: Stages,
) -> CheckReport:
    """Say what an export would come to; see `check`.

    `open_axes` holds the arguments of `read_open_axes`, and `is_drawn` is true if the example is
    drawn, and not the user's.
    """
    options.check(format)
    need("checking", "torch", "pennylane", "onnxscript", "threadpoolctl")
    axes = read_open_axes(*open_axes)
    from hybridx.api.work.making import make_file

    try:
        made = make_file(
            model,
            args,
            kwargs,
            format,
            options,
            open_axes=axes,
            is_drawn=is_drawn,
            stages=stages,
        )
    except (CaptureError, LoweringError) as first:
        with stages("look on") as tell:
            errors = _all_refusals(model, args, kwargs, options, first)
            tell(counted(len(errors), "refusal"))
        return CheckReport(tuple(map(_refusal, errors)))
    return _report(made)


def _report(made: Made) -> CheckReport:
    from hybridx.api.work.summaries import InputSummary, circuit_summaries, output_summaries
    from hybridx.artifact import decode_artifact

    artifact = decode_artifact(made.content, "the file")
    return CheckReport(
        refusals=(),
        inputs=tuple(InputSummary(s.name, s.dtype.name, s.shape) for s in artifact.inputs),
        outputs=output_summaries(artifact),
        circuits=circuit_summaries(artifact, made.choices),
        verification=made.verification,
        notes=made.notes,
    )


def _all_refusals(
    model: Any,
    args: Any,
    kwargs: Mapping[str, Any],
    options: FileOptions,
    first: HybridxError,
) -> list[HybridxError]:
    """Return the errors of a model, beginning with the one that its export raises."""
    from hybridx import capture, targets

    model, _ = capture.read_model(model)
    args = capture.narrowed(model, capture.read_arguments(args), options.dtype)
    kwargs = capture.narrowed(model, dict(kwargs), options.dtype)
    call, tensors = capture.describe_call(model, args, kwargs)
    chosen = options.dtype or capture.choose_dtype(model, tensors.values())
    flat = capture.Flat(model, call, chosen)
    with (
        capture.one_thread(),
        capture.as_exported(model, chosen),
    ):
        found = capture.refusals(flat, tensors, dtype=chosen)
        errors = [*found.errors]
        if found.captured is not None:
            traced = list(found.captured.example.tensors.values())
            errors += targets.untranslated(found.captured, traced, opset=options.opset)
    distinct = {str(error): error for error in (first, *errors)}
    return list(distinct.values())


def _refusal(error: HybridxError) -> Refusal:
    return Refusal(error.code, error.message, error.help)


def check_source(
    source: SourceOptions,
    *,
    batch: str = "dynamic",
    format: Format = "onnx",
    columns: Sequence[str] = (),
    stages: Stages | None = None,
    **options: Any,
) -> CheckReport:
    """Check the model that a SOURCE names; see `check` for the further options.

    Args:
        source: the model and its example.
        batch: `dynamic`, `none` or a number.
        format: what would be written.
        columns: of a table that holds the example; by default all.
        stages: is told what is being done; by default the log of `hybridx` is.
        **options: of the file, as `export` takes them.

    Raises:
        UsageError: the source names no model, or the shape of its input is not known.
    """
    source.check()
    rows = read_batch(batch)
    asked = FileOptions(**options)
    asked.check(format)
    need("checking", "torch", "pennylane", "onnxscript", "safetensors", "threadpoolctl")
    from hybridx.api.work.exported_source import exported_source

    told = Stages() if stages is None else stages
    with exported_source(source, told, columns) as found:
        report = _check(
            found.model,
            found.args,
            found.kwargs,
            format,
            asked,
            open_axes=(found.dynamic, rows, found.invented),
            is_drawn=found.is_drawn,
            stages=told,
        )
    return replace(report, notes=found.notes + report.notes)
