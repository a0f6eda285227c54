"""A model traced by torch.export, with an open batch wherever its own code allows that.

Three ways are tried. The whole batch at once is the plainest graph. A model that loops over its
batch, or calls a circuit many times, is traced at one row, its calls are joined, and the graph is
run on all rows (`rows/`, `siblings.py`). What works at one batch size only is traced at that.
"""

from __future__ import annotations

import gc
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from hybridx.capture.batching import NoRowRule, RowInterpreter, Rows
from hybridx.capture.batching.join_calls import UnlikeCalls, join_calls
from hybridx.capture.graph.bind_circuits import bind_circuits
from hybridx.capture.graph.complex_to_real import InPairs, has_complex
from hybridx.capture.graph.float64 import DECOMPOSITIONS
from hybridx.capture.graph.matrix_functions import MATRIX_DECOMPOSITIONS
from hybridx.capture.model.eager import eagerly
from hybridx.capture.model.forward_call import Flat
from hybridx.capture.python.randomness import draws_noted, refuse_draws
from hybridx.capture.python.refusals import gradients_refused, untraceable
from hybridx.capture.python.removed_in_pennylane import removed_idiom
from hybridx.capture.qnode.recording import Recording, recorded, rehearsed
from hybridx.circuit import Circuit
from hybridx.errors import CaptureError, ExampleRejectedError, LoweringError, TraceError

BATCH = "batch"
"""The name of the axis along which rows are independent."""

Shapes: TypeAlias = tuple[dict[int, Any], ...]


@dataclass(frozen=True)
class Trace:
    """A model as a graph.

    Attributes:
        module: the graph; `hybridx::circuit` nodes stand for circuits.
        circuits: what they stand for, by the index that a node carries.
        layers: where each circuit stands in the model, in the user's words.
        shapes: which axes of each input are open, as torch.export's dynamic shapes.
        reason: why the batch is fixed, if it is.
    """

    module: fx.GraphModule
    circuits: tuple[Circuit, ...]
    layers: tuple[str, ...]
    shapes: Shapes
    reason: str


@dataclass(frozen=True)
class Rehearsal:
    """What the eager model did with the example.

    Attributes:
        dtypes: what each QNode call returned, in order.
        repeats: a QNode was called more than once.
        outputs: the tensors among what the model returned.
        output_names: their names.
        left_out: sentences on what else it returned.
    """

    dtypes: tuple[torch.dtype | None, ...]
    repeats: bool
    outputs: tuple[Tensor, ...]
    output_names: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def shapes(self) -> list[torch.Size]:
        """Of the outputs."""
        return [output.shape for output in self.outputs]


class _FixedBatch(Exception):  # noqa: N818
    """The model works at one batch size only, as far as this way of tracing can tell."""


def rehearse(flat: Flat, args: Sequence[Tensor]) -> Rehearsal:
    """Run the eager model once.

    Raises:
        RemovedIdiomError: it uses what PennyLane has removed.
        ExampleRejectedError: it raises anything else.
    """
    try:
        with eagerly(), gradients_refused(flat.model):
            with draws_noted() as draws, rehearsed(flat.model) as (dtypes, layers):
                outputs = flat(*args)
            if draws:
                refuse_draws(flat.model, lambda: flat(*args), outputs)
    except (CaptureError, LoweringError):
        raise
    except Exception as error:
        # The model is the user's own code and may raise anything.
        if removed := removed_idiom(error):
            raise removed from error
        shapes = ", ".join(str(tuple(arg.shape)) for arg in args)
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise ExampleRejectedError(shapes, reason) from error
    repeats = len(set(layers)) < len(layers)
    return Rehearsal(tuple(dtypes), repeats, outputs, flat.output_names, flat.left_out)


