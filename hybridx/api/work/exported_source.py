"""The model that a SOURCE names, with its example inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hybridx.api.options import Dynamic, SourceOptions
from hybridx.api.progress import Stages
from hybridx.circuit import BATCH
from hybridx.errors import (
    ExampleRejectedError,
    ForwardRaisesError,
    NoExampleError,
    OptionNeedsError,
    ShapeError,
)

if TYPE_CHECKING:
    from torch import nn

    from hybridx.sources import Range, Shapes, Source


@dataclass(frozen=True)
class ExportedSource:
    """The model that a source text names, with its example.

    Attributes:
        model: the model.
        args: example arguments.
        kwargs: example arguments by keyword.
        dynamic: the names of the open axes, where shapes name them.
        invented: names of the open axes whose length nobody gave.
        is_drawn: all inputs are drawn, also integers.
        columns: names of the input's columns in a table.
        classes: names of the logits.
        weights: a phrase on where its weights come from; may be empty.
        notes: sentences for the user.
    """

    model: nn.Module
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    dynamic: Dynamic | None
    invented: frozenset[str]
    is_drawn: bool
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    weights: str
    notes: tuple[str, ...]


@contextmanager
def exported_source(
    source: SourceOptions, stages: Stages, columns: Sequence[str] = ()
) -> Iterator[ExportedSource]:
    """Yield the model that a SOURCE names, with its example; see `export_source`."""
    from hybridx import sources
    from hybridx.capture import choose_dtype

    if source.ranges and not source.shapes:
        raise OptionNeedsError("--range", "--shape")
    with ExitStack() as stack:
        with stages("import") as tell:
            found = stack.enter_context(
                sources.found_source(source.source, source.checkpoint, source.arguments)
            )
            weights = sum(weight.numel() for weight in found.model.parameters())
            tell(f"{type(found.model).__name__}, {weights:,} weights")
        plain = ExportedSource(
            model=found.model,
            args=found.example,
            kwargs={},
            dynamic=None,
            invented=frozenset(),
            is_drawn=False,
            columns=found.columns,
            classes=found.classes,
            weights=found.weights,
            notes=found.notes,
        )
        dtype = choose_dtype(found.model, ())
        if source.example is not None:
            example = sources.example_from_file(source.example, dtype, columns or found.columns)
            args, kwargs = sources.as_arguments(found.model, example)
            yield replace(plain, args=args, kwargs=kwargs)
        elif source.shapes:
            names = sources.argument_names(found.model)
            shapes = sources.example_from_shapes(source.shapes, dtype, names)
            drawn = _drawn(plain, found, shapes, source.ranges, dtype)
            try:
                yield drawn
            except (ExampleRejectedError, ForwardRaisesError) as error:
                refusal = _of_the_options(drawn, source, error, dtype)
                if refusal is None:
                    raise
                raise refusal from error
        elif found.example:
            yield plain
        else:
            raise NoExampleError(source.source)


def _drawn(
    plain: ExportedSource, found: Source, shapes: Shapes, texts: Sequence[str], dtype: str
) -> ExportedSource:
    """Return a source with inputs of some shapes, all of them drawn."""
    import torch

    from hybridx import sources
    from hybridx.capture import is_whole

    pairs = [(one.name, one.tensor) for one in shapes.inputs]
    args, kwargs = sources.as_arguments(found.model, pairs)
    inputs = sources.inputs_by_name(found.model, args, kwargs)
    ranges = sources.read_ranges(texts, inputs)
    whole = [name for name, tensor in inputs.items() if is_whole(tensor)]
    if not ranges.keys() >= set(whole):
        ranges = sources.find_ranges(found.model, args, kwargs, dtype) | ranges
    generator = torch.Generator().manual_seed(0)
    notes = []
    for name, tensor in inputs.items():
        if name in whole or tensor.dtype is torch.bool:
            sources.draw(tensor, ranges.get(name), generator)
        if name in whole:
            notes.append(_range_note(name, ranges.get(name)))
    return replace(
        plain,
        args=args,
        kwargs=kwargs,
        dynamic=sources.axes_by_input(found.model, args, kwargs, shapes.inputs),
        invented=frozenset(BATCH if name == "N" else name for name in shapes.invented),
        is_drawn=True,
        notes=(*plain.notes, *notes),
    )


def _of_the_options(
    drawn: ExportedSource,
    source: SourceOptions,
    error: ExampleRejectedError | ForwardRaisesError,
    dtype: str,
) -> ShapeError | None:
    """Return what is wrong with the options, if the model does not run on drawn inputs."""
    from hybridx import sources

    shape = source.shapes[0]
    if sources.chooses_by_floats(drawn.model, drawn.args, drawn.kwargs, dtype):
        reason = "the model uses its numbers as indices, for example of an embedding"
        return ShapeError("--shape", shape, reason, f"make them integers: --shape {shape}:int64")
    if source.ranges:
        reason = f"the model refuses drawn numbers: {error.reason}"
        return ShapeError("--range", source.ranges[0], reason, "give a smaller range, or none")
    letters = sorted(drawn.invented - {BATCH})
    if letters and isinstance(error, ExampleRejectedError):
        lengths = ", ".join(
            f"{letter}={n}" for letter, n in _lengths(drawn).items() if letter in letters
        )
        reason = f"the model does not run at lengths chosen for it ({lengths}): {error.reason}"
        advice = f"give lengths that it takes, such as {letters[0]}=12 in place of {letters[0]}"
        return ShapeError("--shape", shape, reason, advice)
    return None


def _lengths(drawn: ExportedSource) -> dict[str, int]:
    """Return the length of each open axis."""
    from hybridx import sources

    assert isinstance(drawn.dynamic, Mapping)
    inputs = sources.inputs_by_name(drawn.model, drawn.args, drawn.kwargs)
    return {
        letter: inputs[name].shape[axis]
        for name, axes in drawn.dynamic.items()
        for axis, letter in axes.items()
    }


def _range_note(name: str, found: Range | None) -> str:
    if found is None:
        return (
            f"{name} is drawn from 0 and 1, as nothing that bounds its numbers was found; "
            f"--range {name}=0:100 draws from 0 to 99"
        )
    return f"{name} is drawn from {found.low} to {found.high}: {found.why}"
