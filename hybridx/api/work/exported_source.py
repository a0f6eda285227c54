"""The model that a SOURCE names, with its example inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybridx.api.options import Dynamic, SourceOptions
from hybridx.errors import NoExampleError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ExportedSource:
    """The model that a source text names, with its example.

    Attributes:
        model: the model.
        args: example arguments.
        kwargs: example arguments by keyword.
        dynamic: the names of the open axes, where shapes name them.
        columns: names of the input's columns in a table.
        classes: names of the logits.
        weights: a phrase on where its weights come from; may be empty.
        notes: sentences for the user.
    """

    model: nn.Module
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    dynamic: Dynamic | None
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    weights: str
    notes: tuple[str, ...]


@contextmanager
def exported_source(source: SourceOptions) -> Iterator[ExportedSource]:
    """Yield the model that a SOURCE names, with its example; see `export_source`."""
    from hybridx.capture import choose_dtype
    from hybridx.sources import (
        as_arguments,
        axes_by_input,
        example_from_file,
        example_from_shapes,
        found_source,
    )

    with found_source(source.source, source.checkpoint, source.arguments) as found:
        args: Sequence[Any] = found.example
        kwargs: Mapping[str, Any] = {}
        dynamic = None
        example_dtype = choose_dtype(found.model, ())
        if source.example is not None:
            example = example_from_file(source.example, example_dtype)
            args, kwargs = as_arguments(found.model, example)
        elif source.shapes:
            shaped = example_from_shapes(source.shapes, example_dtype)
            args, kwargs = as_arguments(found.model, [(one.name, one.tensor) for one in shaped])
            dynamic = axes_by_input(found.model, args, kwargs, shaped)
        if not args and not kwargs:
            raise NoExampleError(source.source)
        yield ExportedSource(
            found.model,
            args,
            kwargs,
            dynamic,
            found.columns,
            found.classes,
            found.weights,
            found.notes,
        )