@dataclass(frozen=True)
class Tracer:
    """Traces one model.

    Attributes:
        flat: the model, in the mode in which it is to be traced.
        args: example inputs; their open axes are at least 2 long.
        axes: of each input, the names of the axes that are to be open.
        dtype: of the circuits in the file.
        rehearsal: of the same inputs, or None if the model cannot be run.
    """

    flat: Flat
    args: Sequence[Tensor]
    axes: Sequence[Mapping[int, str]]
    dtype: torch.dtype
    rehearsal: Rehearsal | None

    def trace(self) -> Trace:
        """Return the model as a graph, with those open axes for which that is possible.

        Raises:
            TraceError: the model cannot be traced at all.
        """
        reason = ""
        for way in self._ways():
            try:
                return replace(way(), reason=reason)
            except _FixedBatch as error:
                reason = reason or str(error)
        dtypes = () if self.rehearsal is None else self.rehearsal.dtypes
        return replace(self._at_one_size(self.args, dtypes), reason=reason)

    def _ways(self) -> Iterator[Callable[[], Trace]]:
        """Yield the ways to keep axes open, the best one first."""
        names = {name for axes in self.axes for name in axes.values()}
        others = sorted(names - {BATCH})
        if others:
            yield partial(self._whole, [BATCH, *others] if BATCH in names else others)
        if BATCH in names:
            ways: list[Callable[[], Trace]] = [partial(self._whole, [BATCH])]
            if self.rehearsal is not None and self._has_rows():
                ways.insert(0 if self.rehearsal.repeats else 1, self._by_rows)
            yield from ways
        if others and BATCH in names:
            yield partial(self._whole, others)

    def _has_rows(self) -> bool:
        """Return True if the batch is the first axis wherever there is one."""
        return all(axis == 0 for axes in self.axes for axis, name in axes.items() if name == BATCH)

    def _whole(self, names: Sequence[str]) -> Trace:
        """Trace with the whole example at once; some axes of these names stay open."""
        dtypes = () if self.rehearsal is None else self.rehearsal.dtypes
        dims = {name: torch.export.Dim(name) for name in names}
        # Each time round, torch fixes or bounds one axis or more.
        for _ in range(2 * len(names)):
            shapes = dynamic_shapes(self.axes, dims)
            with recorded(self.flat.model, dtypes, joins=False) as recording:
                try:
                    program = _export(self.flat.module, self.args, shapes)
                    module = _in_real_numbers(program, _TABLE, self.args, shapes)
                except torch._dynamo.exc.UserError as error:
                    dims = _refined(dims, str(error))
                    continue
                except (CaptureError, LoweringError):
                    raise
                except Exception as error:
                    raise untraceable(self.flat.model, error) from error
            return self._bound(module, recording, shapes)
        raise _FixedBatch

    def _at_one_size(self, args: Sequence[Tensor], dtypes: Sequence[torch.dtype | None]) -> Trace:
        """Trace at the shapes of `args`; calls that are alike become one."""
        table = _core_table()
        shapes = dynamic_shapes(self.axes, {})
        for joins in (True, False):
            with recorded(self.flat.model, dtypes, joins=joins) as recording:
                try:
                    program = _export(self.flat.module, args, shapes)
                    module = _in_real_numbers(program, table, args, shapes)
                except (CaptureError, LoweringError):
                    raise
                except Exception as error:
                    # torch.export raises whatever the model's code raises on tracing tensors.
                    raise untraceable(self.flat.model, error) from error
            try:
                join_calls(module)
                break
            except UnlikeCalls:
                continue
        return self._bound(module, recording, shapes)

    def _by_rows(self) -> Trace:
        """Trace at one row and run the graph on all rows.

        Raises:
            _FixedBatch: the rows of an output are not functions of the rows of the inputs.
        """
        assert self.rehearsal is not None
        batched = [BATCH in axes.values() for axes in self.axes]
        shapes = dynamic_shapes(self.axes, {BATCH: torch.export.Dim(BATCH)})
        try:
            args, rehearsal = _distinct_rows(self.flat, self.args, batched, self.rehearsal)
            axes, dtypes = _row_axes(self.flat, args, batched, rehearsal)
            row = self._at_one_size(_row(self.args, batched, 0), dtypes)
            program = _export(_OnRows(row.module, batched, axes), self.args, shapes)
        except NoRowRule as error:
            raise _FixedBatch(f"{first_line(error)} has no rule for a batch") from error
        except (TraceError, ExampleRejectedError, torch._dynamo.exc.UserError) as error:
            raise _FixedBatch(first_line(error)) from error
        return replace(row, module=_module(program, DECOMPOSITIONS), shapes=shapes)

    def _bound(self, module: fx.GraphModule, recording: Recording, shapes: Shapes) -> Trace:
        bound = bind_circuits(module, recording.circuits, self.dtype)
        return Trace(
            module=module,
            circuits=tuple(circuit for _, circuit in bound),
            layers=tuple(recording.layers[index] for index, _ in bound),
            shapes=shapes,
            reason="",
        )


# Writing into a buffer moves numbers; as a comparison of positions nobody could follow them.
_KEPT = (torch.ops.aten.select_scatter.default, torch.ops.aten.slice_scatter.default)


