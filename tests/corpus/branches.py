"""Branches on data, integers of the data, rows by mask, bits."""

import numpy as np
import pennylane as qml
import torch
from torch import nn

from tests.corpus.case import Case, normal


class WithLayer(nn.Module):
    """A linear layer and a circuit on two wires."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2))
            qml.BasicEntanglerLayers(weights, wires=range(2))
            return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]

        self.fc = nn.Linear(3, 2)
        self.q = qml.qnn.TorchLayer(circuit, {"weights": (1, 2)})


class RefusesNaN(WithLayer):
    """A check in a function of its own raises."""

    def forward(self, x):
        return self.q(self.checked(self.fc(x)))

    @staticmethod
    def checked(y):
        if torch.isnan(y).any() or torch.isinf(y).any():
            raise ValueError(f"{int(torch.isnan(y).sum())} numbers are not finite")
        return y


class AssertsRange(WithLayer):
    """A chained assertion, and one of torch."""

    def forward(self, x):
        assert x.min() > -100 and x.max() < 100, "out of range"  # noqa: PT018 - people write so
        y = self.fc(x)
        torch._assert((y.abs() < 1000).all(), "too large")
        return self.q(y)


class PrintsInALoop(WithLayer):
    """Each step prints if its numbers are large."""

    def forward(self, x):
        y = self.fc(x)
        for step in range(6):
            y = torch.tanh(2 * y)
            if y.abs().max() > 0.99:
                print("large numbers in step", step)
        return self.q(y)


class Normalizes(WithLayer):
    """Large batches of numbers are divided by the largest."""

    def forward(self, x):
        y = self.fc(x)
        if y.abs().max() > 1:
            y = y / y.abs().max()
        return self.q(y)


class Chain(WithLayer):
    """`elif`, a ternary and a Python number."""

    def forward(self, x):
        y = self.fc(x)
        level = float(y.mean())
        if level > 0.5:
            y = torch.sin(y)
        elif level > 0:
            y = y * 2
        return self.q(y if y.sum() > -1 else -y)


class StopsEarly(WithLayer):
    """A loop ends when the numbers are small."""

    def forward(self, x):
        y = self.fc(x)
        for _ in range(3):
            if y.norm() < 0.5:
                break
            y = y / 2
        return self.q(y)


class PicksACircuit(WithLayer):
    """Each row goes through the circuit or past it."""

    def forward(self, x):
        return torch.stack([self.q(row) if row.sum() > 0 else row for row in self.fc(x)])


class RoutesRows(WithLayer):
    """Rows that a mask picks go through the circuit."""

    def forward(self, x):
        y = self.fc(x)
        mask = y[:, 0] >= y[:, 0].mean()
        out = y.clone()
        out[mask] = self.q(y[mask]) * 2
        return out


class CountsRows(WithLayer):
    """The number of positive rows decides whether anything is done."""

    def forward(self, x):
        y = self.fc(x)
        positive = (y[:, 0] > 0).sum().item()
        if positive > 1:
            y = y.clamp(min=0)
        return self.q(y)


class ShiftsBits(WithLayer):
    """Whole numbers as bits, by shifts."""

    def forward(self, words):
        bits = (words.unsqueeze(-1) >> torch.arange(2, -1, -1)) & 1
        return self.q(self.fc(bits.float()))


class BranchOnMean(WithLayer):
    """A Python `if` on a mean."""

    def forward(self, x):
        if x.mean() > 0:
            return self.q(x[:, :2])
        return self.fc(x)


class BranchOnItem(WithLayer):
    """An `if` on `.item()`, row by row."""

    def forward(self, x):
        out = []
        for row in x:
            y = self.q(row[:2])
            if y[0].item() > 0.5:
                y = -y
            out.append(y)
        return torch.stack(out)


class BranchInCircuit(nn.Module):
    """A gate that depends on the sign of a feature."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(row, w):
            for i in range(2):
                if row[i] > 0:
                    qml.PauliX(wires=i)
                qml.RY(w[i], wires=i)
            qml.CNOT(wires=[0, 1])
            return qml.expval(qml.PauliZ(1))

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([self.circuit(row, self.w) for row in x])


class BranchOnNumpy(WithLayer):
    """An `if` on a NumPy number that came from a tensor."""

    def forward(self, x):
        norm = np.linalg.norm(x.detach().numpy())
        scale = 1.0 if norm < 3 else float(3 / norm)
        return self.q(x[:, :2] * scale)


class TellsNumbers(WithLayer):
    """Numbers of the data are printed at each call and put into the message of a check."""

    def forward(self, x):
        y = self.q(x[:, :2])
        print(f"mean {y.mean().item():.4f}, norm {x.norm():.2e}")
        if y.abs().max() > 1.01:
            raise ValueError(f"no expectation value: {y.abs().max().item():+.3f}")
        return y


ROWS = normal(3, 3)


def pooled(x, batch):
    """Return the means of the rows of each group, and the spread of all."""
    groups = nn.functional.one_hot(batch, int(batch.max()) + 1).to(x.dtype)
    return groups.T @ x / groups.sum(0).unsqueeze(1) + x.std() / len(x)


class PoolsGroups(WithLayer):
    """As many groups as the data say, by a matrix of zeros and ones."""

    def forward(self, x, batch):
        torch._check(int(batch.max()) < 100, lambda: "too many groups")
        return self.q(self.fc(pooled(x, batch)))


class MeansOfPicked(WithLayer):
    """Of rows that a mask picks, perhaps none, only the mean and the spread leave the model."""

    def forward(self, x):
        picked = self.q(self.fc(x))[x[:, 0] > 0]
        mean, spread = picked.mean(0), picked.var(0, unbiased=False)
        return {
            "mean": torch.nan_to_num(mean, nan=5.0),
            "spread": torch.nan_to_num(spread, nan=5.0),
            "rows": len(x),
            "total": picked.sum().item(),
        }


CASES = (
    Case("refuses_nan", "branches", RefusesNaN, (ROWS,)),
    Case("asserts_range", "branches", AssertsRange, (ROWS,)),
    Case("prints_in_a_loop", "branches", PrintsInALoop, (ROWS,)),
    Case("normalizes", "branches", Normalizes, (ROWS,)),
    Case("chain_of_branches", "branches", Chain, (ROWS,)),
    Case("stops_early", "branches", StopsEarly, (ROWS,)),
    Case("picks_a_circuit", "branches", PicksACircuit, (ROWS,)),
    Case("routes_rows", "branches", RoutesRows, (ROWS,)),
    Case("counts_rows", "branches", CountsRows, (ROWS,)),
    Case("branch_on_item", "branches", BranchOnItem, (ROWS,)),
    Case("branch_on_mean", "branches", BranchOnMean, (ROWS,)),
    Case("branch_in_circuit", "branches", BranchInCircuit, (ROWS,)),
    Case("branch_on_numpy", "branches", BranchOnNumpy, (ROWS,)),
    Case("tells_numbers", "branches", TellsNumbers, (ROWS,)),
    Case("shifts_bits", "branches", ShiftsBits, (torch.tensor([5, 0, 7]),)),
    Case("pools_groups", "branches", PoolsGroups, (ROWS[:3], torch.tensor([0, 1, 1]))),
    Case("means_of_picked", "branches", MeansOfPicked, (ROWS,)),
)
