"""The options that several commands share, each defined once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from hybridx import bounds
from hybridx.api import DTYPES, MODEL_ENDINGS, SourceOptions
from hybridx.cli.printer import Printer
from hybridx.errors import (
    ConflictingOptionsError,
    OptionError,
    OptionNeedsError,
    OptionSyntaxError,
    RepeatedOptionError,
)
from hybridx.lowering import MACHINE_NAMES
from hybridx.runtime import ENGINES, PROVIDERS, Options

_MOST_DIGITS = 18  # of a number of 64 bits


def completing(*values: str) -> Callable[[str], list[str]]:
    """Return the function by which a shell completes an option that takes one of some values."""

    def completed(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return completed


def _devices(incomplete: str) -> list[str]:
    """Return the names of devices that begin so."""
    from hybridx.runtime import ONNX, device_names

    return completing(ONNX, *device_names())(incomplete)


Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A file or a bundle that hybridx export has written."),
]
SourceText = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="The model: file.py:attribute, package.module:attribute, or a config.toml of hybridx "
        "train.",
    ),
]
OwnColumns = Annotated[
    str | None,
    typer.Option(
        help="The columns of a table that the input takes, in its order: a,b,c. They are read from "
        "the table of --example, and the file keeps their names."
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
    str | None,
    typer.Option(
        help="float32 or float64. By default that of the model.",
        autocompletion=completing(*DTYPES),
    ),
]
Machine = Annotated[
    str,
    typer.Option(
        help="The kind of machine that the circuits are compiled for: cpu, cuda (a GPU) or web (a "
        "browser). The file runs on all of them.",
        autocompletion=completing(*MACHINE_NAMES),
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        min=0.0, help="Largest error that is accepted. By default 1e-5, for float64 1e-10."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(help="The columns of a table that the model takes, in its order: a,b,c."),
]
NoHeader = Annotated[
    bool,
    typer.Option(
        "--no-header",
        help="The first line of the table is a row. Its columns are taken in their order; "
        "--columns counts them from 0.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
_ACCEPT_CHANGES = "Take a file that another tool has changed, although it differs from its digest."
_INLINE = (
    "Write each circuit's nodes in its place: standard operators only, for engines of all kinds."
)
Inline = Annotated[bool, typer.Option("--inline", help=_INLINE)]
AcceptChanges = Annotated[bool, typer.Option("--accept-changes", help=_ACCEPT_CHANGES)]


def _execution_option(
    kind: object, default: object, text: str, *names: str, **more: Any
) -> tuple[Any, object]:
    """Return the annotation and the default of an option that says how a file is executed."""
    option = typer.Option(*names, help=text, rich_help_panel="Execution", **more)
    return Annotated[kind, option], default


# One for each attribute of `Execution` that a command line can give, by its name.
_EXECUTION = {
    "device": _execution_option(
        list[str],
        ["onnx"],
        "Where circuits run: onnx for ONNX Runtime on this machine, or the name of a PennyLane "
        "device. run takes several, also as LABEL=DEVICE.",
        autocompletion=_devices,
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
        "Another option of the device; VALUE is JSON or plain text. Of one of several devices: "
        "LABEL:KEY=VALUE. Repeatable.",
        metavar="KEY=VALUE",
    ),
    "fallback": _execution_option(
        str | None,
        None,
        "The device to use if the plug-in or the credentials of --device are missing.",
        metavar="DEVICE",
        autocompletion=_devices,
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
    "threads": _execution_option(
        int | None,
        None,
        "Threads of each operator of ONNX Runtime. By default as many as there are cores.",
        min=1,
    ),
    "provider": _execution_option(
        str,
        "auto",
        f"The provider of ONNX Runtime for the classical parts: {', '.join(PROVIDERS)}.",
        autocompletion=completing(*PROVIDERS),
    ),
    "isolated": _execution_option(
        bool,
        False,
        "Run the file in a process of its own: a crash of ONNX Runtime or torch is then a message.",
    ),
    "time_limit": _execution_option(
        float | None,
        None,
        "With --isolated: seconds that the file may take to load, and for each run. By default 60.",
        metavar="SECONDS",
    ),
    "memory_limit": _execution_option(
        int | None,
        None,
        "With --isolated: megabytes that the file may use, on Linux. By default 4096.",
        metavar="MEGABYTES",
        min=1,
    ),
    "engine": _execution_option(
        str,
        "split",
        "How circuits reach a device. split: the model is cut at its circuits. custom-op: the "
        "model stays whole and its circuits are custom operators (needs hybridx\\[custom-op]).",
        autocompletion=completing(*ENGINES),
    ),
    "accept_unchecked": _execution_option(
        bool,
        False,
        "Go on where nothing shows that the compiled body of a circuit computes it.",
        "--accept-unchecked",
    ),
    "key": _execution_option(
        Path | None,
        None,
        "Take the file only if it is signed with the pair of this public key (.pem).",
    ),
    "signature": _execution_option(
        Path | None,
        None,
        "With --key: the file with the signature. By default it lies beside the model: "
        "model.onnx.sig.",
        metavar="FILE",
    ),
    "accept_changes": _execution_option(bool, False, _ACCEPT_CHANGES, "--accept-changes"),
}


# What is fixed by who runs a server: how it executes the file, and what it takes of its clients.
_SETTINGS = {
    **{
        name: _EXECUTION[name]
        for name in (
            *("device", "shots", "seed", "option", "fallback", "max_circuits", "max_shots"),
            *("threads", "provider", "isolated", "accept_unchecked", "accept_changes"),
        )
    },
    "queue": _execution_option(
        int | None, None, "How many requests may wait; one more is refused. By default 128.", min=0
    ),
    "seconds": _execution_option(
        float | None, None, "How long a request may wait and run. By default 60."
    ),
    "rows": _execution_option(
        int | None, None, "The most rows of a request. By default 100,000.", min=1
    ),
}


def _source_option(
    kind: object, text: str, *names: str, panel: str = "Source", **more: Any
) -> tuple[Any, object]:
    """Return the annotation and the default of an option that belongs to a SOURCE."""
    return Annotated[kind, typer.Option(*names, help=text, rich_help_panel=panel, **more)], None


# How a SOURCE becomes a model.
_MODEL = {
    "checkpoint": _source_option(
        Path | None,
        "Weights to load first: .safetensors, what torch.save wrote, also by Lightning, or the "
        ".index.json of weights in several files.",
    ),
    "arg": _source_option(
        list[str] | None,
        "An argument of the class or the factory that SOURCE names, such as hidden=32. Repeatable.",
        "--arg",
        metavar="NAME=VALUE",
    ),
}

# What its example is.
_EXAMPLE = {
    "example": _source_option(
        Path | None,
        "A file with example inputs: .npy, .csv, or .npz with an array for each argument.",
        "--example",
    ),
    "shape": _source_option(
        list[str] | None,
        "The shape of an input, instead of --example: N,4 or x=N,T,4 or ids=N,9:int64. N is the "
        "batch, other capital letters are further axes of any length; T=12 is 12 long in the "
        "example. Repeatable.",
        "--shape",
        metavar="SHAPE",
    ),
    "range": _source_option(
        list[str] | None,
        "The numbers of an integer input of --shape, such as ids=0:100 for 0 to 99. By default "
        "those that its embedding has. Repeatable.",
        "--range",
        metavar="NAME=LOW:HIGH",
    ),
}


def _output_option(text: str, *names: str) -> tuple[Any, object]:
    """Return the annotation and the default of an option that says what is printed."""
    return Annotated[bool, typer.Option(*names, help=text, rich_help_panel="Output")], False


# How a command prints.
_OUTPUT = {
    "json": _output_option("Print one JSON object, for programs, errors included.", "--json"),
    "quiet": _output_option("Print results and errors only.", "--quiet", "-q"),
    "verbose": _output_option("Print what was chosen and why, too.", "--verbose", "-v"),
    "debug": _output_option("As --verbose, and print the traceback of an error.", "--debug"),
}


def takes_printer(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_OUTPUT`, received as one argument, `printer`."""

    @functools.wraps(command)
    def heard(*, printer: Printer, **given: Any) -> None:
        with printer.results_apart(), printer.listening():
            command(printer=printer, **given)

    return _takes(heard, "printer", _OUTPUT, _read_printer)


