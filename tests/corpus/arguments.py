"""What people hand over: compiled and wrapped models, distributions inside, steps before rows."""

import pennylane as qml
import torch
from torch import nn
from torch.distributions import Categorical, Normal
from torch.optim.swa_utils import AveragedModel

from tests.corpus.case import Case, normal, uniform


def layer(wires=2):
    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(wires))
        qml.BasicEntanglerLayers(weights, wires=range(wires))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(wires)]

    return qml.qnn.TorchLayer(circuit, {"weights": (1, wires)})


def head():
    return nn.Sequential(nn.Linear(3, 2), layer(), nn.Linear(2, 2))


def wrapped_in_data_parallel():
    """A model as training on several devices left it."""
    return nn.DataParallel(head())


def averaged_weights():
    """A stochastic weight average of a model."""
    return AveragedModel(head())


class CompiledParts(nn.Module):
    """The classical parts are compiled, one in place."""

    def __init__(self):
        super().__init__()
        self.encode = torch.compile(nn.Linear(3, 2))
        self.quantum = layer()
        self.decode = nn.Linear(2, 2)
        self.decode.compile()

    def forward(self, x):
        return self.decode(self.quantum(torch.tanh(self.encode(x))))


class LogProbability(nn.Module):
    """The log-probability of an action under a policy whose arguments are checked."""

    def __init__(self):
        super().__init__()
        self.policy = head()

    def forward(self, x, action):
        mean = self.policy(x)
        return Normal(mean, mean.exp(), validate_args=True).log_prob(action).sum(-1)


class Entropy(nn.Module):
    """The entropy of a policy beside its most likely action."""

    def __init__(self):
        super().__init__()
        self.policy = head()

    def forward(self, x):
        policy = Categorical(logits=self.policy(x))
        return {"entropy": policy.entropy(), "action": policy.probs.argmax(-1)}


class StepsFirst(nn.Module):
    """A recurrent layer in torch's own layout, between two transpositions."""

    def __init__(self):
        super().__init__()
        self.recurrent = nn.GRU(3, 2)
        self.quantum = layer()

    def forward(self, x):
        steps, _ = self.recurrent(x.transpose(0, 1))
        return self.quantum(steps[-1])


class ScaledTogether(nn.Module):
    """Rows are scaled by the extremes of the batch, which is two rows long."""

    def __init__(self):
        super().__init__()
        self.quantum = layer()

    def forward(self, x):
        x = (x - x.min()) / (x.max() - x.min())
        return torch.stack([self.quantum(row) for row in x])


CASES = (
    Case("wrapped_in_data_parallel", "arguments", wrapped_in_data_parallel, (normal(3, 3),)),
    Case("averaged_weights", "arguments", averaged_weights, (normal(3, 3),)),
    Case("compiled_parts", "arguments", CompiledParts, (normal(2, 3),)),
    Case("log_probability", "arguments", LogProbability, (normal(3, 3), normal(3, 2))),
    Case("entropy_of_a_policy", "arguments", Entropy, (normal(3, 3),)),
    Case("steps_first_inside", "arguments", StepsFirst, (normal(2, 4, 3),)),
    Case("scaled_together", "arguments", ScaledTogether, (uniform(2, 2),), batch="fixed"),
)
