"""A quanvolution: a circuit slides over an image as the kernel of a convolution does."""

import numpy as np
import onnxruntime
import pennylane as qml
import torch

import hybridx


@qml.qnode(qml.device("default.qubit", wires=4))
def circuit(inputs, weights):
    """Turn the four pixels of a patch into four channels."""
    qml.AngleEmbedding(torch.pi * inputs, wires=range(4), rotation="Y")
    qml.StronglyEntanglingLayers(weights, wires=range(4))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(4)]


class Quanvolution(torch.nn.Module):
    """Images of 6 x 6 pixels to two classes."""

    def __init__(self):
        super().__init__()
        self.quantum = qml.qnn.TorchLayer(circuit, {"weights": (1, 4, 3)})
        self.head = torch.nn.Linear(9 * 4, 2)

    def forward(self, image):
        patches = torch.nn.functional.unfold(image, kernel_size=2, stride=2)
        patches = patches.transpose(1, 2).reshape(-1, 4)
        return self.head(self.quantum(patches).reshape(len(image), -1))


def stripes(rows):
    """Return images of horizontal or vertical stripes with noise, and which they are."""
    upright = torch.arange(rows) % 2
    wave = (torch.arange(6) % 2).float().expand(rows, 6, 6)
    image = torch.where(upright[:, None, None] == 1, wave, wave.transpose(1, 2))
    return (image + 0.2 * torch.randn(rows, 6, 6))[:, None], upright


torch.manual_seed(0)
model = Quanvolution()
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for _ in range(25):
    image, upright = stripes(32)
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(image), upright).backward()
    optimizer.step()

hybridx.export(model, (image[:2],), "quanvolution.onnx", overwrite=True)
image, upright = stripes(300)
session = onnxruntime.InferenceSession("quanvolution.onnx")
(scores,) = session.run(None, {"image": image.numpy()})
accuracy = np.mean(scores.argmax(axis=1) == upright.numpy())
print(f"{len(image)} images, accuracy above 0.9: {accuracy > 0.9}")
