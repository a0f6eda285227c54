"""Trace a model with torch.export, with an open batch wherever the model's code allows that.

Three ways are tried. Tracing the whole batch at once gives the simplest graph. A model that loops
over its batch, or calls a circuit many times, is traced at one row, its calls are joined, and the
graph is run on all rows (`row_trace.py`). A model that works at one batch size only is traced at
that size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx

from hybridx.capture.batching import NoRowRule
from hybridx.capture.batching.join_calls import join_calls
from hybridx.capture.batching.repeated_calls import UnlikeCalls, write_out_calls
from hybridx.capture.derivatives import WithoutAutograd
from hybridx.capture.graph.bind_circuits import bind_circuits
from hybridx.capture.graph.constants import unwritten_memory
from hybridx.capture.graph.float64 import DECOMPOSITIONS
from hybridx.capture.merge_paths import SplitCalls, UnlikeSides, merge_paths
from hybridx.capture.model.flat import Flat
from hybridx.capture.python.refusals import refuse_draws_of_data, untraceable
from hybridx.capture.python.source_location import name_of_node, place_of_node
from hybridx.capture.qnode.recording import Recording, recorded
from hybridx.capture.qnode.tape import Layer
from hybridx.capture.rehearsal import NOT_RUN, Rehearsal
from hybridx.capture.row_trace import (
    BatchFirst,
    OnRows,
    batch_first,
    check_apart,
    distinct_rows,
    row_axes,
    row_of,
)
from hybridx.capture.safe_division import divide_by_one_instead_of_zero
from hybridx.capture.torch_export import (
    TABLE,
    FixedBatch,
    Shapes,
    core_table,
    dynamic_shapes,
    export_program,
    graph_in_real_numbers,
    graph_of,
    refined,
)
from hybridx.capture.torch_internals import is_shape_error, needs_a_number
from hybridx.circuit import BATCH, Circuit, entropies_of
from hybridx.errors import (
    CaptureError,
    DataBranchError,
    DrawError,
    GradientError,
    LoweringError,
    TraceError,
    first_line,
)


@dataclass(frozen=True)
class Trace:
    """A model as a graph.

    Attributes:
        module: the graph; `hybridx::circuit` nodes stand for circuits.
        circuits: the circuits, by the index that a node carries.
        layers: where each circuit stands in the model, in the user's words.
        shapes: which axes of each input are open, as torch.export's dynamic shapes.
        unwritten: an operator that takes memory as it is, and its line, if there is one.
        assumed: sentences on checks of the data that the graph leaves out.
        branches: sentences on the other branches on data.
        selects: a branch on data selects between results.
    """

    module: fx.GraphModule
    circuits: tuple[Circuit, ...]
    layers: tuple[Layer, ...]
    shapes: Shapes
    unwritten: tuple[str, str] | None = None
    assumed: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    selects: bool = False


def trace_model(
    flat: Flat,
    args: Sequence[Tensor],
    axes: Sequence[Mapping[int, str]],
    dtype: torch.dtype,
    rehearsal: Rehearsal | None,
) -> Trace:
    """Return a model as a graph in which as many of the named axes as possible are open.

    Args:
        flat: the model, in the mode in which it is to be traced.
        args: example inputs; their open axes are at least 2 long.
        axes: of each input, the names of the axes that are to be open.
        dtype: of the circuits in the file.
        rehearsal: of the same inputs, or None if the model cannot be run.

    Raises:
        FixedBatch: none of them can stay open; the message may say why.
        TraceError: the model cannot be traced at all.
    """
    return _ModelTrace(flat, args, axes, dtype, rehearsal).trace()


@dataclass(frozen=True)
class _ModelTrace:
    """The ways to trace one model; see `trace_model`."""

    flat: Flat
    args: Sequence[Tensor]
    axes: Sequence[Mapping[int, str]]
    dtype: torch.dtype
    rehearsal: Rehearsal | None

    @property
    def _readers(self) -> tuple[dict[str, Any], ...]:
        return () if self.rehearsal is None else self.rehearsal.readers

    def trace(self) -> Trace:
        """Return the trace of the first way that works."""
        names = {name for axes in self.axes for name in axes.values()}
        if not names:
            dtypes = () if self.rehearsal is None else self.rehearsal.dtypes
            return self._at_one_size(self.args, dtypes, for_rows=False)
        reason = ""
        refusal: DataBranchError | None = None
        for way in self._ways(names):
            try:
                return way()
            except FixedBatch as error:
                reason = reason or str(error)
            except DataBranchError as error:
                refusal = refusal or error  # a branch on one row has fewer ways than on all rows
        if refusal is not None:
            raise refusal
        raise FixedBatch(reason)

    def _ways(self, names: Collection[str]) -> Iterator[Callable[[], Trace]]:
        """Yield the ways to keep axes open, the best one first."""
        others = sorted({*names} - {BATCH})
        if others:
            yield partial(self._whole, [BATCH, *others] if BATCH in names else others)
        if BATCH in names:
            ways: list[Callable[[], Trace]] = [partial(self._whole, [BATCH])]
            if self.rehearsal is not None:
                ways.insert(0 if self.rehearsal.joins else 1, self._by_rows)
            yield from ways

    def _whole(self, names: Sequence[str]) -> Trace:
        """Trace with the whole example at once; some axes of these names stay open."""
        dtypes = () if self.rehearsal is None else self.rehearsal.dtypes
        dims = {name: torch.export.Dim(name) for name in names}
        joins = (
            self.rehearsal is not None and self.rehearsal.repeats and not self.flat.differentiates
        )
        # In each round torch fixes or bounds at least one axis; one more if calls are unlike.
        for _ in range(2 * len(names) + joins):
            shapes = dynamic_shapes(self.axes, dims)
            with self._recorded(dtypes, joins=joins) as recording:
                try:
                    program = self._exported(self.args, shapes)
                    module = graph_in_real_numbers(
                        program, TABLE, self.args, shapes, partial(_merge, recording)
                    )
                    write_out_calls(module)
                except (SplitCalls, UnlikeCalls):
                    joins = False
                    continue
                except (CaptureError, LoweringError, FixedBatch):
                    raise
                except Exception as error:
                    if needs_a_number(error):
                        raise FixedBatch("its length is used as a number of Python") from error
                    if is_shape_error(error):
                        dims = refined(dims, str(error))
                        continue
                    raise self._untraceable(error, recording) from error
            try:
                refuse_draws_of_data(module)
            except DrawError as error:
                raise FixedBatch("forward draws random numbers for each row") from error
            return self._bound(module, recording, shapes)
        raise FixedBatch

    def _at_one_size(
        self, args: Sequence[Tensor], dtypes: Sequence[torch.dtype | None], *, for_rows: bool
    ) -> Trace:
        """Trace at the shapes of `args`; calls of the same circuit are joined.

        Rules for rows and for joined calls are there for torch's core operators. Where neither is
        needed the other operators stay: ONNX has some of which it lacks the parts, such as Det.
        """
        shapes = dynamic_shapes(self.axes, {})
        for joins in (False,) if self.flat.differentiates else (True, False):
            with self._recorded(dtypes, joins=joins) as recording:
                try:
                    program = self._exported(args, shapes)
                    needs_core = for_rows or len(recording.circuits) > 1
                    table = core_table() if needs_core else TABLE
                    module = graph_in_real_numbers(
                        program, table, args, shapes, partial(_merge, recording)
                    )
                except SplitCalls:
                    continue
                except (CaptureError, LoweringError, FixedBatch):
                    raise
                except Exception as error:
                    # torch.export raises whatever the model's code raises on tracing tensors.
                    raise self._untraceable(error, recording) from error
            try:
                join_calls(module)
                break
            except UnlikeCalls:
                continue
        refuse_draws_of_data(module)
        return self._bound(module, recording, shapes)

    def _recorded(
        self, dtypes: Sequence[torch.dtype | None], *, joins: bool
    ) -> AbstractContextManager[Recording]:
        return recorded(
            self.flat.model,
            dtypes,
            self._readers,
            joins=joins,
            differentiates=self.flat.differentiates,
        )

    def _exported(self, args: Sequence[Tensor], shapes: Shapes) -> Any:
        """Return the program that torch.export makes of the model.

        Raises:
            FixedBatch: an open axis has to have the length of the example.
        """
        module = self.flat.module
        if self.flat.differentiates:
            module = WithoutAutograd(module, args, shapes)
        return export_program(module, args, shapes)

    def _by_rows(self) -> Trace:
        """Trace at one row and run the graph on all rows.

        Raises:
            FixedBatch: the rows of an output are not functions of the rows of the inputs.
        """
        assert self.rehearsal is not None
        places = [
            next((axis for axis, name in axes.items() if name == BATCH), None) for axes in self.axes
        ]
        batched = [place is not None for place in places]
        shapes = dynamic_shapes(self.axes, {BATCH: torch.export.Dim(BATCH)})
        flat = BatchFirst(self.flat, places) if any(places) else self.flat
        first = batch_first(self.args, places)
        try:
            args, rehearsal = distinct_rows(flat, first, batched, self.rehearsal)
            axes, dtypes = row_axes(flat, args, batched, rehearsal)
            row = replace(self, flat=flat)._at_one_size(
                row_of(first, batched, 0), dtypes, for_rows=True
            )
            if row.selects:
                check_apart(flat, args, batched, axes)
            program = export_program(OnRows(row.module, places, axes), self.args, shapes)
        except NoRowRule as error:
            raise FixedBatch(f"{first_line(error)} has no rule for a batch") from error
        except NOT_RUN as error:
            raise FixedBatch(f"the model does not run on one row alone: {error.reason}") from error
        except (TraceError, DrawError) as error:
            raise FixedBatch(first_line(error)) from error
        except Exception as error:
            if not is_shape_error(error):
                raise
            raise FixedBatch from error
        return replace(row, module=graph_of(program, DECOMPOSITIONS), shapes=shapes)

    def _untraceable(self, error: Exception, recording: Recording) -> CaptureError:
        found = untraceable(self.flat.model, error, recording.branches.longest)
        if self.flat.differentiates and isinstance(found, TraceError):
            return GradientError(found.reason, found.place)
        return found

    def _bound(self, module: fx.GraphModule, recording: Recording, shapes: Shapes) -> Trace:
        memory = unwritten_memory(module)
        unwritten = None if memory is None else (name_of_node(memory), place_of_node(memory))
        bound = bind_circuits(module, recording.circuits, self.dtype)
        for index, circuit in bound:
            if circuit.derivative and any(map(entropies_of, circuit.measurements)):
                layer = recording.layers[index]
                raise GradientError("that of an entropy is unknown", f"quantum layer {layer}")
        return Trace(
            module=module,
            circuits=tuple(circuit for _, circuit in bound),
            layers=tuple(recording.layers[index] for index, _ in bound),
            shapes=shapes,
            unwritten=unwritten,
            assumed=tuple(recording.branches.assumed),
            branches=recording.branches.notes,
            selects=bool(recording.branches.kept),
        )


def _merge(recording: Recording, module: fx.GraphModule) -> None:
    """Make one graph of the ways that branches on data lead, in place.

    Raises:
        DataBranchError: the results of two ways cannot be joined.
    """
    branches = recording.branches
    if not branches.were_met:
        return
    try:
        branches.keep(merge_paths(module, recording.circuits))
    except UnlikeSides as error:
        raise branches.unlike(error.index) from error
    if branches.kept:
        divide_by_one_instead_of_zero(module)
