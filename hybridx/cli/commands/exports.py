"""Commands that take a model: `export` and `check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hybridx import api
from hybridx.api import SourceOptions
from hybridx.cli import options
from hybridx.cli.output.exports import checked, exported
from hybridx.cli.printer import Printer
from hybridx.lowering import STRATEGY_NAMES


@options.takes_printer
@options.takes_limits
@options.takes_source
def export(
    printer: Printer,
    source: SourceOptions,
    path: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The file to write. By default model.onnx, model.pt, model.pt2 or model.bundle.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            help="onnx, torchscript, pt2 or bundle (a folder). By default the ending of --output "
            "decides (.onnx, .pt, .pt2, .bundle); without one it is onnx.",
            autocompletion=options.completing(*api.FORMATS),
        ),
    ] = None,
    batch: options.Batch = "dynamic",
    dtype: options.Dtype = None,
    opset: Annotated[int, typer.Option(help="Version of the ONNX operators.")] = 20,
    atol: options.Tolerance = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help=f"The strategy that computes the circuits: {', '.join(STRATEGY_NAMES)}. By "
            "default the cheapest.",
            autocompletion=options.completing(*STRATEGY_NAMES),
        ),
    ] = None,
    machine: options.Machine = "cpu",
    inline: options.Inline = False,
    no_body: Annotated[
        bool,
        typer.Option(
            "--no-body", help="Do not compile the circuits. The file then runs on devices only."
        ),
    ] = False,
    aot: Annotated[
        bool, typer.Option("--aot", help="Add machine code to a pt2 file. Needs a C++ compiler.")
    ] = False,
    no_verify: Annotated[
        bool,
        typer.Option("--no-verify", help="Write the file without comparing it with the model."),
    ] = False,
    embed_example: Annotated[
        bool,
        typer.Option(
            "--embed-example",
            help="Use the rows of the example as the self-test, which otherwise has random rows.",
        ),
    ] = False,
    no_self_test: Annotated[
        bool, typer.Option("--no-self-test", help="Write the file without a self-test.")
    ] = False,
    input_names: Annotated[
        str | None,
        typer.Option(help="Names of the inputs in order: a,b. By default those of forward."),
    ] = None,
    output_names: Annotated[
        str | None, typer.Option(help="Names of the outputs in order: a,b.")
    ] = None,
    columns: options.OwnColumns = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Names of the classes, in the order of the first output: a,b,c. The file keeps "
            "them."
        ),
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            help="A text that the file keeps, for example author=Ada. Repeatable.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Export a hybrid model to a file, and verify that the file computes the same."""
    report = api.export_source(
        source,
        path,
        format=format,
        batch=batch,
        dtype=dtype,
        opset=opset,
        atol=atol,
        strategy=strategy,
        machine=machine,
        body=not no_body,
        inline=inline,
        aot=aot,
        verify=not no_verify,
        embed_example=embed_example,
        self_test=not no_self_test,
        input_names=options.names(input_names),
        output_names=options.names(output_names),
        columns=options.names(columns),
        classes=options.names(classes),
        metadata=metadata or (),
        overwrite=overwrite,
        stages=printer.stages,
    )
    printer.show(report, exported)


@options.takes_printer
@options.takes_limits
@options.takes_source
def check(
    printer: Printer,
    source: SourceOptions,
    batch: options.Batch = "dynamic",
    dtype: options.Dtype = None,
    machine: options.Machine = "cpu",
    columns: options.OwnColumns = None,
) -> None:
    """List everything in a model that stands in the way of an export; write nothing."""
    report = api.check_source(
        source,
        batch=batch,
        dtype=dtype,
        machine=machine,
        columns=options.names(columns),
        stages=printer.stages,
    )
    printer.show(report, checked)
    if not report.is_exportable:
        raise typer.Exit(3)
