"""The program `hybridx`: its commands, in the order in which help lists them."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from hybridx.cli.commands.exports import check, export
from hybridx.cli.commands.files import convert, inspect
from hybridx.cli.commands.runs import bench, evaluate, run, verify
from hybridx.cli.commands.setup import doctor, train
from hybridx.errors import RepeatedOptionError

COMMANDS = (export, check, run, verify, evaluate, bench, inspect, convert, doctor, train)


class _Command(TyperCommand):
    """A command that refuses an option of one value given twice, instead of dropping the first."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments.

        Raises:
            RepeatedOptionError: an option is given twice.
        """
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for one in given:
            is_single = not one.multiple and not getattr(one, "is_flag", False)
            if is_single and given.count(one) > 1:
                raise RepeatedOptionError(max(one.opts, key=len))
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="hybridx",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        from hybridx.version import __version__

        typer.echo(f"hybridx {__version__}")
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


for _one in COMMANDS:
    app.command(cls=_Command)(_one)
