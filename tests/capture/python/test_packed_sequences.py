"""Sequences that are packed by lengths of the data: the file computes what torch computes."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pennylane as qml
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import hybridx
from hybridx.errors import PackedSequenceError

LENGTHS = ([4, 2], [3], [1, 4, 2, 2, 3], [2, 3, 1])


@qml.qnode(qml.device("default.qubit", wires=1))
def circuit(x):
    qml.RX(x[..., 0], 0)
    return qml.expval(qml.Z(0))


class Model(nn.Module):
    def __init__(self, rnn, way):
        super().__init__()
        self.rnn = rnn
        self.way = way

    def forward(self, x, lengths):
        return self.way(self.rnn, x, lengths)


def packed(x, lengths):
    return pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)


def states(rnn, x, lengths):
    out, ends = rnn(packed(x, lengths))
    ends = ends if isinstance(ends, tuple) else (ends,)
    steps, counts = pad_packed_sequence(out, batch_first=True)
    return circuit(ends[0][-1]), *ends, steps, counts


def from_state(rnn, x, lengths):
    state = x[:, :1, :2].transpose(0, 1).contiguous()
    return circuit(rnn(packed(x, lengths), state)[1][-1])


def padded_with_ones(rnn, x, lengths):
    out = rnn(packed(x, lengths))[0]
    steps, _ = pad_packed_sequence(out, padding_value=1.0, total_length=6)
    return circuit(steps.flatten(0, 1)), steps


def data_changed(rnn, x, lengths):
    first = packed(x, lengths)
    changed = PackedSequence(first.data.tanh(), *first[1:])
    return circuit(rnn(changed)[1][-1]), first.data.sum()


CASES = {
    "gru": (lambda: nn.GRU(3, 2, batch_first=True), states),
    "lstm_of_two_layers_both_ways": (
        lambda: nn.LSTM(3, 2, 2, batch_first=True, bidirectional=True),
        states,
    ),
    "rnn_without_bias": (lambda: nn.RNN(3, 2, batch_first=True, bias=False), states),
    "given_state": (lambda: nn.GRU(3, 2, batch_first=True), from_state),
    "padding": (lambda: nn.GRU(3, 2, batch_first=True), padded_with_ones),
    "packed_data": (lambda: nn.GRU(3, 2, batch_first=True), data_changed),
}


QUICK = "gru"
"""The case of the quick suite: each takes seconds."""


@pytest.mark.parametrize(
    "name",
    [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES],
)
def test_a_file_packs_as_torch_does(name, tmp_path):
    make, way = CASES[name]
    torch.manual_seed(0)
    model = Model(make(), way).eval()
    example = (torch.randn(2, 4, 3), torch.tensor(LENGTHS[0]))
    report = hybridx.export(model, example, tmp_path / "model.onnx")
    assert any("pack_padded_sequence" in note for note in report.notes)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    names = [one.name for one in session.get_inputs()]
    for lengths in LENGTHS:
        given = torch.randn(len(lengths), 4, 3), torch.tensor(lengths)
        # What is behind a sequence is not read.
        behind = torch.arange(4) >= given[1][:, None]
        given[0][behind] = torch.nan
        with torch.no_grad():
            wanted = model(*given)
        found = session.run(None, dict(zip(names, (t.numpy() for t in given), strict=True)))
        for one, other in zip(
            found, wanted if isinstance(wanted, tuple) else [wanted], strict=True
        ):
            np.testing.assert_allclose(one, other.numpy(), atol=1e-5)


@pytest.mark.slow
def test_a_number_of_steps_that_python_needs_is_refused_and_the_remedy_works(tmp_path):
    def steps(rnn, x, lengths, total=None):
        out = rnn(packed(x, lengths))[0]
        padded, _ = pad_packed_sequence(out, batch_first=True, total_length=total)
        return sum(circuit(padded[:, step]) for step in range(padded.shape[1]))

    rnn = nn.GRU(3, 2, batch_first=True)
    args = (torch.randn(2, 4, 3), torch.tensor([4, 2]))
    with pytest.raises(PackedSequenceError, match=r"test_packed_sequences\.py:"):
        hybridx.export(Model(rnn, steps).eval(), args, tmp_path / "model.onnx")

    def remedied(rnn, x, lengths):
        return steps(rnn, x, lengths, x.shape[1])

    report = hybridx.export(Model(rnn, remedied).eval(), args, tmp_path / "model.onnx")
    assert report.is_dynamic


def test_lengths_in_decreasing_order_leave_the_batch_open(tmp_path):
    def last(rnn, x, lengths):
        return circuit(rnn(pack_padded_sequence(x, lengths, batch_first=True))[1][-1])

    rnn = nn.GRU(3, 2, batch_first=True)
    args = (torch.randn(2, 4, 3), torch.tensor([4, 2]))
    report = hybridx.export(Model(rnn, last).eval(), args, tmp_path / "model.onnx")
    assert report.is_dynamic
    assert max(report.verification.batches) > 4