class _OnRows(nn.Module):
    """A graph that was traced at one row, as a module for any number of rows.

    Args:
        graph: takes tensors and returns a flat tuple of tensors.
        batched: which inputs have the batch as their first axis.
        axes: where each output has its batch.
    """

    def __init__(
        self, graph: fx.GraphModule, batched: Sequence[bool], axes: Sequence[int | None]
    ) -> None:
        super().__init__()
        self.traced = graph
        self._batched = batched
        self._axes = axes

    def forward(self, *args: Tensor) -> Any:
        pairs = list(zip(args, self._batched, strict=True))
        rows = next(arg.shape[0] for arg, has_rows in pairs if has_rows)
        # Each row keeps the batch axis of length 1 that it was traced with.
        given = [Rows(arg, is_batch=True) if has_rows else arg for arg, has_rows in pairs]
        returned = RowInterpreter(self.traced, rows).run(*given)
        return tuple(
            _as_batch(leaf, axis, rows) for leaf, axis in zip(returned, self._axes, strict=True)
        )


def _as_batch(leaf: Any, axis: int | None, rows: Any) -> Any:
    """Return one output of all rows, with the batch on the axis where the model has it."""
    if axis is None:
        if isinstance(leaf, Rows):
            raise NoRowRule("an output that mixes the rows")
        return leaf
    if isinstance(leaf, Rows) and leaf.is_batch and axis == 0:
        return leaf.stored
    value = leaf.value if isinstance(leaf, Rows) else leaf.unsqueeze(0).expand(rows, *leaf.shape)
    if axis < 0:
        return value  # the model itself dropped the axis of length 1
    shape = value.shape[1:]
    return value.movedim(0, axis).reshape(*shape[:axis], rows, *shape[axis + 1 :])


def _row(args: Sequence[Tensor], batched: Sequence[bool], row: int) -> list[Tensor]:
    """Return the inputs of one row, as a batch of one."""
    pairs = zip(args, batched, strict=True)
    return [arg[row : row + 1] if has_rows else arg for arg, has_rows in pairs]


def _distinct_rows(
    flat: Flat, args: Sequence[Tensor], batched: Sequence[bool], rehearsal: Rehearsal
) -> tuple[Sequence[Tensor], Rehearsal]:
    """Return inputs whose rows differ, and what the eager model does with them.

    Equal rows, as a repeated example has, do not show whether rows depend on each other: `x` and
    `x.mean(0)` are the same. Floating-point inputs are drawn then, if the model takes such.
    """
    pairs = list(zip(args, batched, strict=True))
    if not all(bool((arg == arg[:1]).all()) for arg, has_rows in pairs if has_rows):
        return args, rehearsal
    generator = torch.Generator().manual_seed(0)
    for draw in (torch.randn, torch.rand):
        drawn = [
            draw(arg.shape, generator=generator, dtype=arg.dtype)
            if has_rows and arg.is_floating_point()
            else arg
            for arg, has_rows in pairs
        ]
        with suppress(ExampleRejectedError):
            found = rehearse(flat, drawn)
            is_alike = found.output_names == rehearsal.output_names
            if is_alike and all(bool(output.isfinite().all()) for output in found.outputs):
                return drawn, found
    return args, rehearsal


def _row_axes(
    flat: Flat, args: Sequence[Tensor], batched: Sequence[bool], rehearsal: Rehearsal
) -> tuple[list[int | None], tuple[torch.dtype | None, ...]]:
    """Return where each output has its batch, and what QNode calls return, from single rows.

    The axis is None for an output that does not depend on the batch and -1 for one that has no
    axis for a single row.

    Raises:
        _FixedBatch: the model does not treat rows one by one.
    """
    count = next(len(arg) for arg, has_rows in zip(args, batched, strict=True) if has_rows)
    rows = sorted({0, count - 1})
    alone = [rehearse(flat, _row(args, batched, row)) for row in rows]
    if any(one.output_names != rehearsal.output_names for one in alone):
        raise _FixedBatch("the number of outputs depends on the batch")
    axes: list[int | None] = []
    for together, *singles in zip(rehearsal.outputs, *(one.outputs for one in alone), strict=True):
        axis = _batch_axis(together, singles[0], count)
        for row, single in zip(rows, singles, strict=True):
            piece = together
            if axis is not None:
                piece = together.select(max(axis, 0), row)
                single = single if axis < 0 else single.select(axis, 0)
            # Row by row PennyLane sums in another order; a mixed batch differs by far more.
            if not torch.allclose(piece, single, rtol=1e-3, atol=1e-4, equal_nan=True):
                raise _FixedBatch("the rows of the batch depend on each other")
        axes.append(axis)
    return axes, alone[0].dtypes


def _batch_axis(together: Tensor, single: Tensor, count: int) -> int | None:
    long, short = tuple(together.shape), tuple(single.shape)
    if long == short:
        return None
    if long == (count, *short):
        return -1
    for axis, length in enumerate(long):
        if length == count and short == (*long[:axis], 1, *long[axis + 1 :]):
            return axis
    raise _FixedBatch("an output has no axis that follows the batch")


