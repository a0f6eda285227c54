"""What goes in and what comes out: inputs, outputs, types, axes."""

# ruff: noqa: N812 - many authors write so, and so the corpus does

from dataclasses import dataclass
from typing import NamedTuple

import pennylane as qml
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

from tests.corpus.case import Case, integers, normal, uniform


def quantum(wires=2, rotation="Y"):
    """Return a TorchLayer."""

    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(wires), rotation=rotation)
        qml.StronglyEntanglingLayers(weights, wires=range(wires))
        return [qml.expval(qml.PauliZ(w)) for w in range(wires)]

    return qml.qnn.TorchLayer(circuit, {"weights": (1, wires, 3)})


# --- Inputs --------------------------------------------------------------------------------


class ImageAndTable(nn.Module):
    """Two inputs of different rank."""

    def __init__(self):
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 1))
        self.table = nn.Linear(3, 1)
        self.q = quantum()

    def forward(self, image, table):
        return self.q(torch.cat([self.image(image), self.table(table)], dim=1))


class KeywordOnly(nn.Module):
    """Inputs by keyword only."""

    def __init__(self):
        super().__init__()
        self.q = quantum()
        self.fc = nn.Linear(3, 2)

    def forward(self, *, features, context):
        return self.q(features + self.fc(context))


class OneKeyword(nn.Module):
    """A positional input and an optional one that is given by keyword."""

    def __init__(self):
        super().__init__()
        self.q = quantum()

    def forward(self, x, mask=None, return_hidden=False):
        if mask is not None:
            x = x * mask
        hidden = self.q(x)
        out = hidden.sum(-1)
        return (out, hidden) if return_hidden else out


class ConditionedOnClass(nn.Module):
    """Features and an integer class, embedded."""

    def __init__(self):
        super().__init__()
        self.label_emb = nn.Embedding(4, 2)
        self.q = quantum(4)
        self.out = nn.Linear(4, 5)

    def forward(self, noise, labels):
        z = torch.cat((noise, self.label_emb(labels)), dim=-1)
        return torch.tanh(self.out(self.q(z)))


class TextClassifier(nn.Module):
    """Token numbers through an embedding and a mean that leaves out the padding."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 2, padding_idx=0)
        self.q = quantum()
        self.fc = nn.Linear(2, 3)

    def forward(self, ids):
        mask = (ids != 0).unsqueeze(-1).float()
        e = self.embedding(ids) * mask
        mean = e.sum(1) / mask.sum(1).clamp(min=1)
        return self.fc(self.q(mean))


class BooleanMask(nn.Module):
    """A boolean input decides where the quantum results are used."""

    def __init__(self):
        super().__init__()
        self.q = quantum(3)

    def forward(self, x, keep):
        y = self.q(x)
        return torch.where(keep, y, x).masked_fill(~keep.any(dim=1, keepdim=True), -1.0)


class Timestep(nn.Module):
    """A diffusion step: an integer time, sines of it, added to the features."""

    def __init__(self, width=4):
        super().__init__()
        self.register_buffer("freqs", torch.exp(-torch.arange(width // 2) * 1.5))
        self.inp = nn.Linear(2, width)
        self.q = quantum(width)
        self.out = nn.Linear(width, 2)

    def forward(self, x, t):
        phase = t[:, None].float() * self.freqs[None]
        emb = torch.cat([phase.sin(), phase.cos()], dim=-1)
        return self.out(self.q(self.inp(x) + emb))


class Encoded(nn.Module):
    """One-hot integers as angles."""

    def __init__(self):
        super().__init__()
        self.q = quantum(4)

    def forward(self, state):
        one_hot = F.one_hot(state, num_classes=4).to(torch.float32)
        return self.q(one_hot * torch.pi)


class NoBatch(nn.Module):
    """A single sample without a batch axis."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
        self.q = quantum()

    def forward(self, x):
        return self.q(torch.tanh(self.fc(x)))


