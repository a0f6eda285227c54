"""A graph network: nodes exchange messages, and a circuit reads the whole graph."""

import numpy as np
import onnxruntime
import pennylane as qml
import torch

import hybridx

NODES = 5
WIRES = 3


@qml.qnode(qml.device("default.qubit", wires=WIRES))
def circuit(inputs, weights):
    """Read the graph's features."""
    qml.AngleEmbedding(inputs, wires=range(WIRES), rotation="Y")
    qml.BasicEntanglerLayers(weights, wires=range(WIRES), rotation=qml.RY)
    return [qml.expval(qml.PauliZ(wire)) for wire in range(WIRES)]


class GraphNet(torch.nn.Module):
    """The adjacency matrices of graphs to one number each."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(1, 8)
        self.second = torch.nn.Linear(8, WIRES)
        self.quantum = qml.qnn.TorchLayer(circuit, {"weights": (2, WIRES)})
        self.head = torch.nn.Linear(WIRES, 1)

    def forward(self, adjacency):
        node = adjacency.sum(dim=2, keepdim=True) / NODES
        node = torch.relu(self.first(adjacency @ node))
        node = self.second(adjacency @ node)
        return self.head(self.quantum(node.mean(dim=1)))


def graphs(rows):
    """Return random graphs, and the share of node triples that are triangles."""
    upper = torch.triu(torch.rand(rows, NODES, NODES) < torch.rand(rows, 1, 1), diagonal=1).float()
    adjacency = upper + upper.transpose(1, 2)
    cubed = adjacency @ adjacency @ adjacency
    triangles = cubed.diagonal(dim1=1, dim2=2).sum(dim=1, keepdim=True) / 6
    return adjacency, triangles / 10


torch.manual_seed(0)
model = GraphNet()
optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
for _ in range(80):
    adjacency, share = graphs(64)
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(model(adjacency), share).backward()
    optimizer.step()

hybridx.export(model, (adjacency[:2],), "graph.onnx", overwrite=True)
adjacency, share = graphs(500)
session = onnxruntime.InferenceSession("graph.onnx")
(guess,) = session.run(None, {"adjacency": adjacency.numpy()})
explained = 1 - np.mean((guess - share.numpy()) ** 2) / np.var(share.numpy())
print(f"{len(adjacency)} graphs, more than 0.8 of the variance explained: {explained > 0.8}")
