"""Commands that write what others need to use a file: `page` and `serve-config`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hybridx import api
from hybridx.cli import options
from hybridx.cli.output.deployment import page_written, server_written
from hybridx.cli.printer import Printer
from hybridx.deployment import SERVERS


@options.takes_printer
@options.takes_limits
def page(
    printer: Printer,
    model: options.Model,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page to write, an .html file.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Rows whose range the sliders take: .csv, .tsv, .parquet, .npz or .json. By "
            "default that of the self-test. No rows are kept in the page.",
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Of the page. By default the name of the file.")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a page that runs a model file in a browser, from disk and without any request."""
    report = api.page(
        model, output, data=data, title=title, overwrite=overwrite, stages=printer.stages
    )
    printer.show(report, page_written)


@options.takes_printer
@options.takes_limits
@options.takes_settings
def serve_config(
    printer: Printer,
    settings: Mapping[str, Any],
    model: options.Model,
    server: Annotated[
        str,
        typer.Option(
            help=f"Whose folder is written: {', '.join(SERVERS)}.",
            autocompletion=options.completing(*SERVERS),
        ),
    ],
    folder: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write.", metavar="FOLDER")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Of the model in the server. By default made of the name of the file."),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a folder from which a server of others runs a model file."""
    report = api.serve_config(
        model,
        folder,
        server=server,
        name=name,
        settings=settings,
        overwrite=overwrite,
        stages=printer.stages,
    )
    printer.show(report, server_written)
