"""Commands that run a file: `run`, `verify`, `evaluate` and `bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hybridx import api
from hybridx.api import SourceOptions
from hybridx.cli import options
from hybridx.cli.output.runs import benched, evaluated, predicted, verified
from hybridx.cli.printer import Printer
from hybridx.errors import OptionError
from hybridx.runtime import PROVIDERS, Options
from hybridx.storage import ENDINGS, PIPE


@options.takes_printer
@options.takes_limits
@options.takes_execution
def run(
    printer: Printer,
    model: options.Model,
    execution: Options,
    data: Annotated[
        Path | None,
        typer.Option(
            "--input",
            "-i",
            help="The input data: .npy, .npz, .csv, .tsv (also .gz), .json or .parquet; - is "
            "stdin. Without it the self-test of the file is run. With --ray also a folder, or "
            "several files: 'data/*.parquet'.",
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File for the results, of the same forms; - is stdout. Without it they are "
            "printed. With --ray a folder.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Divide the rows among the machines of Ray: local starts it on this one, auto "
            "and HOST:PORT are a cluster that runs.",
        ),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(
            help=f"The form of the input: {', '.join(ENDINGS)}. By default its ending decides.",
            autocompletion=options.completing(*ENDINGS),
        ),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            help="The form of the results, likewise.",
            autocompletion=options.completing(*ENDINGS),
        ),
    ] = None,
    columns: options.Columns = None,
    no_header: options.NoHeader = False,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Rows that are run, or sent to a device, at a time. By default {api.BATCH_SIZE}, "
            "or fewer so that --workers, --ray and several devices all have some.",
        ),
    ] = None,
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
    resend: Annotated[
        bool,
        typer.Option(
            "--resend",
            help="With --resume: send again what a paid device had when the run was stopped.",
        ),
    ] = False,
    overwrite: options.Overwrite = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that run slices of --batch-size rows at the same time, each with a "
            "share of the cores. With several devices, so many for each.",
        ),
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            help="With several devices: what a circuit costs on one of them, or a shot, with /shot "
            "behind the number. Rows go where they cost least. Repeatable.",
            metavar="LABEL=PRICE",
        ),
    ] = None,
    tell_devices: Annotated[
        bool,
        typer.Option(
            "--tell-devices",
            help="With several devices: add an output device, the number of the one that ran it.",
        ),
    ] = False,
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
            resend=resend,
            repeats=repeats > 1,
            overwrite=overwrite,
            batch_size=batch_size is not None,
            workers=workers is not None,
            ray=ray is not None,
            price=price is not None,
            tell_devices=tell_devices,
        )
        checked = api.self_test(model, stages=printer.stages, **execution)
        printer.show(checked, verified)
        return
    if printer.as_json and str(path) == PIPE:
        raise OptionError("--output", PIPE, "the name of a file, as --json prints to stdout too")
    if ray is not None:
        options.refuse_beside_ray(
            repeats=repeats > 1,
            workers=workers is not None,
            price=price is not None,
            tell_devices=tell_devices,
            no_output=path is None,
        )
        from hybridx.integrations.ray import run as run_on_ray

        on_ray = run_on_ray(
            model,
            data,
            path or PIPE,
            address=ray,
            columns=options.names(columns),
            header=not no_header,
            input_format=input_format,
            output_format=output_format,
            batch_size=batch_size,
            resume=resume,
            resend=resend,
            overwrite=overwrite,
            stages=printer.stages,
            **execution,
        )
        printer.show(on_ray, predicted)
        return
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
        resend=resend,
        overwrite=overwrite,
        workers=workers,
        prices=options.read_prices(price),
        tell_devices=tell_devices,
        stages=printer.stages,
        **execution,
    )
    printer.show(report, predicted)


@options.takes_printer
@options.takes_limits
@options.takes_execution
@options.takes_against
def verify(
    printer: Printer,
    model: options.Model,
    execution: Options,
    against: SourceOptions | Path | None,
    atol: options.Tolerance = None,
    significance: Annotated[
        float | None,
        typer.Option(
            help="With --shots: the probability at which a correct device is refused by chance. By "
            "default 0.01."
        ),
    ] = None,
    layers: Annotated[
        bool,
        typer.Option(
            "--layers",
            help="First compare the results of each quantum layer, compiled and on the device "
            "(default.qubit if none is given), or in the other file.",
        ),
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(help="An .npz file for the smallest input that fails, if one does."),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Compare a model file with the model it came from, another file or its own self-test.

    The compiled circuits of the file are compared with the circuits that it carries, too. With
    --key and nothing else, only its signature is verified.
    """
    report = api.verify_source(
        model,
        against=against,
        atol=atol,
        significance=significance,
        stages=printer.stages,
        layers=layers,
        save=save,
        overwrite=overwrite,
        **execution,
    )
    printer.show(report, verified)


@options.takes_printer
@options.takes_limits
@options.takes_execution
def evaluate(
    printer: Printer,
    model: options.Model,
    execution: Options,
    data: Annotated[
        Path,
        typer.Option(
            help="A table: .csv, .tsv (also .gz), .parquet, or .json with objects; - is stdin."
        ),
    ],
    target: Annotated[
        str, typer.Option(help="The column that holds the true class or the true number.")
    ],
    columns: options.Columns = None,
    no_header: options.NoHeader = False,
    data_format: Annotated[
        str | None,
        typer.Option(help="The form of the table: csv, tsv, json or parquet."),
    ] = None,
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
) -> None:
    """Score a model file on the rows of a table."""
    report = api.evaluate(
        model,
        data,
        target,
        columns=options.names(columns),
        header=not no_header,
        data_format=data_format,
        classes=options.names(classes),
        rows=rows,
        stages=printer.stages,
        **execution,
    )
    printer.show(report, evaluated)


@options.takes_printer
@options.takes_limits
@options.takes_model_against
def bench(
    printer: Printer,
    model: options.Model,
    against: SourceOptions | None,
    device: Annotated[
        list[str] | None,
        typer.Option(help="A PennyLane device of this machine to measure too. Repeatable."),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(help="Rows of a call: 1,32,256. By default 1,32,256,1024."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Threads of each operator. By default as many as there are cores."
        ),
    ] = None,
    provider: Annotated[
        str, typer.Option(help=f"The provider of ONNX Runtime: {', '.join(PROVIDERS)}.")
    ] = "auto",
    seconds: Annotated[
        float, typer.Option(help="How long each is measured at each number of rows.")
    ] = 1.0,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the throughput into this .svg, .png or .pdf file."),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Measure how fast a model file runs, beside its eager model and devices."""
    report = api.bench_source(
        model,
        against=against,
        devices=tuple(device or ()),
        batches=None if batch is None else options.numbers("--batch", batch),
        threads=threads,
        provider=provider,
        seconds=seconds,
        plot=plot,
        overwrite=overwrite,
        stages=printer.stages,
    )
    printer.show(report, benched)
