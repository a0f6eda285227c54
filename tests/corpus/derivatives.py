"""Models that differentiate in forward: residuals of equations, forces, saliency maps."""

from __future__ import annotations

import pennylane as qml
import torch
from torch import nn

from tests.corpus.case import Case, normal


def layer(wires=2, measured=None):
    """A TorchLayer."""

    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(wires), rotation="Y")
        qml.BasicEntanglerLayers(weights, wires=range(wires))
        if measured is not None:
            return measured()
        return [qml.expval(qml.Z(wire)) for wire in range(wires)]

    return qml.qnn.TorchLayer(circuit, {"weights": (1, wires)})


class Field(nn.Module):
    """A field `u` of two coordinates, with a quantum layer in it."""

    def __init__(self):
        super().__init__()
        self.before, self.q, self.after = nn.Linear(2, 2), layer(), nn.Linear(2, 1)

    def u(self, x):
        return self.after(self.q(torch.tanh(self.before(x))))


class Burgers(Field):
    """The residual of Burgers' equation: first and second derivatives of the field."""

    def forward(self, x):
        x = x.requires_grad_()
        u = self.u(x)
        du = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        ut, ux = du[:, :1], du[:, 1:]
        uxx = torch.autograd.grad(ux.sum(), x, create_graph=True)[0][:, 1:]
        return ut + u * ux - 0.01 * uxx


class Laplacian(Field):
    """Forward expects an input that requires gradients, and takes the Laplacian in a loop."""

    def forward(self, x):
        slope = torch.autograd.grad(self.u(x).sum(), x, create_graph=True)[0]
        return sum(
            torch.autograd.grad(slope[:, axis].sum(), x, create_graph=True)[0][:, axis]
            for axis in range(x.shape[1])
        )


class Forces(Field):
    """An energy and the force that it gives, also where gradients are off."""

    def forward(self, x):
        with torch.enable_grad():
            place = x.detach().requires_grad_()
            energy = self.u(place)
            (slope,) = torch.autograd.grad(energy.sum(), place)
        return {"energy": energy.detach(), "force": -slope}


class Saliency(Field):
    """How much the output depends on each feature, by `backward`."""

    def forward(self, x):
        with torch.enable_grad():
            x = x.clone().detach().requires_grad_()
            self.u(x).sum().backward()
        return x.grad.abs()


class RowGradient(Field):
    """`vmap` over the rows of `torch.func.grad`."""

    def forward(self, x):
        slope = torch.func.grad(lambda row: self.u(row[None]).squeeze())
        return torch.vmap(slope)(x)


class Jacobian(Field):
    """`vmap` of `jacrev` of the quantum layer alone."""

    def forward(self, x):
        return torch.vmap(torch.func.jacrev(lambda row: self.q(row[None])[0]))(x)


class Curvature(Field):
    """`vmap` of `jacrev` of `jacrev`: the Hessian of each row."""

    def forward(self, x):
        slope = torch.func.jacrev(lambda row: self.u(row[None])[0, 0])
        return torch.vmap(torch.func.jacrev(slope))(x)


class Score(nn.Module):
    """The gradient of the logarithms of probabilities."""

    def __init__(self):
        super().__init__()
        self.q = layer(measured=lambda: qml.probs(wires=[0, 1]))

    def forward(self, x):
        x = x.requires_grad_()
        return torch.autograd.grad(self.q(x).log().sum(), x)[0]


class WeightGradient(Field):
    """The gradient of the output by the weights of the circuit, row by row in a loop."""

    def forward(self, x):
        return torch.stack(
            [
                torch.autograd.grad(self.u(row).squeeze(), self.q.qnode_weights["weights"])[
                    0
                ].flatten()
                for row in x.split(1)
            ]
        )


class AmplitudeSlope(nn.Module):
    """The gradient by the amplitudes of a state."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(1, 2, 3))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, w):
            qml.AmplitudeEmbedding(x, wires=range(2), normalize=True)
            qml.StronglyEntanglingLayers(w, wires=range(2))
            return qml.expval(qml.X(0) @ qml.Z(1))

        self.circuit = circuit

    def forward(self, x):
        x = x.requires_grad_()
        return torch.autograd.grad(self.circuit(x, self.w).sum(), x)[0]


class Tangent(Field):
    """The derivative along a direction, by forward mode."""

    def forward(self, x):
        return torch.func.jvp(self.u, (x,), (torch.ones_like(x),))


class Hessian(Field):
    """`vmap` of `torch.func.hessian`: forward mode over reverse mode."""

    def forward(self, x):
        return torch.vmap(torch.func.hessian(lambda row: self.u(row[None])[0, 0]))(x)


class Heatmap(nn.Module):
    """How much the output depends on each pixel, through convolutions and attention."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3, stride=2)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.q = layer()

    def forward(self, x):
        x = x.requires_grad_()
        tokens = torch.relu(self.convolution(x)).flatten(2).transpose(1, 2)
        mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return torch.autograd.grad(self.q(mixed.mean(1)[:, :2]).sum(), x)[0].abs()


class GradientOfPart(Field):
    """A loop over rows, each differentiated alone."""

    def forward(self, x):
        slopes = []
        for index in range(x.shape[0]):
            row = x[index : index + 1].detach().requires_grad_()
            slopes.append(torch.autograd.grad(self.u(row).sum(), row)[0])
        return torch.cat(slopes)


class HamiltonianNet(nn.Module):
    """The equations of motion: forward differentiates the energy that the circuit gives."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(1, 2, 3))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def energy(state, w):
            qml.AngleEmbedding(state, wires=range(2))
            qml.StronglyEntanglingLayers(w, wires=range(2))
            return qml.expval(qml.PauliZ(0) @ qml.PauliZ(1))

        self.energy = energy

    def forward(self, x):
        with torch.enable_grad():
            state = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.energy(state, self.w).sum(), state)
        return torch.stack([slope[:, 1], -slope[:, 0]], dim=1)


class VelocityOfTheFront(nn.Module):
    """The circuit takes the gradient of a classical net, by `torch.func`."""

    def __init__(self):
        super().__init__()
        self.front = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
        self.q = layer()

    def forward(self, x):
        slope = torch.func.grad(lambda row: self.front(row).squeeze())
        return self.q(torch.func.vmap(slope)(x))


CASES = (
    *(
        Case(name, "derivatives", make, (normal(3, features),))
        for name, make, features in (
            ("burgers", Burgers, 2),
            ("laplacian", Laplacian, 2),
            ("forces", Forces, 2),
            ("saliency", Saliency, 2),
            ("row_gradient", RowGradient, 2),
            ("jacobian_of_rows", Jacobian, 2),
            ("curvature", Curvature, 2),
            ("score", Score, 2),
            ("weight_gradient", WeightGradient, 2),
            ("amplitude_slope", AmplitudeSlope, 4),
            ("gradient_of_rows", GradientOfPart, 2),
            ("hamiltonian_net", HamiltonianNet, 2),
            ("gradient_features", VelocityOfTheFront, 2),
            ("tangent", Tangent, 2),
            ("hessian_of_rows", Hessian, 2),
        )
    ),
    Case("heatmap", "derivatives", Heatmap, (normal(2, 1, 6, 6),)),
)
