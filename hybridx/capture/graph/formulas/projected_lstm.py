"""LSTMs whose states are projected (`proj_size`), step by step: ONNX's LSTM has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def projected_lstm(
    x: Tensor,
    states: Sequence[Tensor],
    weights: Sequence[Tensor],
    has_biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    """Return an LSTM whose states are projected; `NotImplemented` where they are not.

    The arguments and the results are those of `torch.lstm`.
    """
    hidden, cell = states
    steps = x.shape[1 if batch_first else 0]
    is_unrolled = type(steps) is int and not (train and dropout)
    if hidden.shape[-1] == cell.shape[-1] or not is_unrolled:
        return NotImplemented
    x = x.transpose(0, 1) if batch_first else x
    ways = 2 if bidirectional else 1
    count = len(weights) // (layers * ways)
    ends: list[tuple[Tensor, Tensor]] = []
    for layer in range(layers):
        sides = []
        for way in range(ways):
            number = layer * ways + way
            own = weights[number * count : (number + 1) * count]
            order = range(steps - 1, -1, -1) if way else range(steps)
            outputs, end = _projected(x, order, hidden[number], cell[number], own, has_biases)
            sides.append(outputs)
            ends.append(end)
        x = torch.cat(sides, -1) if bidirectional else sides[0]
    last, cells = (torch.stack([end[place] for end in ends]) for place in (0, 1))
    return x.transpose(0, 1) if batch_first else x, last, cells


def _projected(
    x: Tensor,
    order: Sequence[int],
    hidden: Tensor,
    cell: Tensor,
    weights: Sequence[Tensor],
    has_biases: bool,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return one direction of one layer: its outputs in the order of time, and its last states."""
    of_inputs, of_states, *biases, projection = weights
    given = x @ of_inputs.t() + (biases[0] + biases[1] if has_biases else 0)
    outputs: dict[int, Tensor] = {}
    for step in order:
        gates = given[step] + hidden @ of_states.t()
        enter, forget, new, leave = gates.chunk(4, -1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
        hidden = (torch.sigmoid(leave) * torch.tanh(cell)) @ projection.t()
        outputs[step] = hidden
    return torch.stack([outputs[step] for step in range(len(order))]), (hidden, cell)