class NoBatchQNode(nn.Module):
    """A single sample, a QNode with an argument for every feature."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(a, b, w):
            qml.RY(a, wires=0)
            qml.RY(b, wires=1)
            qml.CRX(w[0], wires=[0, 1])
            qml.RX(w[1], wires=0)
            return qml.probs(wires=[0, 1])

        self.circuit = circuit

    def forward(self, x):
        a, b = x
        return self.circuit(a, b, self.w).reshape(2, 2)


class SequenceOfAnyLength(nn.Module):
    """Batch and length are both free: the quantum layer sees all positions at once."""

    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(3, 2)
        self.q = quantum()

    def forward(self, x):
        h = self.inp(x)
        h = self.q(h)
        return h.mean(dim=1), h[:, -1]


class FlattenedPositions(nn.Module):
    """The same through `reshape(-1, …)` and back with `x.shape`."""

    def __init__(self):
        super().__init__()
        self.q = quantum()

    def forward(self, x):
        b, s, f = x.shape
        return self.q(x.reshape(b * s, f)).view(b, s, -1)


# --- Outputs -------------------------------------------------------------------------------


class DictOut(nn.Module):
    """A dict of outputs."""

    def __init__(self):
        super().__init__()
        self.q = quantum()
        self.fc = nn.Linear(2, 3)

    def forward(self, x):
        hidden = self.q(x)
        logits = self.fc(hidden)
        return {"logits": logits, "probabilities": logits.softmax(-1), "hidden": hidden}


class NestedOut(nn.Module):
    """A tuple in a list in a dict."""

    def __init__(self):
        super().__init__()
        self.q = quantum(3)

    def forward(self, x):
        y = self.q(x)
        return {"parts": [y[:, :1], (y[:, 1], y[:, 2:])], "all": y}


class ListOut(nn.Module):
    """A list of heads."""

    def __init__(self, heads=3):
        super().__init__()
        self.q = quantum()
        self.heads = nn.ModuleList(nn.Linear(2, k + 1) for k in range(heads))

    def forward(self, x):
        y = self.q(x)
        return [head(y) for head in self.heads]


class ActorCritic(NamedTuple):
    """Policy and value."""

    policy: Tensor
    value: Tensor


class NamedTupleOut(nn.Module):
    """A NamedTuple of outputs."""

    def __init__(self):
        super().__init__()
        self.q = quantum()
        self.actor, self.critic = nn.Linear(2, 4), nn.Linear(2, 1)

    def forward(self, obs):
        h = self.q(obs)
        return ActorCritic(policy=F.softmax(self.actor(h), -1), value=self.critic(h))


@dataclass
class Latents:
    """Mean and log-variance."""

    mean: Tensor
    log_var: Tensor


class DataclassOut(nn.Module):
    """A dataclass of outputs, as of a variational encoder."""

    def __init__(self):
        super().__init__()
        self.q = quantum(4)

    def forward(self, x):
        mean, log_var = self.q(x).chunk(2, dim=1)
        return Latents(mean=mean, log_var=log_var.clamp(-3, 3))


class WithLoss(nn.Module):
    """Logits, and weights that do not depend on the batch."""

    def __init__(self):
        super().__init__()
        self.q = quantum()
        self.centres = nn.Parameter(torch.randn(3, 2))

    def forward(self, x):
        z = self.q(x)
        return -torch.cdist(z, self.centres), F.normalize(self.centres, dim=1)


class ComparesRows(nn.Module):
    """Each row becomes a mean of all rows, the near ones more: all distances are taken."""

    def __init__(self):
        super().__init__()
        self.q = quantum()

    def forward(self, x):
        z = self.q(x)
        return torch.softmax(-(torch.cdist(z, z) ** 2), dim=1) @ z


class ArgmaxOut(nn.Module):
    """Integer and boolean outputs beside the scores."""

    def __init__(self):
        super().__init__()
        self.q = quantum(3)

    def forward(self, x):
        scores = self.q(x)
        values, order = scores.topk(2, dim=1)
        return scores.argmax(dim=1), values, order, scores > 0


class Policy(nn.Module):
    """A policy of reinforcement learning; `torch.distributions` checks its arguments."""

    def __init__(self):
        super().__init__()
        self.q = quantum()
        self.log_std = nn.Parameter(torch.zeros(2))

    def forward(self, observation, action):
        scores = self.q(observation)
        choice = Categorical(logits=scores)
        shift = Normal(scores, self.log_std.exp().expand_as(scores))
        return {
            "probabilities": choice.probs,
            "entropy": choice.entropy(),
            "log_prob": shift.log_prob(action).sum(-1),
        }


class VariationalInEval(nn.Module):
    """Noise is drawn in training only: `if self.training`."""

    def __init__(self):
        super().__init__()
        self.q = quantum(4)
        self.dec = nn.Linear(2, 4)

    def reparameterize(self, mu, logvar):
        if self.training:
            return mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return mu

    def forward(self, x):
        h = self.q(x)
        mu, logvar = h[:, :2], h[:, 2:]
        return self.dec(self.reparameterize(mu, logvar)), mu, logvar


# --- Types ---------------------------------------------------------------------------------


class DoublePrecision(nn.Module):
    """Everything in float64."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), quantum(), nn.Linear(2, 2)).double()

    def forward(self, x):
        return self.net(x)


