"""Refuse what no file can hold, and name the place in the model that asks for it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from hybridx.capture.python.branches import is_raised_by_model
from hybridx.capture.python.patches import current, intercepting
from hybridx.capture.python.removed_in_pennylane import removed_idiom
from hybridx.capture.python.source_location import (
    indexes_at_line,
    is_users,
    name_of_node,
    place,
    place_of,
    place_of_node,
    text_of_line,
)
from hybridx.capture.torch_internals import (
    asks_for,
    current_tracer,
    depends_on_data,
    is_data_branch,
    is_fake,
    is_operator,
    needs_a_number,
    node_of,
    unruled_operator,
)
from hybridx.errors import (
    BitsOfTextError,
    CaptureError,
    DataBranchError,
    DrawError,
    HybridxError,
    LengthFromDataError,
    ListIndexError,
    ModelRaisesError,
    NoQubitsError,
    PackedSequenceError,
    RandomnessError,
    TraceError,
    first_line,
)

_KINDS = {
    "gaussian": "modes of continuous variables",
    "fock": "modes of continuous variables",
    "qutrit": "qutrits",
}


class Collector:
    """What was refused in a model, and what stands in for it.

    A QNode call gives what the eager model's call returned, an operator is left out, and of a
    branch whose sides do not fit each other one side is taken.

    Attributes:
        errors: in the order in which they were met, each once.
        answers: what each QNode call of the eager model returned, in order.
    """

    def __init__(self) -> None:
        self.errors: list[HybridxError] = []
        self.answers: list[Any] = []

    def note(self, error: HybridxError) -> None:
        """Add an error, unless it is there already."""
        if str(error) not in map(str, self.errors):
            self.errors.append(error)


@contextmanager
def collecting() -> Iterator[Collector]:
    """While active, refusals in this thread are collected, as far as stand-ins go."""
    collector = Collector()
    with intercepting(collector=collector):
        yield collector


def refuse(error: HybridxError) -> None:
    """Raise an error, or note it where all are collected: the caller then takes a stand-in."""
    collector = current().collector
    if collector is None:
        raise error
    collector.note(error)


def refuse_device(device: Any, layer: str) -> None:
    """Refuse a device that does not work with qubits.

    Raises:
        NoQubitsError: the device does not.
    """
    for word, kind in _KINDS.items():
        if word in device.name:
            raise NoQubitsError(layer, device.name, kind)


def refuse_unseeded(tape: Any, layer: str) -> None:
    """Refuse a template that draws its gates and has no seed.

    Raises:
        RandomnessError: the tape has one.
    """
    for operator in tape.operations:
        if operator.hyperparameters.get("seed", 0) is None:
            raise RandomnessError(f"{operator.name} without a seed", f"quantum layer {layer}")


def place_of_call(model: nn.Module | None) -> str:
    """Return the innermost line of the user's code that runs, with the part of the model."""
    lines = traceback.walk_stack(sys._getframe(1))
    users = next((line for line in lines if is_users(line[0].f_code.co_filename)), None)
    if users is None:
        return "an unknown place"
    return f"{users[0].f_code.co_filename}:{users[1]}" if model is None else place(model, users)


def refuse_length(tensor: Tensor, dim: int = 0) -> None:
    """Refuse to take apart a traced tensor along an axis whose length depends on the data.

    Raises:
        LengthFromDataError: the axis is such; the function that made it is named.
    """
    if not is_fake(tensor) or not tensor.dim():
        return
    length = tensor.shape[dim]
    if not depends_on_data(length):
        return
    node = node_of(tensor, current_tracer())
    made_by = "a function of the data" if node is None else _maker(node)
    raise LengthFromDataError(made_by, place_of_call(None))


_NAMES = {"unique_dim": "unique", "unique2": "unique", "index": "a mask", "where": "nonzero"}


def _maker(node: fx.Node) -> str:
    """Return the name of the function from which a length that depends on data came last."""
    pending = [node]
    while pending:
        current = pending.pop(0)
        target = current.target
        if is_operator(target) and torch.Tag.dynamic_output_shape in target.tags:
            name = target.overloadpacket.__name__.strip("_")
            name = _NAMES.get(name, name)
            return name if " " in name else f"torch.{name}"
        pending += current.all_input_nodes
    return "a function of the data"


def refuse_draws_of_data(module: fx.GraphModule) -> None:
    """Refuse a traced graph whose outputs use random numbers that are drawn as the inputs say.

    Raises:
        DrawError: the operator is named.
    """
    used: set[fx.Node] = set()
    pending = [node for node in module.graph.nodes if node.op == "output"]
    while pending:
        current = pending.pop()
        if current not in used:
            used.add(current)
            pending += current.all_input_nodes
    for node in module.graph.nodes:
        if node in used and _draws(node):
            raise DrawError(name_of_node(node), place_of_node(node))


_DRAWS = frozenset({
    *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal"),
    *("normal_functional", "bernoulli", "multinomial", "poisson", "binomial", "uniform"),
    *("exponential", "geometric", "cauchy", "log_normal", "random", "native_dropout"),
})  # fmt: skip
_DROPOUTS = frozenset({"dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout"})


def _draws(node: fx.Node) -> bool:
    target = node.target
    if not is_operator(target) or target.namespace != "aten":
        return False
    name = target.overloadpacket.__name__.strip("_")
    return name in _DRAWS or (name in _DROPOUTS and bool(node.args[2]))


def untraceable(model: nn.Module, error: Exception, longest: Sequence[Any] = ()) -> CaptureError:
    """Return the error that says why torch.export cannot follow a model.

    Args:
        model: whose part is named.
        error: of torch.export.
        longest: the lengths of the longest packed sequences, numbers of the data.
    """
    removed = removed_idiom(error)
    if removed is not None:
        return removed
    where = place_of(model, error)
    text = text_of_line(error)
    cause: BaseException | None = error
    while cause is not None:
        if asks_for(cause, longest):
            return PackedSequenceError(where)
        if is_data_branch(cause):
            writer = next((name for name in _WRITERS if f"{name}(" in text), None)
            if writer is not None:
                return BitsOfTextError(f"{writer}()", where)
            if indexes_at_line(error):
                return ListIndexError(where)
            return DataBranchError(where, "Python needs its value")
        if needs_a_number(cause) and indexes_at_line(error):
            return ListIndexError(where)
        operator = unruled_operator(cause)
        if operator is not None:
            return TraceError(f"what {operator} returns depends on the values it is given", where)
        cause = cause.__cause__
    if is_raised_by_model(error):
        return ModelRaisesError(f"{type(error).__name__}: {first_line(error)}", where)
    return TraceError(f"{type(error).__name__} at {text!r}" if text else first_line(error), where)


_WRITERS = ("bin", "oct", "hex", "format", "bit_length", "bit_count")
"""What writes a whole number as digits, or counts its bits."""
