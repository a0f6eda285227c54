"""Where parameters of circuits come from, what a call returns, and what transforms make of it."""

import pennylane as qml
import torch
from torch import nn

from tests.corpus.case import Case, integers, normal, uniform

DEVICE = qml.device("default.qubit", wires=2)


def two_angles(angles):
    qml.RX(angles[0], wires=0)
    qml.RY(angles[1], wires=1)
    qml.CNOT([0, 1])


@qml.qnode(DEVICE)
def word_state(angles):
    two_angles(angles)
    return qml.probs(wires=[0, 1])


@qml.qnode(DEVICE)
def actor_and_critic(x):
    two_angles(x)
    return {"value": qml.expval(qml.Z(0)), "policy": qml.probs(wires=[0, 1])}


class SentenceOfWords(nn.Module):
    """Words of a fixed sentence, their angles in a dict; no data reaches the circuits."""

    def __init__(self):
        super().__init__()
        self.symbols = {word: torch.rand(2) for word in ("alice", "likes", "bob")}
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        meaning = sum(word_state(self.symbols[word]) for word in ("alice", "likes", "bob", "alice"))
        return self.head(meaning.to(x.dtype)) + x


class SentenceOfTokens(nn.Module):
    """Tokens pick the angles of each word, as tensors without axes and as Python's numbers."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(3, 6, 2))

    def forward(self, tokens):
        rows = []
        for sentence in tokens:
            first, *rest = [
                word_state(self.table[place, word]) for place, word in enumerate(sentence)
            ]
            last = word_state(self.table[2, (int(sentence[-1]) + 1) % 6])
            rows.append(sum(rest, first) + last)
        return torch.stack(rows)


class ActorCritic(nn.Module):
    """A number and probabilities from each row, joined and side by side."""

    def forward(self, x):
        found = [actor_and_critic(row) for row in x]
        joined = [torch.cat([one["value"][None], one["policy"]]) for one in found]
        return torch.stack(joined), torch.stack([one["value"] for one in found])


class SharedWeights(nn.Module):
    """Weights that all rows share are made in forward and passed beside the data."""

    def __init__(self):
        super().__init__()
        self.scale = [torch.rand(1, 2, 3)]

        @qml.qnode(DEVICE)
        def circuit(x, weights):
            qml.AngleEmbedding(torch.tanh(x), wires=range(2))
            qml.StronglyEntanglingLayers(weights, wires=range(2))
            return qml.probs(wires=[0]), qml.expval(qml.X(1))

        self.circuit = circuit

    def forward(self, x):
        probabilities, mean = self.circuit(x, self.scale[0] * x.abs().amax(0)[None, :, None])
        return torch.cat([probabilities, mean[:, None]], dim=1)


class Extrapolated(nn.Module):
    """Zero-noise extrapolation on a device with a noise model."""

    def __init__(self):
        super().__init__()
        noise = qml.NoiseModel(
            {qml.noise.op_in([qml.CNOT]): qml.noise.partial_wires(qml.BitFlip, 0.04)}
        )
        device = qml.add_noise(qml.device("default.mixed", wires=2), noise)

        @qml.qnode(device)
        def circuit(x):
            two_angles(x)
            return qml.expval(qml.Z(1))

        self.circuit = qml.noise.mitigate_with_zne(
            circuit,
            scale_factors=[1, 3],
            folding=qml.noise.fold_global,
            extrapolate=qml.noise.poly_extrapolate,
            extrapolate_kwargs={"order": 1},
        )

    def forward(self, x):
        return torch.stack([self.circuit(row) for row in x])


@qml.transform
def difference(tape):
    """Half the difference of two shifted circuits."""
    tapes = [
        tape.copy(operations=[*tape.operations, qml.RX(shift, wires=0)]) for shift in (0.2, -0.2)
    ]
    return tapes, lambda results: (results[0] - results[1]) / 2


class OwnTransform(nn.Module):
    """A transform of the author's makes two circuits of one."""

    def __init__(self):
        super().__init__()

        @difference
        @qml.qnode(DEVICE)
        def circuit(x):
            qml.AngleEmbedding(x, wires=range(2))
            return qml.expval(qml.Z(0))

        self.circuit = circuit

    def forward(self, x):
        return self.circuit(x)


class CopiesOfShots(nn.Module):
    """A shot vector: the mean of the results of its entries."""

    def __init__(self):
        super().__init__()

        @qml.qnode(DEVICE)
        def circuit(x):
            qml.AngleEmbedding(x, wires=range(2))
            return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]

        self.circuit = qml.set_shots(circuit, [(50, 2), 100])

    def forward(self, x):
        return torch.stack([torch.stack(copy, dim=-1) for copy in self.circuit(x)]).mean(0)


class GatesOnCondition(nn.Module):
    """Every column decides which rotation it goes through."""

    def __init__(self):
        super().__init__()

        @qml.qnode(DEVICE)
        def circuit(x):
            for column in range(6):
                qml.cond(x[column] > 0, qml.RX, qml.RY)(x[column], wires=column % 2)
            qml.CNOT([0, 1])
            return qml.expval(qml.Z(1))

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([self.circuit(row) for row in x])


class ManyUploads(nn.Module):
    """Ninety columns one after the other on two wires."""

    def __init__(self):
        super().__init__()

        @qml.qnode(DEVICE)
        def circuit(x):
            for column in range(90):
                qml.RY(x[:, column], wires=column % 2)
                qml.CNOT([column % 2, (column + 1) % 2])
            return qml.expval(qml.Z(0))

        self.circuit = circuit

    def forward(self, x):
        return self.circuit(x)


CASES = (
    Case("sentence_of_words", "circuits", SentenceOfWords, (normal(3, 2),)),
    Case("sentence_of_tokens", "circuits", SentenceOfTokens, (integers(6, 3, 3),)),
    Case("actor_critic", "circuits", ActorCritic, (normal(3, 2),)),
    Case("shared_weights", "circuits", SharedWeights, (normal(3, 2),)),
    Case("extrapolated", "circuits", Extrapolated, (uniform(3, 2),)),
    Case("own_transform", "circuits", OwnTransform, (normal(3, 2),)),
    Case("copies_of_shots", "circuits", CopiesOfShots, (normal(3, 2),)),
    Case("gates_on_condition", "circuits", GatesOnCondition, (normal(3, 6),)),
    Case("many_uploads", "circuits", ManyUploads, (normal(3, 90),)),
)
