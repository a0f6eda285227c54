"""What models keep between calls, compute of their own numbers, and draw with a seed.

A model that keeps something which changes no output has a file; one whose outputs depend on the
calls before has none.
"""

import random
from collections import deque

import numpy as np
import pennylane as qml
import torch
from torch import nn

from tests.corpus.case import Case, normal
from tests.corpus.refusals import WithLayer


class Telemetry:
    """What a helper of the user's notes on the side."""

    def __init__(self):
        self.count, self.peaks = 0, deque(maxlen=4)

    def note(self, values):
        self.count += 1
        self.peaks.append(values.detach().abs().max())


class Monitored(WithLayer):
    """A helper object and a hook note what passes; a buffer counts the calls."""

    def __init__(self):
        super().__init__()
        self.telemetry, self.seen = Telemetry(), {}
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.q.register_forward_hook(lambda module, _, out: self.seen.update(q=out))

    def forward(self, x):
        self.batches += 1
        x = self.fc(x)
        self.telemetry.note(x)
        return self.q(x)


class PhaseTable(WithLayer):
    """Phases are computed at first use, and kept by the shape of the input."""

    def __init__(self):
        super().__init__()
        self.tables = {}

    def forward(self, x):
        if x.shape not in self.tables:
            self.tables[x.shape] = torch.linspace(0.1, 0.9, x.shape[1])
        return self.q(x * self.tables[x.shape])


class Clamped(WithLayer):
    """A weight is kept in bounds by writing into its data."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor([2.0, -3.0]))

    def forward(self, x):
        self.gain.data.clamp_(-1, 1)
        return self.q(self.fc(x) * self.gain)


class Scratch(WithLayer):
    """A plain tensor serves as scratch memory, and the input is normalised in place."""

    def __init__(self):
        super().__init__()
        self.scratch = torch.zeros(2)

    def forward(self, x):
        x.sub_(0.5)
        self.scratch.copy_(self.fc.bias).mul_(2)
        return self.q(x + self.scratch)


class Neighbours(WithLayer):
    """Messages along the edges of a graph that is a buffer: degrees, groups, neighbours by mask."""

    def __init__(self):
        super().__init__()
        self.register_buffer("edges", torch.tensor([[0, 1, 2, 2], [1, 2, 0, 1]]))
        self.kinds = torch.tensor([4, 7, 4])

    def forward(self, x):
        degree = torch.bincount(self.edges[1], minlength=3)
        degree[0] = 2
        parts = []
        for kind in torch.unique(self.kinds):
            columns = x[:, self.kinds == kind]
            parts.append(columns.sum(1) / kind)
        for node in range(3):
            sources = self.edges[0][self.edges[1] == node]
            if sources.numel() > 1:
                parts[0] = parts[0] + x[:, sources].sum(1) / degree[node]
        return self.q(torch.stack(parts, 1))


class Pruned(WithLayer):
    """Only features with a positive weight enter."""

    def __init__(self):
        super().__init__()
        self.score = nn.Parameter(torch.tensor([0.4, -0.2, 0.7]))

    def forward(self, x):
        keep = self.score > 0
        scale = 1 / int(keep.sum())
        return self.q(x[:, keep] * self.score[keep] * scale)


class SeededProjection(WithLayer):
    """A random projection from a generator that is seeded in each call."""

    def forward(self, x):
        generator = torch.Generator().manual_seed(11)
        matrix = torch.empty(2, 2).normal_(generator=generator)
        order = torch.randperm(2, generator=generator)
        return self.q(x @ matrix)[:, order]


class SeededEverywhere(WithLayer):
    """The global generators are seeded in forward, and numbers drawn from each of them."""

    def forward(self, x):
        torch.manual_seed(1)
        np.random.seed(2)
        random.seed(3)
        return self.q(x + torch.rand(2) + np.random.rand() + random.random())


class PartlyTrained(WithLayer):
    """`parameters` and `state_dict` show only what is trained; `code` and `graph` are layers."""

    def __init__(self):
        super().__init__()
        self.code, self.graph = nn.Linear(2, 2), nn.Linear(2, 2)
        self.register_buffer("meta", torch.ones(2))

    def parameters(self):
        return list(self.q.parameters())

    def named_parameters(self, prefix="", recurse=True):
        return self.q.named_parameters()

    def state_dict(self):
        return {"meta": self.meta}

    def forward(self, x):
        return self.q(self.graph(self.code(x)) * self.meta)


class Smoothed(WithLayer):
    """The output is averaged with the one before."""

    def __init__(self):
        super().__init__()
        self.previous = None

    def forward(self, x):
        y = self.q(x)
        if self.previous is not None and self.previous.shape == y.shape:
            y = (y + self.previous) / 2
        self.previous = y.detach()
        return y


class WarmsUp(WithLayer):
    """After fifty calls the output is scaled."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.q(x) * (2 if self.calls > 50 else 1)


class OwnGenerator(WithLayer):
    """Noise inside the circuit comes from a generator that was made in `__init__`."""

    def __init__(self):
        super().__init__()
        noise = np.random.default_rng(5)

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2))
            qml.RX(noise.normal(), wires=0)
            qml.BasicEntanglerLayers(weights, wires=range(2))
            return [qml.expval(qml.PauliZ(w)) for w in range(2)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (1, 2)})

    def forward(self, x):
        return self.q(x)


class EveryValue(WithLayer):
    """A loop over the distinct values of an input."""

    def forward(self, x):
        return sum(self.q(x - value) for value in torch.unique(x))


CASES = tuple(
    Case(name, "state", make, (normal(3, columns),), refused=reason)
    for name, make, columns, reason in (
        ("monitored", Monitored, 2, None),
        ("phase_table", PhaseTable, 2, None),
        ("clamped_weight", Clamped, 2, None),
        ("scratch", Scratch, 2, None),
        ("neighbours", Neighbours, 3, None),
        ("pruned", Pruned, 3, None),
        ("seeded_projection", SeededProjection, 2, None),
        ("seeded_everywhere", SeededEverywhere, 2, None),
        ("partly_trained", PartlyTrained, 2, None),
        ("smoothed", Smoothed, 2, "earlier calls"),
        ("warms_up", WarmsUp, 2, "earlier calls"),
        ("own_generator", OwnGenerator, 2, "earlier calls"),
        ("every_value", EveryValue, 2, "loop over data"),
    )
)
