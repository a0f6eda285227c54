"""The options that several commands share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A file that hybridx export wrote.")]
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
Device = Annotated[
    str, typer.Option(help="Where circuits run: onnx, or the name of a PennyLane device.")
]
Shots = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(min=1, help="Samples per circuit on the device. Exact values without it."),
]
Seed = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(min=0, help="For a device that samples."),
]
Provider = Annotated[str, typer.Option(help="Of ONNX Runtime: auto, cpu, cuda or coreml.")]
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


def names(text: str | None) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",")) if text else ()
