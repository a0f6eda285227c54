"""A recurrent network with circuits as gates (QLSTM) that continues a wave."""

import numpy as np
import onnxruntime
import pennylane as qml
import torch

import hybridx

WIRES = 3


@qml.qnode(qml.device("default.qubit", wires=WIRES))
def circuit(inputs, weights):
    """Mix the angles of a gate."""
    qml.AngleEmbedding(inputs, wires=range(WIRES))
    qml.BasicEntanglerLayers(weights, wires=range(WIRES))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(WIRES)]


class QLSTM(torch.nn.Module):
    """A cell with a circuit in each of its four gates, run over all steps of a series."""

    def __init__(self):
        super().__init__()
        gates = ("forget", "input", "cell", "output")
        self.mix = torch.nn.ModuleDict({gate: torch.nn.Linear(1 + WIRES, WIRES) for gate in gates})
        self.gate = torch.nn.ModuleDict(
            {gate: qml.qnn.TorchLayer(circuit, {"weights": (1, WIRES)}) for gate in gates}
        )
        self.head = torch.nn.Linear(WIRES, 1)

    def forward(self, series):
        hidden = series.new_zeros(len(series), WIRES)
        cell = series.new_zeros(len(series), WIRES)
        for step in range(series.shape[1]):
            v = torch.cat([series[:, step], hidden], dim=1)
            a = {gate: self.gate[gate](mix(v)) for gate, mix in self.mix.items()}
            cell = a["forget"].sigmoid() * cell + a["input"].sigmoid() * a["cell"].tanh()
            hidden = a["output"].sigmoid() * cell.tanh()
        return self.head(hidden)


def waves(rows):
    """Return six samples of a sine with a random phase, and the seventh."""
    phase = 2 * torch.pi * torch.rand(rows, 1)
    wave = torch.sin(phase + 0.7 * torch.arange(7))
    return wave[:, :6, None], wave[:, 6:]


torch.manual_seed(0)
model = QLSTM()
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for _ in range(40):
    series, following = waves(32)
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(model(series), following).backward()
    optimizer.step()

hybridx.export(model, (series[:2],), "time_series.onnx", overwrite=True)
series, following = waves(200)
session = onnxruntime.InferenceSession("time_series.onnx")
(forecast,) = session.run(None, {"series": series.numpy()})
error = np.sqrt(np.mean((forecast - following.numpy()) ** 2))
print(f"{len(series)} series, error below half of the wave's spread: {error < 0.35}")
