"""Sequences: packed by lengths, padded, masked, step by step."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.corpus.arguments import layer
from tests.corpus.case import Case, normal

LENGTHS = torch.tensor([4, 2, 3])
TOKENS = torch.tensor([[3, 1, 4, 1], [5, 2, 0, 0], [2, 6, 5, 0]])


class PackedTexts(nn.Module):
    """Embedded texts packed by their lengths, an LSTM both ways, the circuit on its last states."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 3, padding_idx=0)
        self.rnn = nn.LSTM(3, 1, bidirectional=True)
        self.layer = layer()

    def forward(self, tokens, lengths):
        steps = self.words(tokens).transpose(0, 1)
        packed = pack_padded_sequence(steps, lengths.cpu(), enforce_sorted=False)
        _, (last, _) = self.rnn(packed)
        return self.layer(torch.cat([last[-2], last[-1]], 1))


class PackedMean(nn.Module):
    """Lengths are counted from the tokens; the mean over the steps of each text."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 3, padding_idx=0)
        self.rnn = nn.GRU(3, 2, batch_first=True)
        self.layer = layer()

    def forward(self, tokens):
        lengths = (tokens != 0).sum(1)
        packed = pack_padded_sequence(
            self.words(tokens), lengths, batch_first=True, enforce_sorted=False
        )
        steps, counts = pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        return self.layer(steps.sum(1) / counts[:, None])


class PackedAttention(nn.Module):
    """Attention over the steps of packed sequences; the weights are an output."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(3, 2, batch_first=True)
        self.score = nn.Linear(2, 1)
        self.layer = layer()

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        steps, counts = pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        inside = torch.arange(steps.size(1)) < counts[:, None]
        weights = self.score(steps).squeeze(-1).masked_fill(~inside, -1e9).softmax(1)
        return self.layer(torch.bmm(weights.unsqueeze(1), steps).squeeze(1)), weights


class PackedSteps(nn.Module):
    """A circuit at every step of packed sequences, padded to the length of the input."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(3, 2, batch_first=True)
        self.layer = layer()

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        steps, _ = pad_packed_sequence(
            self.rnn(packed)[0], batch_first=True, total_length=x.size(1)
        )
        return self.layer(steps)


class MaskedMean(nn.Module):
    """Steps behind a length are left out of a mean."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(3, 1, batch_first=True, bidirectional=True)
        self.layer = layer()

    def forward(self, x, lengths):
        inside = torch.arange(x.size(1))[None] < lengths[:, None]
        steps, _ = self.rnn(x)
        return self.layer((steps * inside.unsqueeze(-1)).sum(1) / lengths[:, None])


class PooledSteps(nn.Module):
    """Convolution and adaptive pooling over time, then a GRU that takes the steps first."""

    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv1d(3, 4, 3, padding=1), nn.AdaptiveAvgPool1d(3)
        self.rnn = nn.GRU(4, 2)
        self.head = nn.Sequential(layer(), nn.Linear(2, 2))

    def forward(self, x):
        steps = self.pool(torch.relu(self.conv(x))).permute(2, 0, 1)
        return self.head(self.rnn(steps)[0][-1])


class KeyPadding(nn.Module):
    """Attention with a mask of padded keys, averaged over the valid steps."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 4, padding_idx=0)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Sequential(nn.Linear(4, 2), layer())

    def forward(self, tokens):
        padded = tokens == 0
        x = self.words(tokens)
        y, _ = self.attention(x, x, x, key_padding_mask=padded, need_weights=False)
        valid = (~padded).unsqueeze(-1)
        return self.head((y * valid).sum(1) / valid.sum(1))


CASES = (
    Case("packed_texts", "sequences", PackedTexts, (TOKENS, LENGTHS)),
    Case("packed_mean", "sequences", PackedMean, (TOKENS,)),
    Case("packed_attention", "sequences", PackedAttention, (normal(3, 4, 3), LENGTHS)),
    Case("packed_steps", "sequences", PackedSteps, (normal(3, 4, 3), LENGTHS)),
    Case("masked_mean", "sequences", MaskedMean, (normal(3, 4, 3), LENGTHS)),
    Case("pooled_steps", "sequences", PooledSteps, (normal(3, 3, 8),)),
    Case("key_padding", "sequences", KeyPadding, (TOKENS,)),
)