def _export(module: nn.Module, args: Sequence[Tensor], shapes: Shapes) -> Any:
    # The forward of all that is exported takes any number of inputs: one argument, for torch.
    # When it fails, torch prints the graph so far.
    with redirect_stderr(StringIO()), _vmap_moves_axes(), _distributions_unchecked():
        return torch.export.export(module, tuple(args), dynamic_shapes=(shapes,), strict=False)


@contextmanager
def _vmap_moves_axes() -> Iterator[None]:
    """While active, `out_dims` of `torch.vmap` is a movement of axes after it.

    Torch's own becomes no node of the graph: torch 2.13 exports `out_dims=0` alone.
    """
    room: Any = torch._functorch.vmap
    original = room._remove_batch_dim

    def remove(batched: Tensor, level: int, size: Any, axis: int) -> Tensor:
        first: Tensor = original(batched, level, size, 0)
        return first.movedim(0, axis) if axis else first

    room._remove_batch_dim = remove
    try:
        yield
    finally:
        room._remove_batch_dim = original


@contextmanager
def _distributions_unchecked() -> Iterator[None]:
    """While active, `torch.distributions` does not look whether its parameters are right.

    That decides by their values; for the example they are, as the eager model has shown.
    """
    room = torch.distributions.Distribution
    original = room._validate_args
    room.set_default_validate_args(False)
    try:
        yield
    finally:
        room.set_default_validate_args(original)


def _refined(dims: Mapping[str, Any], message: str) -> dict[str, Any]:
    """Return the axes that torch leaves open after all, with the bounds that it found.

    Raises:
        _FixedBatch: it leaves none open, or not the batch, or does not say what it wants.
    """
    refined = dict(dims)
    for name in dims:
        if re.search(rf"^  {name} = \d+$", message, re.MULTILINE):
            del refined[name]
        bounded = re.search(rf"^  {name} = Dim\('{name}'(.*)\)$", message, re.MULTILINE)
        bounds = dict(re.findall(r"(min|max)=(\d+)", bounded.group(1))) if bounded else {}
        if bounds:
            numbers = {bound: int(number) for bound, number in bounds.items()}
            refined[name] = torch.export.Dim(name, **numbers)
    if not refined or refined == dims or refined.get(BATCH) is not dims.get(BATCH):
        raise _FixedBatch  # torch does not say where
    return refined


def _module(program: Any, decompositions: Any) -> fx.GraphModule:
    """Return the graph of a program: tensors in, a flat tuple of tensors out."""
    module = program.run_decompositions(decompositions).module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    for node in [n for n in module.graph.nodes if n.target in _ASSERTIONS]:
        module.graph.erase_node(node)
    module.graph.set_codegen(fx.graph.CodeGen())
    # A fresh module, without the checks that torch.export hangs on its inputs.
    return fx.GraphModule(module, module.graph)


_TABLE = {**DECOMPOSITIONS, **MATRIX_DECOMPOSITIONS}


def _core_table() -> Any:
    """Return the decompositions to torch's core operators."""
    table = torch.export.default_decompositions()
    for kept in _KEPT:
        table.pop(kept, None)
    table.update(_TABLE)
    return table


def _in_real_numbers(
    program: Any, decompositions: Any, args: Sequence[Tensor], shapes: Shapes
) -> fx.GraphModule:
    """Return the graph of a program, complex tensors as pairs of real ones."""
    module = _module(program, decompositions)
    if not has_complex(module):
        return module
    core = InPairs(_module(program, _core_table()))
    return _module(_export(core, args, shapes), decompositions)


# Checks that tracing leaves behind: ONNX has none, and for eager inputs they hold.
_ASSERTIONS = frozenset({
    torch.ops.aten._assert_tensor_metadata.default,
    torch.ops.aten._assert_scalar.default,
    torch.ops.aten._assert_async.msg,
})  # fmt: skip


def dynamic_shapes(axes: Sequence[Mapping[int, str]], dims: Mapping[str, Any]) -> Shapes:
    """Return what torch.export calls dynamic shapes: the axes whose names are among `dims`."""
    return tuple(
        {axis: dims[name] for axis, name in named.items() if name in dims} for named in axes
    )


_NOISY = ("torch.export", "torch.onnx", "torch.fx", "onnxscript")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' own warnings and log lines off the user's terminal."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def uncollected() -> Iterator[None]:
    """While active, Python does not search for cycles of garbage.

    Torch makes some hundred thousand objects for a graph, nearly all to stay: going over them
    again and again took a fifth of an export (0.8 of 3.9 s for the reference classifier).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its class."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
