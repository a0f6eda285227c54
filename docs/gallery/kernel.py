"""A quantum kernel: how alike two points are is the overlap of their states."""

import numpy as np
import onnxruntime
import pennylane as qml
import torch

import hybridx


def embed(point):
    """Turn a point into a state of two wires."""
    qml.Hadamard(0)
    qml.Hadamard(1)
    qml.RZ(point[..., 0], wires=0)
    qml.RZ(point[..., 1], wires=1)
    qml.IsingZZ(2 * point[..., 0] * point[..., 1], wires=[0, 1])
    qml.RY(point[..., 0], wires=0)
    qml.RY(point[..., 1], wires=1)


@qml.qnode(qml.device("default.qubit", wires=2))
def overlap(point, other):
    """Prepare one state, undo the other; the probability of 00 is their overlap."""
    embed(point)
    qml.adjoint(embed)(other)
    return qml.probs(wires=[0, 1])


class KernelMachine(torch.nn.Module):
    """Ridge regression of a label on the overlaps with chosen points."""

    def __init__(self, chosen, label):
        super().__init__()
        self.register_buffer("chosen", chosen)
        gram = self.overlaps(chosen)
        ridge = gram + 0.1 * torch.eye(len(chosen))
        self.register_buffer("factor", torch.linalg.solve(ridge, label[:, None]))

    def overlaps(self, x):
        point = x.repeat_interleave(len(self.chosen), dim=0)
        other = self.chosen.repeat(len(x), 1)
        return overlap(point, other)[:, 0].reshape(len(x), -1).to(x.dtype)

    def forward(self, x):
        return self.overlaps(x) @ self.factor


def quadrants(rows):
    """Return points, and the sign of the product of their coordinates."""
    x = 2 * torch.rand(rows, 2) - 1
    x = x + 0.2 * x.sign()
    return x, x.prod(dim=1).sign()


torch.manual_seed(0)
model = KernelMachine(*quadrants(32))
x, sign = quadrants(200)
hybridx.export(model, (x[:3],), "kernel.onnx", overwrite=True)
session = onnxruntime.InferenceSession("kernel.onnx")
(score,) = session.run(None, {"x": x.numpy()})
accuracy = np.mean(np.sign(score[:, 0]) == sign.numpy())
print(f"{len(x)} points, accuracy above 0.9: {accuracy > 0.9}")
