"""Export a model to a file: what is asked for is checked before anything is imported."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hybridx.api.formats import (
    NAMES,
    FileOptions,
    Format,
    check_target,
    choose_format,
    write_model,
)
from hybridx.api.options import (
    Batch,
    Dtype,
    Dynamic,
    SourceOptions,
    dtype_name,
    need,
    read_batch,
    read_entries,
    read_open_axes,
)
from hybridx.api.progress import Stages
from hybridx.artifact import OPSET, Said
from hybridx.report import Shown

if TYPE_CHECKING:
    from torch import nn

    from hybridx.api.work.summaries import CircuitSummary
    from hybridx.artifact import Verification
    from hybridx.lowering import MachineName


@dataclass(frozen=True)
class ExportReport(Shown):
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
    dtype: Dtype | None = None,
    batch: Batch | None = None,
    dynamic: Dynamic | None = None,
    opset: int = OPSET,
    atol: float | None = None,
    strategy: str | None = None,
    machine: MachineName = "cpu",
    body: bool = True,
    inline: bool = False,
    aot: bool = False,
    verify: bool = True,
    overwrite: bool = False,
    embed_example: bool = False,
    self_test: bool = True,
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    columns: Sequence[str] = (),
    classes: Sequence[str] = (),
    metadata: Mapping[str, str] = MappingProxyType({}),
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
        dtype: float32 exports the model as it is, float64 `model.double()`; a name, or a dtype of
            torch or NumPy. By default float64 if all its parameters and floating-point inputs are
            that, else float32.
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
        machine: what is to run the file: `cpu`, `cuda` (a GPU) or `web` (a browser). It decides how
            circuits are computed, and whether a few rows at a time. The file runs on all of them.
        body: compile the circuits. Without bodies the file runs on devices only, holds no
            self-test and is compared with nothing: that is for circuits too large to simulate.
        inline: write the nodes of each circuit in its place, so that the ONNX file has standard
            operators only and no function, as other engines than ONNX Runtime want it.
        aot: put machine code for this kind of machine into a pt2 file, beside the program.
        verify: compare with the eager model at `VERIFIED_BATCHES` before writing, at fewer of them
            where a model calls circuits hundreds of times.
        overwrite: replace an existing file.
        embed_example: let the self-test hold the rows of `args` instead of drawn ones.
        self_test: put a self-test into the file.
        input_names: names of the inputs in order, instead of those of `forward`'s arguments.
        output_names: names of the outputs in order, instead of those of keys and fields.
        columns: names of the input's columns in a table, kept in the file: one for each number of
            a row of its only input.
        classes: names of the logits in order, kept in the file: one for each number of a row of
            the first output.
        metadata: texts by name, kept in the file; no name begins with `hybridx.`.

    Raises:
        UsageError: an option or an argument is not one that a file can have.
        CaptureError: the model cannot be captured; the message says what to change.
        ArtifactError: the file cannot be written.
        ParityError: the file and the model differ, or nothing can be compared; no file is written.
    """
    said = Said(
        input_names=tuple(input_names),
        output_names=tuple(output_names),
        columns=tuple(columns),
        classes=tuple(classes),
        metadata=dict(metadata),
    )
    options = FileOptions(
        dtype=dtype_name(dtype),
        opset=opset,
        atol=atol,
        strategy=strategy,
        machine=machine,
        body=body,
        inline=inline,
        aot=aot,
        verify=verify,
        embed_example=embed_example,
        self_test=self_test,
    )
    return _export(
        model,
        args,
        Path(path),
        said,
        options,
        kwargs=kwargs,
        format=format,
        open_axes=(dynamic, batch, frozenset()),
        overwrite=overwrite,
    )


def _export(
    model: nn.Module | Callable[..., Any],
    args: Any,
    path: Path,
    said: Said,
    options: FileOptions,
    *,
    kwargs: Mapping[str, Any],
    format: str | None,
    open_axes: tuple[Dynamic | None, Batch | None, frozenset[str]],
    overwrite: bool,
    is_drawn: bool = False,
    notes: tuple[str, ...] = (),
    stages: Stages | None = None,
) -> ExportReport:
    """Export a model with what is said of its file; see `export`.

    `open_axes` holds the arguments of `read_open_axes`, and `is_drawn` is true if the example is
    drawn, and not the user's.
    """
    started = time.perf_counter()
    told = Stages() if stages is None else stages
    said.check()
    target = choose_format(path, format, "onnx")
    check_target(path, target, overwrite=overwrite)
    options.check(target)
    options.check_effects()
    need("exporting", "torch", "pennylane", "onnxscript", "threadpoolctl")
    from hybridx.api.work.making import make_file
    from hybridx.api.work.summaries import circuit_summaries
    from hybridx.artifact import decode_artifact

    made = make_file(
        model,
        args,
        kwargs,
        target,
        options,
        open_axes=read_open_axes(*open_axes),
        is_drawn=is_drawn,
        said=said,
        stages=told,
    )
    with told("write") as tell:
        artifact = decode_artifact(made.content, str(path))
        write_model(path, made.content, overwrite=overwrite)
        tell(f"{artifact.size:,} bytes")
    return ExportReport(
        path=str(path),
        size=artifact.size,
        dtype=made.dtype,
        is_dynamic=made.is_dynamic,
        circuits=circuit_summaries(artifact, made.choices),
        verification=made.verification,
        notes=notes + made.notes,
        seconds=time.perf_counter() - started,
    )


def export_source(
    source: SourceOptions,
    path: str | Path | None = None,
    *,
    batch: str = "dynamic",
    format: str | None = None,
    overwrite: bool = False,
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    columns: Sequence[str] = (),
    classes: Sequence[str] = (),
    metadata: Sequence[str] = (),
    stages: Stages | None = None,
    **options: Any,
) -> ExportReport:
    """Export the model that a SOURCE names; see `export` for the further options.

    Args:
        source: the model and its example.
        path: of the file to write; by default `model` with the ending of the format.
        batch: `dynamic`, `none` or a number.
        format: what to write; by default what the name says.
        overwrite: replace an existing file.
        input_names: of the file, in order.
        output_names: of the file, in order.
        columns: of a table; by default those of a config.toml.
        classes: of the first output; by default those of a config.toml.
        metadata: each `KEY=VALUE`.
        stages: is told what is being done; by default the log of `hybridx` is.
        **options: of the file, as `export` takes them.

    Raises:
        UsageError: the source names no model, or the shape of its input is not known.
    """
    source.check()
    rows = read_batch(batch)
    target = choose_format(Path(path or ""), format, "onnx")
    path = Path(path or NAMES[target])
    check_target(path, target, overwrite=overwrite)
    said = Said(
        input_names=tuple(input_names),
        output_names=tuple(output_names),
        columns=tuple(columns),
        classes=tuple(classes),
        metadata=read_entries(metadata),
    )
    said.check()
    asked = FileOptions(**options)
    asked.check(target)
    asked.check_effects()
    need("exporting", "torch", "pennylane", "onnxscript", "safetensors", "threadpoolctl")
    from hybridx.api.work.exported_source import exported_source

    told = Stages() if stages is None else stages
    with exported_source(source, told, said.columns) as found:
        return _export(
            found.model,
            found.args,
            path,
            replace(
                said,
                columns=said.columns or found.columns,
                classes=said.classes or found.classes,
                weights=found.weights,
            ),
            asked,
            kwargs=found.kwargs,
            format=target,
            open_axes=(found.dynamic, rows, found.invented),
            overwrite=overwrite,
            is_drawn=found.is_drawn,
            notes=found.notes,
            stages=told,
        )
