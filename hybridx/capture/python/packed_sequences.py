"""Packed sequences while a model is traced: padded sequences, and which of their steps count.

`pack_padded_sequence` asks for the lengths of the sequences as numbers. Where these depend on the
inputs, the packed data are selected by a mask in the graph, and a recurrent layer runs on the
padded sequences. Its results at the steps of a sequence do not depend on the padding behind it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.symbolic_shapes import statically_known_true

from hybridx.capture.torch_internals import (
    assume_between,
    checks_of_state,
    packed_recurrences,
    padding,
)

NOT_PACKED = object()
"""The answer of `PackedSequences` to a function that takes no sequences packed by it."""

_FROZEN = 1e4
"""Added to a gate of an LSTM, it makes the gate 1; subtracted, 0."""


@dataclass(frozen=True)
class _Layout:
    """How the sequences of a batch are packed.

    Attributes:
        lengths: `(B,)`, int64, in the order of the packed sequences.
        mask: `(T, B)`, true at the steps that count.
        steps: `(N,)`, the places of these steps among all `T * B`.
    """

    lengths: Tensor
    mask: Tensor
    steps: Tensor

    def selected(self, padded: Tensor) -> Tensor:
        """Return the steps that count, `(N, *)`, of padded sequences `(T, B, *)`."""
        selected: Tensor = padded.flatten(0, 1).index_select(0, self.steps)
        return selected

    def padded(self, data: Tensor) -> Tensor:
        """Return packed data as padded sequences; what is in the padding has no meaning."""
        places = (self.mask.flatten().to(torch.int64).cumsum(0) - 1).clamp(min=0)
        padded: Tensor = data.index_select(0, places).unflatten(0, self.mask.shape)
        return padded

    def with_padding(self, padded: Tensor, value: float) -> Tensor:
        """Return padded sequences with a number in their padding."""
        mask = _before(self.lengths, padded.shape[0])
        mask = mask.reshape(*mask.shape, *[1] * (padded.dim() - 2))
        return torch.where(mask, padded, torch.full((), value, dtype=padded.dtype))

    def reversed(self, padded: Tensor) -> Tensor:
        """Return padded sequences of vectors, each one from its last step to its first."""
        time = torch.arange(self.mask.shape[0], device=padded.device)
        return _at_steps(padded, (self.lengths - 1 - time[:, None]).clamp(min=0))

    def last(self, padded: Tensor) -> Tensor:
        """Return the last step of each padded sequence of vectors, `(1, B, F)`."""
        return _at_steps(padded, (self.lengths - 1).unsqueeze(0))


def _before(lengths: Tensor, steps: Any) -> Tensor:
    """Return `(steps, B)`, true at the steps of each sequence."""
    return torch.arange(steps, device=lengths.device)[:, None] < lengths


def _at_steps(padded: Tensor, steps: Tensor) -> Tensor:
    """Return, of padded sequences `(T, B, F)`, the vectors at steps `(S, B)` of each one."""
    return padded.gather(0, steps.unsqueeze(-1).expand(-1, -1, padded.shape[-1]))


def _first_steps(padded: Tensor, number: Any) -> Tensor:
    """Return the first steps; a slice would have a length that torch does not know."""
    return padded.index_select(0, torch.arange(number, device=padded.device))


class PackedSequences:
    """The sequences that one run of forward packs by lengths that depend on its inputs."""

    def __init__(self) -> None:
        # Tensors of the trace have no hash of their own; each is kept so that its id stays taken.
        self._layouts: dict[int, tuple[Tensor, _Layout]] = {}
        self._padded: dict[int, tuple[Tensor, Tensor]] = {}
        self._rows: dict[int, tuple[Tensor, Any]] = {}

    def pack(self, sequences: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
        """Return the packed data and how many sequences each step has, as torch does."""
        padded = sequences.transpose(0, 1) if batch_first else sequences
        lengths = lengths.to(padded.device)
        mask = _before(lengths, padded.shape[0])
        longest = lengths.max().item()
        assume_between(longest, 1, padded.shape[0])
        layout = _Layout(lengths, mask, mask.flatten().nonzero()[:, 0])
        sizes = _first_steps(mask.sum(1), longest)
        self._layouts[id(sizes)] = sizes, layout
        return self._packed(layout, padded), sizes

    def answer(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Return what a function of torch gives for packed sequences, else `NOT_PACKED`."""
        if not self._layouts:
            return NOT_PACKED
        if func is padding():
            return self._pad(*args)
        if func in packed_recurrences():
            return self._recur(func, *args)
        # torch asks for the number of sequences as a number, the first entry of `batch_sizes`.
        if func is Tensor.__getitem__ and type(args[1]) is int and args[1] == 0:
            return self._first(args[0])
        if func is torch.zeros:
            sizes = [self._rows.get(id(size), (size, size))[1] for size in args]
            return torch.zeros(*sizes, **kwargs)
        if func in (Tensor.size, Tensor.__int__):
            return self._checked(func, args, sys._getframe(2))
        return NOT_PACKED

    def _packed(self, layout: _Layout, padded: Tensor) -> Tensor:
        data = layout.selected(padded)
        self._padded[id(data)] = data, padded
        return data

    def _first(self, sizes: Tensor) -> Any:
        if id(sizes) not in self._layouts:
            return NOT_PACKED
        first = sizes[0]
        self._rows[id(first)] = first, self._layouts[id(sizes)][1].lengths.shape[0]
        return first

    def _checked(self, func: Any, args: Sequence[Any], frame: FrameType) -> Any:
        """Answer where a recurrent layer compares the rows of its state with those packed."""
        expects, compares = checks_of_state()
        if func is Tensor.__int__ and frame.f_code is expects and id(args[0]) in self._rows:
            return 1
        caller = None if func is not Tensor.size else frame.f_back
        if frame.f_code is not compares or caller is None:
            return NOT_PACKED
        if id(caller.f_locals.get("batch_sizes")) in self._layouts:
            rows, _, width = args[0].shape
            return torch.Size([rows, 1, width])
        return NOT_PACKED

    def _pad(
        self, data: Tensor, sizes: Tensor, batch_first: bool, value: float, length: Any
    ) -> Any:
        if id(sizes) not in self._layouts:
            return NOT_PACKED
        layout = self._layouts[id(sizes)][1]
        padded = self._as_padded(data, layout)
        present = padded.shape[0]
        if statically_known_true(length == present):
            pass
        elif statically_known_true(length <= present):
            padded = _first_steps(padded, length)
        else:
            padded = torch.nn.functional.pad(
                padded, [*[0, 0] * (padded.dim() - 1), 0, length - present]
            )
        padded = layout.with_padding(padded, value)
        return padded.transpose(0, 1) if batch_first else padded, layout.lengths

    def _as_padded(self, data: Tensor, layout: _Layout) -> Tensor:
        known = self._padded.get(id(data))
        return layout.padded(data) if known is None else known[1]

    def _recur(self, func: Any, data: Tensor, sizes: Any, *args: Any) -> Any:
        if id(sizes) not in self._layouts:
            return NOT_PACKED
        layout = self._layouts[id(sizes)][1]
        state, weights, has_biases, layers, dropout, is_training, both = args
        states = state if isinstance(state, list | tuple) else (state,)
        directions = 2 if both else 1
        each = len(weights) // (layers * directions)
        # torch does not read the padding, in which there may be a NaN.
        padded = layout.with_padding(self._as_padded(data, layout), 0.0)
        last: list[list[Tensor]] = []
        for layer in range(layers):
            outputs = []
            for direction in range(directions):
                number = layer * directions + direction
                output, *ends = _run(
                    func,
                    layout,
                    layout.reversed(padded) if direction else padded,
                    [one.narrow(0, number, 1) for one in states],
                    weights[number * each : (number + 1) * each],
                    has_biases,
                )
                outputs.append(layout.reversed(output) if direction else output)
                last.append(ends)
            padded = torch.cat(outputs, -1) if both else outputs[0]
            if layer < layers - 1 and is_training and dropout:
                padded = torch.dropout(padded, dropout, True)
        ends = [torch.cat(parts) for parts in zip(*last, strict=True)]
        return self._packed(layout, padded), *ends


def _run(
    func: Any,
    layout: _Layout,
    padded: Tensor,
    states: Sequence[Tensor],
    weights: Sequence[Tensor],
    has_biases: bool,
) -> list[Tensor]:
    """Run one direction of one layer.

    Returns:
        its outputs `(T, B, F)`, then its state behind the last step of each sequence, `(1, B, F)`.
    """
    is_lstm = len(states) == 2
    if is_lstm:
        # The state of the cells is given for the last of the T steps only: one more column of the
        # input, 1 in the padding, opens the forget gate there and closes the input gate.
        column = (~layout.mask).to(padded.dtype).unsqueeze(-1)
        padded = torch.cat([padded, column], -1)
        first, *rest = weights
        gate = first.new_ones((first.shape[0] // 4, 1))
        gates = torch.cat([-_FROZEN * gate, _FROZEN * gate, 0 * gate, 0 * gate])
        weights = [torch.cat([first, gates], 1), *rest]
    options = (list(weights), has_biases, 1, 0.0, False, False, False)
    output, *ends = func(padded, list(states) if is_lstm else states[0], *options)
    return [output, layout.last(output), *ends[1:]]
