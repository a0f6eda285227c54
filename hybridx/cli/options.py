"""The options that several commands share, each defined once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Optional

import msgspec
import typer

from hybridx.errors import OptionNeedsError, OptionSyntaxError
from hybridx.runtime import PROVIDERS, Options

Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="What hybridx export wrote: a file or a bundle.")
]
SourceText = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="file.py:attribute, package.module:attribute or a config.toml."
    ),
]
Checkpoint = Annotated[
    Optional[Path],  # noqa: UP045  typer reads the annotation at run time
    typer.Option(help="Weights: .safetensors, or a torch file of tensors."),
]
Tolerance = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option(min=0.0, help="Largest error allowed. By default 1e-5, for float64 1e-10."),
]
Columns = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Columns of a CSV file, in the model's order: a,b,c."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]


_PANEL = "On what it runs"
# One for each attribute of `Execution` that a command line can give, by its name.
_EXECUTION: dict[str, tuple[object, object]] = {
    "device": (
        Annotated[
            str,
            typer.Option(
                help="Where circuits run: onnx, or the name of a PennyLane device.",
                rich_help_panel=_PANEL,
            ),
        ],
        "onnx",
    ),
    "shots": (
        Annotated[
            Optional[int],  # noqa: UP045
            typer.Option(
                min=1,
                help="Samples per circuit on the device. Without it: exact values, if it has them.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "seed": (
        Annotated[
            Optional[int],  # noqa: UP045
            typer.Option(
                min=0,
                help="Repeats the samples, on a device that takes it.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "option": (
        Annotated[
            Optional[list[str]],  # noqa: UP045
            typer.Option(
                metavar="KEY=VALUE",
                help="A further option of the device, VALUE as JSON or a text. Repeatable.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "fallback": (
        Annotated[
            Optional[str],  # noqa: UP045
            typer.Option(
                metavar="DEVICE",
                help="Taken if the plug-in or the credentials of --device are missing.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "max_circuits": (
        Annotated[
            Optional[int],  # noqa: UP045
            typer.Option(
                min=0, help="Send nothing if it would be more circuits.", rich_help_panel=_PANEL
            ),
        ],
        None,
    ),
    "max_shots": (
        Annotated[
            Optional[int],  # noqa: UP045
            typer.Option(
                min=0, help="Send nothing if it would be more shots in all.", rich_help_panel=_PANEL
            ),
        ],
        None,
    ),
    "retries": (
        Annotated[
            int,
            typer.Option(
                min=0,
                help="Repetitions after an error of the network or a busy service.",
                rich_help_panel=_PANEL,
            ),
        ],
        3,
    ),
    "provider": (
        Annotated[
            str,
            typer.Option(
                help=f"What ONNX Runtime computes classical parts with: {', '.join(PROVIDERS)}.",
                rich_help_panel=_PANEL,
            ),
        ],
        "auto",
    ),
    "engine": (
        Annotated[
            str,
            typer.Option(
                help="split: the model is cut at its circuits. custom-op: it stays whole, they are "
                "operators in it (hybridx\\[custom-op]).",
                rich_help_panel=_PANEL,
            ),
        ],
        "split",
    ),
}


def takes_execution(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of an execution; it gets them as one argument, `execution`.

    typer reads what a command takes from its signature, so that is what is lengthened.
    """

    @functools.wraps(command)
    def lengthened(**given: Any) -> None:
        values = {name: given.pop(name) for name in _EXECUTION}
        options = dict(map(_read_option, values.pop("option") or ()))
        execution = Options(**values, options=options)  # type: ignore[typeddict-item]
        command(**given, execution=execution)

    signature = inspect.signature(command, eval_str=True)
    own = [one for name, one in signature.parameters.items() if name != "execution"]
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, (annotation, default) in _EXECUTION.items()
    ]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own] + added
    lengthened.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    lengthened.__annotations__ = {one.name: one.annotation for one in parameters}
    return lengthened


def _read_option(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not (equals and key.isidentifier()):
        raise OptionSyntaxError(text)
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value


def refuse_without_data(**asked: bool) -> None:
    """Refuse options that say nothing about a self-test.

    Raises:
        OptionNeedsError: it names the first.
    """
    for name, is_asked in asked.items():
        if is_asked:
            raise OptionNeedsError(f"--{name.replace('_', '-')}", "--input")


def names(text: str | None) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",")) if text else ()
