"""Commands that look at a file: `inspect`, `convert`, `sign` and `card`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, cast

import typer

from hybridx import api
from hybridx.cli import options
from hybridx.cli.output.files import (
    carded,
    converted,
    drawn,
    inspected,
    listed,
    paged,
    written_as_python,
    written_as_qasm,
)
from hybridx.cli.output.runs import signed
from hybridx.cli.printer import Printer
from hybridx.errors import ConflictingOptionsError, OptionNeedsError
from hybridx.lowering import MACHINE_NAMES, MachineName


@options.takes_printer
@options.takes_limits
def inspect(
    printer: Printer,
    model: options.Model,
    draw: Annotated[
        Path | None,
        typer.Option(help="Draw the circuits into this .svg, .png or .pdf file."),
    ] = None,
    qasm: Annotated[bool, typer.Option("--qasm", help="Print the circuits as OpenQASM 3.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page on the file, graph and circuits drawn, into this .html file."
        ),
    ] = None,
    bench: Annotated[
        bool,
        typer.Option("--bench", help="With --html: measure how fast the file runs, for the page."),
    ] = False,
    python: Annotated[
        bool, typer.Option("--python", help="Print each circuit as a PennyLane function.")
    ] = False,
    bom: Annotated[
        bool,
        typer.Option(
            "--bom",
            help="Print a bill of materials: CycloneDX in JSON, the same for the same file.",
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="With --bom: the file for it.", metavar="FILE"),
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option(
            help="The kind of machine for which the costs of strategies are shown: cpu, cuda or "
            "web. By default that of the file.",
            autocompletion=options.completing(*MACHINE_NAMES),
        ),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show the inputs, outputs and circuits of a model file, and how it was verified."""
    asked = [
        option
        for option, given in (
            ("--bom", bom),
            ("--draw", draw),
            ("--html", html),
            ("--machine", machine),
            ("--python", python),
            ("--qasm", qasm),
        )
        if given
    ]
    if len(asked) > 1:
        raise ConflictingOptionsError(asked[1], asked[0])
    if output is not None and not bom:
        raise OptionNeedsError("--output", "--bom")
    if bench and html is None:
        raise OptionNeedsError("--bench", "--html")
    if draw is not None:
        printer.show(
            {"pictures": api.draw(model, draw, overwrite=overwrite, stages=printer.stages)}, drawn
        )
        return
    if html is not None:
        page = api.html(model, html, bench=bench, overwrite=overwrite, stages=printer.stages)
        printer.show({"page": page}, paged)
        return
    if bom and (output is not None or not overwrite):
        text = api.bom(model, output, overwrite=overwrite, stages=printer.stages)
        found = {"bom": json.loads(text)} if output is None else {"written": str(output)}
        printer.show(found, listed)
        return
    if overwrite:
        raise OptionNeedsError("--overwrite", "--draw, --html or --output")
    if python:
        printer.show({"source": api.python(model, stages=printer.stages)}, written_as_python)
        return
    if qasm:
        printer.show({"programs": api.qasm(model, stages=printer.stages)}, written_as_qasm)
        return
    chosen = cast("MachineName | None", machine)  # which `inspect` checks
    printer.show(api.inspect(model, machine=chosen, stages=printer.stages), inspected)


@options.takes_printer
@options.takes_limits
def convert(
    printer: Printer,
    model: options.Model,
    path: Annotated[Path, typer.Option("--output", "-o", help="The file or the folder to write.")],
    format: Annotated[
        str | None,
        typer.Option(
            help="onnx or bundle. By default onnx if --output ends in .onnx, else bundle.",
            autocompletion=options.completing("onnx", "bundle"),
        ),
    ] = None,
    inline: options.Inline = False,
    machine: Annotated[
        str | None,
        typer.Option(
            help="Compile the circuits again, for this kind of machine: cpu, cuda (a GPU) or web "
            "(a browser). By default they stay as they are.",
            autocompletion=options.completing(*MACHINE_NAMES),
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    accept_changes: options.AcceptChanges = False,
) -> None:
    """Convert a model file to another format, without the model that it came from."""
    report = api.convert(
        model,
        path,
        format=format,
        inline=inline,
        machine=cast("MachineName | None", machine),
        overwrite=overwrite,
        accept_changes=accept_changes,
        stages=printer.stages,
    )
    printer.show(report, converted)


@options.takes_printer
@options.takes_limits
def sign(
    printer: Printer,
    model: options.Model,
    key: Annotated[
        Path,
        typer.Option(help="A private key on the curve P-256, as openssl writes it (.pem)."),
    ],
    signature: Annotated[
        Path | None,
        typer.Option(
            help="The file to write. By default it lies beside the model: model.onnx.sig.",
            metavar="FILE",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    accept_changes: options.AcceptChanges = False,
) -> None:
    """Sign a model file with a key, so that others can verify whose it is and that it is whole."""
    report = api.sign(
        model,
        key=key,
        signature=signature,
        overwrite=overwrite,
        accept_changes=accept_changes,
        stages=printer.stages,
    )
    printer.show(report, signed)


@options.takes_printer
@options.takes_limits
def card(
    printer: Printer,
    model: options.Model,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The Markdown file to write: README.md. By default the card is printed.",
            metavar="FILE",
        ),
    ] = None,
    picture: Annotated[
        bool,
        typer.Option(
            "--picture", help="Draw the circuits into .svg files beside --output, not as text."
        ),
    ] = False,
    license: Annotated[
        str | None,
        typer.Option(help="The licence, as the Hub calls it: mit, apache-2.0, other."),
    ] = None,
    pipeline_tag: Annotated[
        str | None,
        typer.Option(
            help="The task, as the Hub calls it. By default tabular-classification for a file "
            "that names columns and classes."
        ),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a model card for the Hugging Face Hub: inputs, outputs, circuits, what was verified."""
    report = api.card(
        model,
        output,
        picture=picture,
        license=license,
        pipeline_tag=pipeline_tag,
        overwrite=overwrite,
        stages=printer.stages,
    )
    printer.show(report, carded)