class DoubleQNode(nn.Module):
    """float64 weights and a loop over rows."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2, dtype=torch.float64))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, w):
            qml.AngleEmbedding(x, wires=range(2))
            qml.CNOT(wires=[0, 1])
            qml.RY(w[0], wires=0)
            qml.RY(w[1], wires=1)
            return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([torch.stack(self.circuit(row, self.w)) for row in x])


class HalfAndHalf(nn.Module):
    """A float32 front, a float64 end."""

    def __init__(self):
        super().__init__()
        self.front = nn.Linear(3, 2)
        self.q = quantum()
        self.end = nn.Linear(2, 2).double()

    def forward(self, x):
        h = self.q(torch.relu(self.front(x)))
        return self.end(h.double())


class QuantumInDouble(nn.Module):
    """Only the circuit is float64; both sides cast."""

    def __init__(self):
        super().__init__()
        self.front = nn.Linear(3, 2)
        self.q = quantum().double()
        self.end = nn.Linear(2, 1)

    def forward(self, x):
        h = self.front(x).to(torch.float64)
        return self.end(self.q(h).to(torch.float32))


# --- Classical parts -----------------------------------------------------------------------


class AfterLSTM(nn.Module):
    """nn.LSTM before the circuit."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(input_size=2, hidden_size=3, batch_first=True)
        self.fc = nn.Linear(3, 2)
        self.q = quantum()

    def forward(self, x):
        out, (h_n, _c_n) = self.lstm(x)
        return self.q(self.fc(out[:, -1, :])) + self.fc(h_n[-1])


class AfterGRU(nn.Module):
    """A bidirectional GRU, sequence first inside."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(2, 1, bidirectional=True)
        self.q = quantum()

    def forward(self, x):
        h0 = torch.zeros(2, x.size(0), 1)
        out, _ = self.gru(x.transpose(0, 1), h0)
        return self.q(out[-1])


class InTransformer(nn.Module):
    """A positional encoding, TransformerEncoder layers, the circuit on the mean."""

    def __init__(self, width=4):
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, nhead=2, dim_feedforward=8, batch_first=True, dropout=0.1
        )
        self.encoder = nn.TransformerEncoder(layer, num_layers=1, enable_nested_tensor=False)
        self.positions = nn.Parameter(torch.randn(1, 8, width))
        self.q = quantum(width)

    def forward(self, x):
        x = x + self.positions[:, : x.size(1)]
        return self.q(self.encoder(x).mean(dim=1))


class AttentionPooling(nn.Module):
    """MultiheadAttention with quantum keys; the attention weights are an output."""

    def __init__(self):
        super().__init__()
        self.q = quantum(2)
        self.query = nn.Parameter(torch.randn(1, 1, 2))
        self.attn = nn.MultiheadAttention(2, 1, batch_first=True)

    def forward(self, x):
        keys = self.q(x)
        query = self.query.expand(x.shape[0], -1, -1)
        pooled, weights = self.attn(query, keys, x)
        return pooled.squeeze(1), weights


class CNN1d(nn.Module):
    """A one-dimensional convolution with group norm and pooling."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, 4, 3, padding="same"),
            nn.GroupNorm(2, 4),
            nn.ELU(),
            nn.AvgPool1d(2),
            nn.AdaptiveMaxPool1d(1),
            nn.Flatten(),
        )
        self.q = quantum(4)

    def forward(self, x):
        return self.q(self.features(x.unsqueeze(1)))


