"""Commands around it: `doctor` and `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hybridx import api
from hybridx.cli import options
from hybridx.cli.output.setup import diagnosed, trained
from hybridx.cli.printer import Printer


@options.takes_printer
def doctor(printer: Printer) -> None:
    """Show what can be run on this machine, and what to install for the rest."""
    printer.show(api.doctor(), diagnosed)


@options.takes_printer
@options.takes_limits
def train(
    printer: Printer,
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="The TOML file that describes the experiment.")
    ],
    overwrite: options.Overwrite = False,
    eager: Annotated[
        bool,
        typer.Option("--eager", help="Let PennyLane compute the circuit, which takes longer."),
    ] = False,
) -> None:
    """Train the classifier that a config describes, on the table that the config names."""
    report = api.train(config, overwrite=overwrite, eager=eager, stages=printer.stages)
    printer.show(report, trained)
