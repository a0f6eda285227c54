"""The commands. Each parses its arguments, calls one function of `api` and prints its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hybridx import api
from hybridx.api import SourceOptions
from hybridx.cli import options, output
from hybridx.errors import OptionError
from hybridx.runtime import Options
from hybridx.storage import ENDINGS, PIPE
from hybridx.version import VERSION

app = typer.Typer(
    name="hybridx",
    help="Export hybrid PyTorch + PennyLane models to ordinary files, and run them anywhere.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hybridx {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Export hybrid PyTorch + PennyLane models to ordinary files, and run them anywhere."""


@app.command()
@options.takes_source
def export(
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
            "decides (.onnx, .pt, .pt2, .bundle); without one it is onnx."
        ),
    ] = None,
    batch: options.Batch = "dynamic",
    dtype: options.Dtype = None,
    opset: Annotated[int, typer.Option(help="Version of the ONNX operators.")] = 20,
    atol: options.Tolerance = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="The strategy that computes the circuits. By default the cheapest; hybridx "
            "inspect lists their names."
        ),
    ] = None,
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
    columns: Annotated[
        str | None,
        typer.Option(
            help="Names of the columns of a table that the input takes, in its order: a,b,c. "
            "The file keeps them."
        ),
    ] = None,
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
    json: options.Json = False,
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
        body=not no_body,
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
    )
    (output.as_json if json else output.exported)(report)


@app.command()
@options.takes_source
def check(
    source: SourceOptions,
    batch: options.Batch = "dynamic",
    dtype: options.Dtype = None,
    json: options.Json = False,
) -> None:
    """List everything in a model that stands in the way of an export; write nothing."""
    report = api.check_source(
        source,
        batch=batch,
        dtype=dtype,
    )
    (output.as_json if json else output.checked)(report)
    if not report.is_exportable:
        raise typer.Exit(3)


@app.command()
@options.takes_execution
def run(
    model: options.Model,
    execution: Options,
    data: Annotated[
        Path | None,
        typer.Option(
            "--input",
            "-i",
            help="The input data: .npy, .npz, .csv, .tsv (also .gz), .json or .parquet; - is "
            "stdin. Without it the self-test of the file is run.",
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File for the results, of the same forms; - is stdout. Without it they are "
            "printed.",
        ),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(
            help=f"The form of the input: {', '.join(ENDINGS)}. By default its ending decides."
        ),
    ] = None,
    output_format: Annotated[
        str | None, typer.Option(help="The form of the results, likewise.")
    ] = None,
    columns: options.Columns = None,
    no_header: options.NoHeader = False,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Rows that are run, or sent to a device, at a time.")
    ] = api.BATCH_SIZE,
    repeats: Annotated[
        int,
        typer.Option(
            min=1,
            help="With --shots: repeat the run so often, and write means and standard errors.",
        ),
    ] = 1,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be sent to the device, and send nothing."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted run from its .partial file.")
    ] = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Run a model file on data, or on its own self-test."""
    execution["dry_run"] = dry_run
    if data is None:
        options.refuse_without_data(
            output=path is not None,
            input_format=input_format is not None,
            output_format=output_format is not None,
            columns=columns is not None,
            no_header=no_header,
            dry_run=dry_run,
            resume=resume,
            repeats=repeats > 1,
        )
        checked = api.self_test(model, **execution)
        (output.as_json if json else output.verified)(checked)
        return
    if json and str(path) == PIPE:
        raise OptionError("--output", PIPE, "the name of a file, as --json prints to stdout too")
    report = api.predict(
        model,
        data,
        path,
        columns=options.names(columns),
        header=not no_header,
        input_format=input_format,
        output_format=output_format,
        batch_size=batch_size,
        repeats=repeats,
        resume=resume,
        overwrite=overwrite,
        **execution,
    )
    (output.as_json if json else output.predicted)(report)


@app.command()
def convert(
    model: options.Model,
    path: Annotated[Path, typer.Option("--output", "-o", help="The file or the folder to write.")],
    format: Annotated[
        str | None,
        typer.Option(
            help="onnx or bundle. By default onnx if --output ends in .onnx, else bundle."
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Convert a model file to another format, without the model that it came from."""
    report = api.convert(model, path, format=format, overwrite=overwrite)
    (output.as_json if json else output.converted)(report)


@app.command()
@options.takes_execution
@options.takes_against
def verify(
    model: options.Model,
    execution: Options,
    against: SourceOptions | None,
    atol: options.Tolerance = None,
    significance: Annotated[
        float | None,
        typer.Option(
            help="With --shots: the probability at which a correct device is refused by chance. By "
            "default 0.01."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Compare a model file with the model it came from, or with its own self-test."""
    report = api.verify_source(
        model,
        against=against,
        atol=atol,
        significance=significance,
        **execution,
    )
    (output.as_json if json else output.verified)(report)


@app.command()
def inspect(
    model: options.Model,
    draw: Annotated[
        Path | None,
        typer.Option(help="Draw the circuits into this .svg, .png or .pdf file."),
    ] = None,
    qasm: Annotated[bool, typer.Option("--qasm", help="Print the circuits as OpenQASM 3.")] = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Show the inputs, outputs and circuits of a model file, and how it was verified."""
    if draw is not None:
        output.drawn(api.draw(model, draw, overwrite=overwrite))
        return
    if qasm:
        (output.as_json if json else output.written_as_qasm)(api.qasm(model))
        return
    (output.as_json if json else output.inspected)(api.inspect(model))


@app.command()
@options.takes_execution
def evaluate(
    model: options.Model,
    execution: Options,
    data: Annotated[
        Path,
        typer.Option(help="A table: .csv, .tsv (also .gz), .parquet, or .json with objects."),
    ],
    target: Annotated[
        str, typer.Option(help="The column that holds the true class or the true number.")
    ],
    columns: options.Columns = None,
    no_header: options.NoHeader = False,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Names of the classes, in the order of the outputs: a,b,c. By default those that "
            "the file names."
        ),
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file with held_out_rows, as train writes it: score only these rows."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Score a model file on the rows of a table."""
    report = api.evaluate(
        model,
        data,
        target,
        columns=options.names(columns),
        header=not no_header,
        classes=options.names(classes),
        rows=rows,
        **execution,
    )
    (output.as_json if json else output.evaluated)(report)


@app.command()
def doctor(json: options.Json = False) -> None:
    """Show what can be run on this machine, and what to install for the rest."""
    (output.as_json if json else output.diagnosed)(api.doctor())


@app.command()
def train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="The TOML file that describes the experiment.")
    ],
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Train the classifier that a config describes, on the table that the config names."""
    with output.TrainingProgress() as progress:
        report = api.train(config, overwrite=overwrite, progress=progress)
    (output.as_json if json else output.trained)(report)