CASES = (
    Case("image_and_table", "signatures", ImageAndTable, (normal(3, 1, 3, 3), normal(3, 3))),
    Case(
        "keyword_only",
        "signatures",
        KeywordOnly,
        (),
        {"features": normal(3, 2), "context": normal(3, 3)},
    ),
    Case(
        "one_keyword",
        "signatures",
        OneKeyword,
        (normal(3, 2),),
        {"mask": uniform(3, 2, low=0.0)},
        note="an optional argument stays away",
    ),
    Case("optional_left_out", "signatures", OneKeyword, (normal(3, 2),)),
    Case("conditioned", "signatures", ConditionedOnClass, (normal(3, 2), integers(4, 3))),
    Case("text_classifier", "signatures", TextClassifier, (integers(10, 3, 5),)),
    Case(
        "boolean_mask",
        "signatures",
        BooleanMask,
        (normal(3, 3), torch.tensor([[True, False, True], [False, False, False], [True] * 3])),
    ),
    Case("timestep", "signatures", Timestep, (normal(3, 2), integers(20, 3))),
    Case("one_hot", "signatures", Encoded, (integers(4, 3),)),
    Case("no_batch", "signatures", NoBatch, (normal(4),), batch="none"),
    Case("no_batch_qnode", "signatures", NoBatchQNode, (normal(2),), batch="none"),
    Case(
        "sequence_of_any_length",
        "signatures",
        SequenceOfAnyLength,
        (normal(3, 4, 3),),
        note="the length of the sequence is free, too",
    ),
    Case(
        "flattened_positions",
        "signatures",
        FlattenedPositions,
        (normal(3, 4, 2),),
        note="the length of the sequence is free, too",
    ),
    Case("dict_out", "signatures", DictOut, (normal(3, 2),)),
    Case("nested_out", "signatures", NestedOut, (normal(3, 3),)),
    Case("list_out", "signatures", ListOut, (normal(3, 2),)),
    Case("named_tuple_out", "signatures", NamedTupleOut, (normal(3, 2),)),
    Case("dataclass_out", "signatures", DataclassOut, (normal(3, 4),)),
    Case("batchless_output", "signatures", WithLoss, (normal(3, 2),)),
    Case("compares_rows", "signatures", ComparesRows, (normal(3, 2),)),
    Case("argmax_out", "signatures", ArgmaxOut, (normal(3, 3),)),
    Case("policy", "signatures", Policy, (normal(3, 2), uniform(3, 2))),
    Case("variational_in_eval", "signatures", VariationalInEval, (normal(3, 4),)),
    Case("double_precision", "signatures", DoublePrecision, (normal(3, 3, dtype=torch.float64),)),
    Case("double_qnode", "signatures", DoubleQNode, (normal(3, 2, dtype=torch.float64),)),
    Case("half_and_half", "signatures", HalfAndHalf, (normal(3, 3),)),
    Case("quantum_in_double", "signatures", QuantumInDouble, (normal(3, 3),)),
    Case("after_lstm", "signatures", AfterLSTM, (normal(3, 4, 2),)),
    Case("after_gru", "signatures", AfterGRU, (normal(3, 4, 2),)),
    Case("in_transformer", "signatures", InTransformer, (normal(3, 3, 4),)),
    Case("attention_pooling", "signatures", AttentionPooling, (normal(3, 3, 2),)),
    Case("cnn_1d", "signatures", CNN1d, (normal(3, 8),)),
)
