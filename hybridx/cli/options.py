"""The options that several commands share, each defined once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from hybridx.errors import OptionNeedsError, OptionSyntaxError
from hybridx.runtime import PROVIDERS, Options

Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A file or a bundle that hybridx export has written."),
]
SourceText = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="The model: file.py:attribute, package.module:attribute or a config.toml.",
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(help="Weights to load first: .safetensors, or a torch file of tensors."),
]
ExampleFile = Annotated[
    Path | None,
    typer.Option(
        "--example",
        help="A file with example inputs: .npy, .csv, or .npz with an array for each argument.",
    ),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        help="The shape of an input, instead of --example: N,4 or x=N,T,4. N is the batch, "
        "other capital letters are further axes of any length. Repeatable.",
    ),
]
Batch = Annotated[
    str,
    typer.Option(
        help="How many rows the file takes: dynamic (any number), a number, or none (one "
        "sample without a batch axis)."
    ),
]
Dtype = Annotated[
    str | None, typer.Option(help="float32 or float64. By default that of the model.")
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        min=0.0, help="Largest error that is accepted. By default 1e-5, for float64 1e-10."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(help="The columns of a CSV file that the model takes, in its order: a,b,c."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]


def _execution_option(kind: object, default: object, text: str, **more: Any) -> tuple[Any, object]:
    """Return the annotation and the default of an option that says how a file is executed."""
    option = typer.Option(help=text, rich_help_panel="Execution", **more)
    return Annotated[kind, option], default


# One for each attribute of `Execution` that a command line can give, by its name.
_EXECUTION = {
    "device": _execution_option(
        str,
        "onnx",
        "Where circuits run: onnx for ONNX Runtime on this machine, or the name of a PennyLane "
        "device.",
    ),
    "shots": _execution_option(
        int | None,
        None,
        "Samples per circuit. Without it the device gives exact values, if it can.",
        min=1,
    ),
    "seed": _execution_option(
        int | None, None, "Makes the samples repeatable, if the device takes a seed.", min=0
    ),
    "option": _execution_option(
        list[str] | None,
        None,
        "Another option of the device; VALUE is JSON or plain text. Repeatable.",
        metavar="KEY=VALUE",
    ),
    "fallback": _execution_option(
        str | None,
        None,
        "The device to use if the plug-in or the credentials of --device are missing.",
        metavar="DEVICE",
    ),
    "max_circuits": _execution_option(
        int | None, None, "Refuse to start if more circuits would be sent to the device.", min=0
    ),
    "max_shots": _execution_option(
        int | None, None, "Refuse to start if more shots in all would be sent.", min=0
    ),
    "retries": _execution_option(
        int, 3, "How often to try again after a network error or when the service is busy.", min=0
    ),
    "provider": _execution_option(
        str,
        "auto",
        f"The provider of ONNX Runtime for the classical parts: {', '.join(PROVIDERS)}.",
    ),
    "engine": _execution_option(
        str,
        "split",
        "How circuits reach a device. split: the model is cut at its circuits. custom-op: the "
        "model stays whole and its circuits are custom operators (needs hybridx\\[custom-op]).",
    ),
}


def takes_execution(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_EXECUTION`, which it receives as one argument, `execution`.

    typer reads the options of a command from its signature. The signature is therefore extended by
    these options, and the function that typer calls packs their values.
    """

    @functools.wraps(command)
    def extended(**given: Any) -> None:
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
    extended.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    extended.__annotations__ = {one.name: one.annotation for one in parameters}
    return extended


def _read_option(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not (equals and key.isidentifier()):
        raise OptionSyntaxError(text)
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value


def refuse_without_data(**asked: bool) -> None:
    """Refuse options that need data, when a file is run on its self-test.

    Raises:
        OptionNeedsError: one is given; the first is named.
    """
    for name, is_asked in asked.items():
        if is_asked:
            raise OptionNeedsError(f"--{name.replace('_', '-')}", "--input")


def names(text: str | None) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",")) if text else ()
