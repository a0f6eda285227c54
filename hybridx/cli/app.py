"""The program `hybridx` and its commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from hybridx.cli.typer_internals import reading_values
from hybridx.errors import RepeatedOptionError

COMMANDS: Final = {
    "export": "exports",
    "check": "exports",
    "run": "runs",
    "verify": "runs",
    "evaluate": "runs",
    "bench": "runs",
    "inspect": "files",
    "convert": "files",
    "sign": "files",
    "card": "files",
    "page": "deployment",
    "serve-config": "deployment",
    "doctor": "setup",
    "train": "setup",
}
"""The file in `commands` that has each command, in the order in which help lists them."""


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

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options and arguments."""
        return reading_values(super().get_params(ctx))


class _Commands(Mapping[str, Any]):
    """The commands by name; typer reads the options of one when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


@cache
def _command(name: str) -> Any:
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    module = import_module(f"hybridx.cli.commands.{COMMANDS[name]}")
    function = getattr(module, name.replace("-", "_"))
    alone.command(name, cls=_Command)(function)
    return typer.main.get_command(alone)


class _Group(TyperGroup):
    """All commands."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = _Commands()

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options before the name of a command."""
        return reading_values(super().get_params(ctx))


app = typer.Typer(
    name="hybridx",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin: hybridx export model.py:Net --checkpoint best.pt --shape N,4\n\n"
    "N is a batch of any length. hybridx COMMAND --help shows all options of a command.",
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
