"""The commands: each parses its arguments, makes one call of the api and prints the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from hybridx import api
from hybridx.cli import options, output
from hybridx.runtime import Options
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
def export(
    source: options.SourceText,
    path: Annotated[
        Optional[Path],  # noqa: UP045  typer reads the annotation at run time
        typer.Option("--output", "-o", help="What to write. By default model.onnx, model.pt …"),
    ] = None,
    checkpoint: options.Checkpoint = None,
    example: Annotated[
        Optional[Path],  # noqa: UP045  typer reads the annotation at run time
        typer.Option(help="Example inputs: .npy, .npz (arrays named as arguments) or .csv."),
    ] = None,
    shape: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="Shape of an input: N,4 or x=N,T,4. N is the batch, other capitals are further "
            "axes of any length. Repeatable."
        ),
    ] = None,
    format: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="onnx, torchscript, pt2 or bundle (a folder). By default what --output ends in "
            "(.onnx, .pt, .pt2, .bundle), else onnx."
        ),
    ] = None,
    batch: Annotated[
        str,
        typer.Option(help="dynamic: any number of rows; a number; or none, for a single sample."),
    ] = "dynamic",
    dtype: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="float32 or float64. By default the model's own."),
    ] = None,
    opset: Annotated[int, typer.Option(help="Version of the ONNX operators.")] = 20,
    atol: options.Tolerance = None,
    strategy: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="How circuits are computed; hybridx inspect lists the names."),
    ] = None,
    no_body: Annotated[
        bool, typer.Option("--no-body", help="Leave circuits uncompiled: for devices only.")
    ] = False,
    aot: Annotated[
        bool, typer.Option("--aot", help="Put machine code into a pt2 file too; needs a compiler.")
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not compare the file with the model.")
    ] = False,
    embed_example: Annotated[
        bool, typer.Option("--embed-example", help="Keep the example's rows as the self-test.")
    ] = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Export a hybrid model to a file and prove that it computes the same."""
    report = api.export_source(
        source,
        path or api.NAMES[api.choose_format(Path(), format, "onnx")],
        checkpoint=checkpoint,
        example=example,
        shapes=shape or (),
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
        overwrite=overwrite,
    )
    (output.as_json if json else output.exported)(report)


@app.command()
@options.takes_execution
def run(
    model: options.Model,
    execution: Options,
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--input", "-i", help="Data: .npy, .npz or .csv. Without it: the self-test."),
    ] = None,
    path: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="Where to write: .npy, .npz, .csv or .json."),
    ] = None,
    columns: options.Columns = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Rows at a time, also in one submission to a device.")
    ] = api.BATCH_SIZE,
    repeats: Annotated[
        int,
        typer.Option(min=1, help="With --shots: run so often; write means and standard errors."),
    ] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing; say what a device would get.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what an earlier run left in .partial.")
    ] = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Run a model file on data or, without data, on its own self-test."""
    execution["dry_run"] = dry_run
    if data is None:
        options.refuse_without_data(dry_run=dry_run, resume=resume, repeats=repeats > 1)
        checked = api.self_test(model, **execution)
        (output.as_json if json else output.verified)(checked)
        return
    report = api.predict(
        model,
        data,
        path,
        columns=options.names(columns),
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
    path: Annotated[Path, typer.Option("--output", "-o", help="The file or folder to write.")],
    format: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="onnx or bundle. By default onnx for a name in .onnx, else bundle."),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Write a model file in another format, without the model that it came from."""
    report = api.convert(model, path, format=format, overwrite=overwrite)
    (output.as_json if json else output.converted)(report)


@app.command()
@options.takes_execution
def verify(
    model: options.Model,
    execution: Options,
    against: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="SOURCE", help="The model it came from. Without: its self-test."),
    ] = None,
    checkpoint: options.Checkpoint = None,
    atol: options.Tolerance = None,
    significance: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            help="With --shots: how likely chance may refuse a right device. By default 0.01."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Compare a model file with the model it came from, or with its own self-test."""
    report = api.verify_source(
        model,
        against=against,
        checkpoint=checkpoint,
        atol=atol,
        significance=significance,
        **execution,
    )
    (output.as_json if json else output.verified)(report)


@app.command()
def inspect(
    model: options.Model,
    draw: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Draw the circuits as SVG into this file."),
    ] = None,
    qasm: Annotated[bool, typer.Option("--qasm", help="Print the circuits as OpenQASM 3.")] = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Show what a model file holds: its inputs, its circuits, what was verified."""
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
    data: Annotated[Path, typer.Option(help="A CSV table.")],
    target: Annotated[str, typer.Option(help="The column with the true class or number.")],
    columns: options.Columns = None,
    classes: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Names of the outputs, in order: a,b,c."),
    ] = None,
    rows: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A JSON file with held_out_rows: score only these."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Score a model file on a CSV table with a target column."""
    report = api.evaluate(
        model,
        data,
        target,
        columns=options.names(columns),
        classes=options.names(classes),
        rows=rows,
        **execution,
    )
    (output.as_json if json else output.evaluated)(report)


@app.command()
def doctor(json: options.Json = False) -> None:
    """Show what this machine can run, and what is missing for the rest."""
    (output.as_json if json else output.diagnosed)(api.doctor())


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A config.toml.")],
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Train the reference classifier that a config describes, on the table it names."""
    with output.TrainingProgress() as progress:
        report = api.train(config, overwrite=overwrite, progress=progress)
    (output.as_json if json else output.trained)(report)
