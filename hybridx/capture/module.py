"""A whole model traced: one graph with a dynamic batch, circuits as opaque nodes in it."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from hybridx.capture.bind import bind_circuits
from hybridx.capture.qnode import recorded, rehearsed
from hybridx.capture.wide import DECOMPOSITIONS, lift_numbers
from hybridx.circuit import Circuit
from hybridx.errors import (
    CaptureError,
    ExampleRejectedError,
    LoweringError,
    NonFiniteWeightsError,
    TraceError,
)

EXAMPLE_ROWS = 3
"""The shortest batch that is traced: torch.export takes a length of 1 for a constant."""


@dataclass(frozen=True)
class Capture:
    """A traced model.

    Attributes:
        module: its classical graph; `hybridx::circuit` nodes stand for the quantum layers.
        circuits: what they stand for, by the index that a node carries.
        layers: where each circuit stands in the model, in the user's words.
        input_names: one for each example input.
        precision: float32 if the eager model rounds the results of a circuit to it.
        is_dynamic: True if the first axis of every input may have any length.
        notes: what the user should know.
    """

    module: fx.GraphModule
    circuits: tuple[Circuit, ...]
    layers: tuple[str, ...]
    input_names: tuple[str, ...]
    precision: str
    is_dynamic: bool
    notes: tuple[str, ...]


def capture(
    model: nn.Module,
    args: Sequence[Tensor],
    *,
    dtype: str,
    dynamic: bool,
    rehearse: bool = True,
) -> Capture:
    """Trace a model in eval mode on example inputs.

    Args:
        model: any module whose quantum parts are PennyLane QNodes or TorchLayers.
        args: example inputs; the batch is their first axis and at least 2 long.
        dtype: float32 or float64, of the circuits in the file.
        dynamic: leave the batch open; where the model fixes it, it is fixed, with a note.
        rehearse: run the eager model first; without it, circuits are taken to return float64.

    Raises:
        CaptureError: a leaf of it says what in the model has to change.
    """
    _check_weights(model)
    returned = _rehearse(model, args) if rehearse else []
    notes: list[str] = []
    with recorded(model, returned) as recording, quiet():
        try:
            program = _trace(model, args, dynamic=dynamic)
        except _FixedBatch as error:
            recording.circuits.clear()
            recording.layers.clear()
            program = _trace(model, args, dynamic=False)
            dynamic = False
            notes.append(f"the batch is fixed at {len(args[0])}: {error}")
        program = program.run_decompositions(DECOMPOSITIONS)
        module = program.module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    for node in [n for n in module.graph.nodes if n.target in _ASSERTIONS]:
        module.graph.erase_node(node)
    circuits = bind_circuits(module, recording.circuits, getattr(torch, dtype))
    lift_numbers(module)
    for layer, circuit in zip(recording.layers, circuits, strict=True):
        if circuit.shots is not None:
            notes.append(
                f"{layer} samples {circuit.shots} shots: the file's body gives the exact values, "
                "a device samples"
            )
    rounds = torch.float32 in returned
    if rounds and dtype == "float64":
        notes.append("PennyLane rounds the results of a device to float32; the file does not")
    precision = "float32" if rounds else dtype
    return Capture(
        module=module,
        circuits=circuits,
        layers=tuple(recording.layers),
        input_names=tuple(str(n.target) for n in module.graph.nodes if n.op == "placeholder"),
        precision=precision,
        is_dynamic=dynamic,
        notes=tuple(notes),
    )


# Checks that tracing leaves behind; they hold by construction and would bar the ONNX export.
_ASSERTIONS = frozenset({
    torch.ops.aten._assert_tensor_metadata.default,
    torch.ops.aten._assert_scalar.default,
})  # fmt: skip


class _FixedBatch(Exception):  # noqa: N818
    """torch.export found that the model works at one batch size only."""


def prepare_examples(args: Sequence[Tensor], dtype: str, rows: int | None) -> tuple[Tensor, ...]:
    """Return example inputs on the CPU as they are traced.

    Args:
        args: what the user gave.
        dtype: float64 widens floating-point inputs.
        rows: a fixed batch, or None for any number that tracing does not take for fixed.
    """
    wanted = rows or max(EXAMPLE_ROWS, max((len(a) for a in args if a.dim()), default=0))

    def prepared(arg: Tensor) -> Tensor:
        plain = arg.detach().cpu()
        if dtype == "float64" and plain.is_floating_point():
            plain = plain.double()
        if plain.dim() and len(plain) != wanted and len(plain):
            repeats = -(-wanted // len(plain))
            plain = torch.cat([plain] * repeats)[:wanted]
        return plain.contiguous()

    return tuple(map(prepared, args))


def dynamic_shapes(args: Sequence[Tensor], *, dynamic: bool) -> tuple[dict[int, object], ...]:
    """Return what torch.export calls dynamic shapes: the first axis of every input."""
    batch = torch.export.Dim("batch")
    return tuple({0: batch} if dynamic and arg.dim() else {} for arg in args)


def _trace(
    model: nn.Module, args: Sequence[Tensor], *, dynamic: bool
) -> torch.export.ExportedProgram:
    shapes = dynamic_shapes(args, dynamic=dynamic)
    try:
        return torch.export.export(model, tuple(args), dynamic_shapes=shapes, strict=False)
    except CaptureError:
        raise
    except Exception as error:
        # torch.export raises whatever the model's code raises on tracing tensors: no narrower
        # class exists. The cause stays attached.
        if dynamic and isinstance(error, torch._dynamo.exc.UserError):
            raise _FixedBatch(first_line(error)) from error
        raise TraceError(first_line(error), _place(error)) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' own warnings and log lines off the user's terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch.onnx", "torch.fx")]
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


def _check_weights(model: nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            bad = int((~torch.isfinite(tensor)).sum())
            if bad:
                raise NonFiniteWeightsError(name, bad)


def _rehearse(model: nn.Module, args: Sequence[Tensor]) -> list[torch.dtype]:
    """Run the eager model once on the example and return what its QNode calls return."""
    shapes = ", ".join(str(tuple(arg.shape)) for arg in args)
    try:
        with torch.no_grad(), rehearsed(model) as dtypes:
            model(*args)
    except (CaptureError, LoweringError):
        raise
    except Exception as error:
        # The model is the user's own code and may raise anything.
        raise ExampleRejectedError(
            shapes, f"{type(error).__name__}: {first_line(error)}"
        ) from error
    return dtypes


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its class."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _place(error: BaseException) -> str:
    """Return the innermost frame of the traceback that is not torch's or PennyLane's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and "hybridx" not in f.filename]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else "a place torch does not name"
