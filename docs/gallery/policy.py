"""A policy learned by reinforcement (REINFORCE): push a cart to the middle."""

import numpy as np
import onnxruntime
import pennylane as qml
import torch

import hybridx


@qml.qnode(qml.device("default.qubit", wires=2))
def circuit(inputs, weights):
    """Load position and velocity, entangle, read both wires."""
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.StronglyEntanglingLayers(weights, wires=range(2))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]


class Policy(torch.nn.Module):
    """The position and velocity of a cart to a distribution over left and right."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Linear(2, 2)
        self.quantum = qml.qnn.TorchLayer(circuit, {"weights": (2, 2, 3)})
        self.head = torch.nn.Linear(2, 2)

    def forward(self, state):
        logits = self.head(self.quantum(torch.tanh(self.encoder(state))))
        return torch.distributions.Categorical(logits=logits)


def push(state, action):
    """Return the state one step later."""
    velocity = 0.9 * state[:, 1] + 0.2 * (2 * action - 1)
    return torch.stack([state[:, 0] + 0.2 * velocity, velocity], dim=1)


torch.manual_seed(0)
policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=0.05)
for _ in range(40):
    state = torch.cat([2 * torch.rand(64, 1) - 1, torch.zeros(64, 1)], dim=1)
    chances, rewards = [], []
    for _ in range(10):
        choice = policy(state)
        action = choice.sample()
        chances.append(choice.log_prob(action))
        state = push(state, action)
        rewards.append(-(state[:, 0] ** 2))
    gain = torch.stack(rewards).flip(0).cumsum(0).flip(0)
    advantage = (gain - gain.mean(1, keepdim=True)) / (gain.std() + 1e-6)
    optimizer.zero_grad()
    (-(torch.stack(chances) * advantage).mean()).backward()
    optimizer.step()

hybridx.export(policy, (state[:2],), "policy.onnx", overwrite=True)
session = onnxruntime.InferenceSession("policy.onnx")
state = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
for _ in range(30):
    (logits,) = session.run(None, {"state": state.numpy()})
    state = push(state, torch.from_numpy(logits.argmax(axis=1)))
print("carts that started at 1 and -1 end near 0:", np.abs(state[:, 0].numpy()).max() < 0.5)