def takes_limits(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --limit, whose limits hold while it runs."""

    @functools.wraps(command)
    def bounded(*, limits: Mapping[str, int], **given: Any) -> None:
        with bounds.limits(**limits):
            command(**given)

    option = typer.Option(
        "--limit",
        help="Another limit on what is read, such as wires=2000, for files that you trust. "
        "Repeatable; the page Limits of the documents lists the names.",
        metavar="NAME=NUMBER",
        autocompletion=completing(*(f"{name}=" for name in bounds.BOUNDS)),
    )
    table = {"limit": (Annotated[list[str] | None, option], None)}
    return _takes(bounded, "limits", table, _read_limits)


def takes_source(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command SOURCE with its options, which it receives as one argument, `source`."""
    table = {"source": (SourceText, inspect.Parameter.empty), **_MODEL, **_EXAMPLE}
    return _takes(command, "source", table, _read_source)


def takes_against(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --against with its options, which it receives as one argument, `against`."""
    against = _source_option(
        str | None,
        "The model that the file came from, or another ONNX file with the same inputs. Without it "
        "the self-test is used.",
        panel="Against",
        metavar="SOURCE|FILE",
    )
    return _takes(command, "against", {"against": against, **_MODEL}, _read_against)


def takes_model_against(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --against for a model, which it receives as one argument, `against`."""
    against = _source_option(
        str | None, "The model that the file came from.", panel="Against", metavar="SOURCE"
    )
    return _takes(command, "against", {"against": against, **_MODEL}, _read_model_against)


def takes_execution(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_EXECUTION`, received as one argument, `execution`."""
    return _takes(command, "execution", _EXECUTION, _read_execution)


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_SETTINGS`, received as one argument, `settings`."""
    return _takes(command, "settings", _SETTINGS, _read_settings)


def _takes(
    command: Callable[..., None],
    argument: str,
    table: Mapping[str, tuple[Any, object]],
    read: Callable[[dict[str, Any]], object],
) -> Callable[..., None]:
    """Give a command the options of a table, which it receives as one argument.

    typer reads the options of a command from its signature. The signature is therefore extended by
    these options, and the function that typer calls packs their values.
    """

    @functools.wraps(command)
    def extended(**given: Any) -> None:
        values = {name: given.pop(name) for name in table}
        command(**given, **{argument: read(values)})

    signature = inspect.signature(command, eval_str=True)
    own = [one for name, one in signature.parameters.items() if name != argument]
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, (annotation, default) in table.items()
    ]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own] + added
    extended.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    extended.__annotations__ = {one.name: one.annotation for one in parameters}
    return extended


def _read_execution(values: dict[str, Any]) -> Options:
    options = dict(map(_read_option, values.pop("option") or ()))
    given = tuple(values.pop("device"))
    device = given[0] if len(given) == 1 else given
    execution: Options = {**values, "device": device, "options": options}  # type: ignore[typeddict-item]
    return execution


def _read_settings(values: dict[str, Any]) -> dict[str, Any]:
    options = dict(map(_read_option, values.pop("option") or ()))
    device, *others = values.pop("device")
    if others:
        raise RepeatedOptionError("--device")
    given = {"device": device, **values, "options": options or None}
    return {name: value for name, value in given.items() if value is not None}


def _read_printer(values: dict[str, Any]) -> Printer:
    is_verbose = values["verbose"] or values["debug"]
    if values["quiet"] and is_verbose:
        raise ConflictingOptionsError("--quiet", "--verbose or --debug")
    return Printer(as_json=values["json"], is_quiet=values["quiet"], is_verbose=is_verbose)


def _read_source(values: dict[str, Any]) -> SourceOptions:
    return SourceOptions(
        values["source"],
        values["checkpoint"],
        values["arg"] or (),
        values["example"],
        values["shape"] or (),
        values["range"] or (),
    )


def _read_model_against(values: dict[str, Any]) -> SourceOptions | None:
    if values["against"] is not None:
        return SourceOptions(values["against"], values["checkpoint"], values["arg"] or ())
    _refuse_options_of_models(values, "--against")
    return None


def _read_against(values: dict[str, Any]) -> SourceOptions | Path | None:
    text = values["against"]
    if text is None or not text.lower().endswith(MODEL_ENDINGS):
        return _read_model_against(values)
    _refuse_options_of_models(values, "--against SOURCE")
    return Path(text)


def _refuse_options_of_models(values: dict[str, Any], needed: str) -> None:
    for name in _MODEL:
        if values[name]:
            raise OptionNeedsError(f"--{name}", needed)


def _read_limits(values: dict[str, Any]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for text in values["limit"] or ():
        name, _, value = text.partition("=")
        if not (name and value.isdecimal() and value.isascii() and len(value) < 20):
            raise OptionError("--limit", text, "NAME=NUMBER, such as wires=2000")
        if name in numbers:
            raise RepeatedOptionError(f"--limit {name}")
        numbers[name] = int(value)
    return numbers


def _read_option(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not (equals and key.rpartition(":")[2].isidentifier()):
        raise OptionSyntaxError(text)
    try:
        return key, msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return key, value  # a text, or what is too deep or no text for JSON


def read_prices(texts: list[str] | None) -> dict[str, str]:
    """Return the prices of devices by their labels, each given as `LABEL=PRICE`.

    Raises:
        OptionError: a text has another form.
        RepeatedOptionError: a device has two prices.
    """
    prices: dict[str, str] = {}
    for text in texts or ():
        label, _, price = text.rpartition("=")
        if not label:
            raise OptionError("--price", text, "LABEL=PRICE, such as fez=0.3 or fez=0.001/shot")
        if label in prices:
            raise RepeatedOptionError(f"--price {label}")
        prices[label] = price
    return prices


def refuse_without_data(**asked: bool) -> None:
    """Refuse options that need data, when a file is run on its self-test.

    Raises:
        OptionNeedsError: one is given; the first is named.
    """
    for name, is_asked in asked.items():
        if is_asked:
            raise OptionNeedsError(f"--{name.replace('_', '-')}", "--input")


def refuse_beside_ray(*, no_output: bool, **asked: bool) -> None:
    """Refuse options that a run on a cluster has not, and one without an output.

    Raises:
        OptionNeedsError: there is no output.
        ConflictingOptionsError: an option has no effect; the first is named.
    """
    if no_output:
        raise OptionNeedsError("--ray", "--output with the name of a folder")
    for name, is_asked in asked.items():
        if is_asked:
            raise ConflictingOptionsError(f"--{name.replace('_', '-')}", "--ray")


def numbers(option: str, text: str) -> tuple[int, ...]:
    """Return the whole numbers of a comma-separated list.

    Raises:
        OptionError: a part is no whole number.
    """
    parts = names(text)
    if not all(part.isdecimal() and len(part) <= _MOST_DIGITS for part in parts):
        raise OptionError(option, text, "whole numbers, such as 1,32")
    return tuple(map(int, parts))


def names(text: str | None) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    return () if text is None else tuple(part.strip() for part in text.split(","))
