"""A classifier: train, save the weights, load them into a new model, export, classify."""

import numpy as np
import onnxruntime
import pennylane as qml
import torch

import hybridx

WIRES = 3


@qml.qnode(qml.device("default.qubit", wires=WIRES))
def circuit(inputs, weights):
    """Load the features twice, with an entangling layer behind each."""
    for layer in weights:
        qml.AngleEmbedding(inputs, wires=range(WIRES), rotation="Y")
        qml.StronglyEntanglingLayers(layer[None], wires=range(WIRES))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(WIRES)]


class Classifier(torch.nn.Module):
    """Two numbers to the probabilities of two classes."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Linear(2, WIRES)
        self.quantum = qml.qnn.TorchLayer(circuit, {"weights": (2, WIRES, 3)})
        self.head = torch.nn.Linear(WIRES, 2)

    def forward(self, x):
        return torch.softmax(self.head(self.quantum(self.encoder(x))), dim=1)


def rings(rows):
    """Return points on two rings, and which ring each is on."""
    label = torch.arange(rows) % 2
    angle = 2 * torch.pi * torch.rand(rows)
    radius = 0.5 + label + 0.1 * torch.randn(rows)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), label


torch.manual_seed(0)
x, label = rings(200)
model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
for _ in range(60):
    optimizer.zero_grad()
    torch.nn.functional.nll_loss(model(x).log(), label).backward()
    optimizer.step()
torch.save(model.state_dict(), "classifier.pt")

loaded = Classifier()
loaded.load_state_dict(torch.load("classifier.pt", weights_only=True))
hybridx.export(loaded, (x[:4],), "classifier.onnx", classes=("inner", "outer"), overwrite=True)

new, truth = rings(500)
session = onnxruntime.InferenceSession("classifier.onnx")
(probabilities,) = session.run(None, {"x": new.numpy()})
accuracy = np.mean(probabilities.argmax(axis=1) == truth.numpy())
print(f"{len(new)} new points, accuracy above 0.9: {accuracy > 0.9}")
