"""C: the Python around the QNode: loops over rows, time and patches; where the weights live."""

# ruff: noqa: N812, PERF401 - many authors write so, and so the corpus does

import functools
import math

import numpy as np
import pennylane as qml
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn import Parameter

from tests.corpus.case import Case, integers, normal, uniform


def angle_layer(wires, depth=1, rotation="X"):
    """Return a TorchLayer that takes one row or many."""

    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(wires), rotation=rotation)
        qml.BasicEntanglerLayers(weights, wires=range(wires))
        return [qml.expval(qml.PauliZ(w)) for w in range(wires)]

    return qml.qnn.TorchLayer(circuit, {"weights": (depth, wires)})


def ry_circuit(wires):
    """Return a QNode of (x, w) for one row; x is indexed."""

    @qml.qnode(qml.device("default.qubit", wires=wires), interface="torch")
    def circuit(x, w):
        for i in range(wires):
            qml.RY(x[i], wires=i)
        for i in range(wires):
            qml.CNOT(wires=[i, (i + 1) % wires])
        for i in range(wires):
            qml.RX(w[i], wires=i)
        return [qml.expval(qml.PauliZ(i)) for i in range(wires)]

    return circuit


# --- A TorchLayer row by row ---------------------------------------------------------------


class LayerInComprehension(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.q = angle_layer(3)

    def forward(self, x):
        x = self.fc(x)
        return torch.stack([self.q(row) for row in x])


class LayerInLoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = angle_layer(2, 2)
        self.classifier = nn.Linear(2, 2)

    def forward(self, batch):
        outputs = []
        for i in range(batch.shape[0]):
            sample = batch[i]
            outputs.append(self.q(sample).unsqueeze(0))
        outputs = torch.cat(outputs, dim=0)
        return self.classifier(outputs)


class LayerOverSplit(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = angle_layer(2, rotation="Y")

    def forward(self, x):
        x_out = torch.Tensor(0, 2)
        for elem in x:
            q_out_elem = self.q(elem).float().unsqueeze(0)
            x_out = torch.cat((x_out, q_out_elem))
        return x_out


class LayerOverUnbind(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = angle_layer(2)

    def forward(self, x):
        return torch.vstack(tuple(map(self.q, torch.unbind(x, 0))))


# --- A QNode row by row --------------------------------------------------------------------


class StackOfStacks(nn.Module):
    """`torch.stack(qnode(...))` in each step."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3))
        self.qnode = ry_circuit(3)

    def forward(self, x):
        result = []
        for sample in x:
            result.append(torch.stack(self.qnode(sample, self.w)))
        return torch.stack(result)


class HstackAndView(nn.Module):
    """The transfer-learning tutorial's loop: `hstack`, `unsqueeze`, `cat` onto an empty tensor."""

    def __init__(self):
        super().__init__()
        self.pre_net = nn.Linear(5, 3)
        self.q_params = nn.Parameter(0.01 * torch.randn(3))
        self.quantum_net = ry_circuit(3)
        self.post_net = nn.Linear(3, 2)

    def forward(self, input_features):
        q_in = torch.tanh(self.pre_net(input_features)) * np.pi / 2.0
        q_out = torch.Tensor(0, 3)
        for elem in q_in:
            q_out_elem = torch.hstack(self.quantum_net(elem, self.q_params)).float().unsqueeze(0)
            q_out = torch.cat((q_out, q_out_elem))
        return self.post_net(q_out)


class BufferWritten(nn.Module):
    """`for i, row in enumerate(x)` writes into a buffer."""

    def __init__(self):
        super().__init__()
        self.theta = Parameter(torch.rand(2))
        self.circuit = ry_circuit(2)

    def forward(self, x):
        out = torch.zeros(x.shape[0], 2)
        for i, row in enumerate(x):
            out[i] = torch.stack(self.circuit(row, self.theta))
        return out


class BufferCells(nn.Module):
    """Each single expectation value is written to its own cell."""

    def __init__(self):
        super().__init__()
        self.theta = Parameter(torch.rand(2))
        self.circuit = ry_circuit(2)
        self.fc = nn.Linear(2, 1)

    def forward(self, x):
        bs = len(x)
        res = torch.empty((bs, 2))
        for b in range(bs):
            z = self.circuit(x[b], self.theta)
            for k in range(2):
                res[b, k] = z[k]
        return self.fc(res)


class TensorOfResults(nn.Module):
    """`torch.tensor` around the results: no gradient, but a model that is used."""

    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.rand(2))
        self.circuit = ry_circuit(2)

    def forward(self, x):
        rows = [self.circuit(x_i, self.w) for x_i in x]
        return torch.tensor(rows)


class StackedScalars(nn.Module):
    """One number per row, stacked; the length is `len(x)`."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.randn(2)) for _ in range(2)])
        self.bias = nn.Parameter(torch.zeros(1))
        dev = qml.device("default.qubit", wires=2)

        @qml.qnode(dev)
        def variational(weights, features=None):
            qml.AngleEmbedding(features, wires=[0, 1])
            for w in weights:
                qml.RY(w[0], wires=0)
                qml.RY(w[1], wires=1)
                qml.CZ(wires=[0, 1])
            return qml.expval(qml.PauliZ(1))

        self.variational = variational

    def forward(self, x):
        values = [self.variational([*self.weights], features=x[i]) for i in range(len(x))]
        return (torch.stack(values) + self.bias).reshape(-1, 1)


class NestedLists(nn.Module):
    """Rows and circuits in one comprehension."""

    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.randn(2, 2))
        self.circuit = ry_circuit(2)

    def forward(self, x):
        return torch.stack(
            [torch.cat([torch.stack(self.circuit(row, w)) for w in self.w], dim=0) for row in x],
            dim=0,
        )


class RowsAndViews(nn.Module):
    """Python tuples, `zip`, `reshape` with a computed batch size."""

    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.randn(2))
        self.circuit = ry_circuit(2)

    def forward(self, x, y):
        batch_size = x.size()[0]
        acc = ()
        for a, b in zip(x, y, strict=True):
            acc += (*self.circuit(a, self.w), *self.circuit(b, self.w))
        return torch.stack(acc).reshape(batch_size, 2, 2).sum(dim=1)


# --- A QNode on the whole batch ------------------------------------------------------------


class BatchedTranspose(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.randn(3))

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(x, w):
            qml.AngleEmbedding(x, wires=range(3))
            qml.BasicEntanglerLayers(w.reshape(1, -1), wires=range(3))
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.circuit = circuit

    def forward(self, x):
        return torch.stack(self.circuit(x, self.w)).T


class BatchedStackDim(nn.Module):
    def __init__(self):
        super().__init__()
        dev = qml.device("default.qubit", wires=2)
        self.weights = nn.Parameter(torch.rand(1, 2, 3))
        self.qnode = qml.QNode(self.circuit, dev, interface="torch", diff_method="backprop")
        self.head = nn.Linear(2, 2)

    def circuit(self, inputs, weights):
        qml.AngleEmbedding(inputs, wires=[0, 1], rotation="Y")
        qml.StronglyEntanglingLayers(weights, wires=[0, 1])
        return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))

    def forward(self, x):
        results = self.qnode(x, self.weights)
        return self.head(torch.stack(results, dim=1).to(torch.float32))


class BatchedColumns(nn.Module):
    """The batch is transposed first, so that `x[i]` is a column; `column_stack` at the end."""

    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.randn(3))
        self.circuit = ry_circuit(3)

    def forward(self, x):
        return torch.column_stack(self.circuit(x.t(), self.w)).type_as(x)


# --- Where weights and circuits live -------------------------------------------------------


class WeightsOfSelf(nn.Module):
    """The circuit is a method and takes its weights from `self`."""

    def __init__(self, n=2):
        super().__init__()
        self.n = n
        self.theta = nn.Parameter(torch.rand(2, n, 2) * math.pi)
        self.input_scale = nn.Parameter(torch.full((n,), 0.7))
        self.dev = qml.device("default.qubit", wires=n)
        self.qnode = qml.QNode(self._circuit, self.dev, interface="torch")

    def _circuit(self, x):
        for layer in self.theta:
            for i in range(self.n):
                qml.RX(self.input_scale[i] * x[i], wires=i)
                qml.RY(layer[i, 0], wires=i)
                qml.RZ(layer[i, 1], wires=i)
            qml.CNOT(wires=[0, 1])
        return [qml.expval(qml.PauliZ(i)) for i in range(self.n)]

    def forward(self, x):
        return torch.stack([torch.stack(self.qnode(xi)) for xi in x])


class WeightsOfClosure(nn.Module):
    """The circuit sees the Parameter only through its closure; it is batched."""

    def __init__(self):
        super().__init__()
        angles = nn.Parameter(torch.randn(3))
        self.register_parameter("angles", angles)

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(x):
            qml.AngleEmbedding(x, wires=range(3), rotation="Y")
            for k, a in enumerate(angles):
                qml.CRX(a, wires=[k, (k + 1) % 3])
            return [qml.expval(qml.PauliZ(k)) for k in range(3)]

        self.circuit = circuit

    def forward(self, x):
        return torch.stack(self.circuit(x), dim=-1).float()


class OptionsOfTheCircuit(nn.Module):
    """Integer, bool, None, string and keyword arguments to a QNode."""

    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.randn(2, 2))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, w, depth, entangle=True, shift=None, axis="Y"):
            qml.AngleEmbedding(x, wires=range(2), rotation=axis)
            for d in range(depth):
                for i in range(2):
                    qml.RX(w[d, i], wires=i)
                if entangle:
                    qml.CNOT(wires=[0, 1])
            if shift is not None:
                qml.RZ(shift, wires=0)
                qml.RX(shift, wires=0)
            return [qml.expval(qml.PauliZ(i)) for i in range(2)]

        self.circuit = circuit

    def forward(self, x):
        a = torch.stack(self.circuit(x, self.w, 2), dim=1)
        b = torch.stack(self.circuit(x, self.w, depth=1, entangle=False, shift=0.3), dim=1)
        c = torch.stack(self.circuit(x, self.w, 1, True, None, axis="X"), dim=1)
        return torch.cat((a, b, c), dim=1)


class PartialQNodes(nn.Module):
    """One circuit, three QNodes by `functools.partial`; which wire is measured is an argument."""

    def __init__(self):
        super().__init__()
        self.theta = Parameter(torch.randn(3, 2))
        dev = qml.device("default.qubit", wires=3)

        def ansatz(x, theta, wire):
            for i in range(3):
                qml.RX(x[i], wires=i)
                qml.Rot(theta[i, 0], theta[i, 1], 0.1, wires=i)
            qml.CNOT(wires=[0, 1])
            qml.CNOT(wires=[1, 2])
            return qml.expval(qml.PauliZ(wire))

        qnode = qml.QNode(ansatz, dev)
        self.nodes = [functools.partial(qnode, theta=self.theta, wire=k) for k in range(3)]

    def forward(self, x):
        return torch.stack([torch.stack([node(row) for node in self.nodes]) for row in x])


class LayersInDict(nn.Module):
    """Quantum layers in a plain list and a plain dict: in no `state_dict`, but in the model."""

    def __init__(self):
        super().__init__()
        self.stages = [angle_layer(2, rotation=r) for r in "XY"]
        self.gates = {"read": angle_layer(2), "write": angle_layer(2, 2)}

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return torch.sigmoid(self.gates["read"](x)) * torch.tanh(self.gates["write"](x))


class RebuiltInForward(nn.Module):
    """Device and QNode are made anew in each call."""

    def __init__(self, n_wires=2):
        super().__init__()
        self.n_wires = n_wires
        self.params = nn.Parameter(torch.rand(n_wires, 3))

    def forward(self, x):
        dev = qml.device("default.qubit", wires=self.n_wires)

        @qml.qnode(dev, interface="torch")
        def circuit(sample):
            for k in range(self.n_wires):
                qml.RX(sample[k], wires=k)
                qml.Rot(*self.params[k], wires=k)
            qml.CNOT(wires=[0, 1])
            return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))

        return torch.stack([torch.stack(list(circuit(sample))) for sample in x])


class SharedQNode(nn.Module):
    """One QNode, two sets of weights, the second call on the results of the first."""

    def __init__(self):
        super().__init__()
        self.first = Parameter(torch.randn(2))
        self.second = Parameter(torch.randn(2))
        self.circuit = ry_circuit(2)

    def forward(self, x):
        ys = []
        for x_n in x:
            hidden = torch.stack(self.circuit(x_n, self.first))
            hidden = F.relu(hidden) + x_n
            ys.append(torch.stack(self.circuit(hidden, self.second)))
        return torch.stack(ys, 0)


# --- Time ----------------------------------------------------------------------------------


class QLSTM(nn.Module):
    """An LSTM whose four gates are quantum layers in a plain dict."""

    def __init__(self, input_size=2, hidden_size=2, n_qubits=3, batch_first=True):
        super().__init__()
        self.hidden_size = hidden_size
        self.n_qubits = n_qubits
        self.batch_first = batch_first

        def _circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(n_qubits))
            qml.BasicEntanglerLayers(weights, wires=range(n_qubits))
            return [qml.expval(qml.PauliZ(w)) for w in range(n_qubits)]

        self.VQC = {}
        for gate in ("forget", "input", "update", "output"):
            dev = qml.device("default.qubit", wires=n_qubits)
            qnode = qml.QNode(_circuit, dev, interface="torch")
            self.VQC[gate] = qml.qnn.TorchLayer(qnode, {"weights": (1, n_qubits)})
        self.clayer_in = nn.Linear(input_size + hidden_size, n_qubits)
        self.clayer_out = nn.Linear(n_qubits, hidden_size)

    def forward(self, x, init_states=None):
        if self.batch_first is True:
            batch_size, seq_length, _ = x.size()
        else:
            seq_length, batch_size, _ = x.size()
        hidden_seq = []
        if init_states is None:
            h_t = torch.zeros(batch_size, self.hidden_size)
            c_t = torch.zeros(batch_size, self.hidden_size)
        else:
            h_t, c_t = init_states
            h_t = h_t[0]
            c_t = c_t[0]
        for t in range(seq_length):
            x_t = x[:, t, :]
            v_t = torch.cat((h_t, x_t), dim=1)
            y_t = self.clayer_in(v_t)
            f_t = torch.sigmoid(self.clayer_out(self.VQC["forget"](y_t)))
            i_t = torch.sigmoid(self.clayer_out(self.VQC["input"](y_t)))
            g_t = torch.tanh(self.clayer_out(self.VQC["update"](y_t)))
            o_t = torch.sigmoid(self.clayer_out(self.VQC["output"](y_t)))
            c_t = (f_t * c_t) + (i_t * g_t)
            h_t = o_t * torch.tanh(c_t)
            hidden_seq.append(h_t.unsqueeze(0))
        hidden_seq = torch.cat(hidden_seq, dim=0)
        hidden_seq = hidden_seq.transpose(0, 1).contiguous()
        return hidden_seq, (h_t, c_t)


class Forecaster(nn.Module):
    """The LSTM above with a head on the last step."""

    def __init__(self):
        super().__init__()
        self.lstm = QLSTM(1, 2, 2)
        self.linear = nn.Linear(2, 1)

    def forward(self, x):
        _, (hn, _) = self.lstm(x)
        return self.linear(hn).flatten()


class QGRUCell(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        self.reset = angle_layer(width)
        self.update = angle_layer(width)
        self.new = angle_layer(width, rotation="Y")
        self.proj = nn.Linear(2 * width, width)

    def forward(self, x, h):
        xh = self.proj(torch.cat([x, h], -1))
        r = torch.sigmoid(self.reset(xh))
        z = torch.sigmoid(self.update(xh))
        n = torch.tanh(self.new(self.proj(torch.cat([x, r * h], -1))))
        return (1 - z) * n + z * h


class QGRU(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = QGRUCell()

    def forward(self, seq):
        h = seq.new_zeros(seq.shape[0], 2)
        for x_t in seq.unbind(dim=1):
            h = self.cell(x_t, h)
        return h


class QuantumRNNPerSample(nn.Module):
    """A loop over rows around a loop over time, a QNode in the middle."""

    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.randn(2))
        self.circuit = ry_circuit(2)
        self.out = nn.Linear(2, 1)

    def forward(self, x):
        final = []
        for b in range(x.size(0)):
            state = torch.zeros(2)
            for t in range(x.size(1)):
                angles = x[b, t] + 0.5 * state
                state = torch.stack(self.circuit(angles, self.w))
            final.append(state)
        return self.out(torch.stack(final).float())


class TemporalConvolution(nn.Module):
    """A quantum filter slides over time, dilated."""

    def __init__(self, kernel=2, dilation=2):
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.q = angle_layer(kernel)

    def forward(self, x):
        pad = (self.kernel - 1) * self.dilation
        x = F.pad(x, (pad, 0))
        steps = []
        for t in range(pad, x.shape[-1]):
            window = x[:, t - pad : t + 1 : self.dilation]
            steps.append(self.q(window).mean(dim=-1))
        return torch.stack(steps, dim=-1)


# --- Attention -----------------------------------------------------------------------------


class QuantumAttention(nn.Module):
    """Queries, keys and values by quantum layers; heads in a ModuleList; token by token."""

    def __init__(self, embed=4, heads=2):
        super().__init__()
        self.d_k = embed // heads
        self.heads = heads
        self.k = nn.ModuleList([angle_layer(self.d_k) for _ in range(heads)])
        self.q = nn.ModuleList([angle_layer(self.d_k) for _ in range(heads)])
        self.v = nn.ModuleList([angle_layer(self.d_k) for _ in range(heads)])
        self.combine = nn.Linear(embed, embed)

    def _project(self, layers, x):
        out = []
        for t in range(x.size(1)):
            token = x[:, t, :].reshape(x.size(0), self.heads, self.d_k)
            out.append(torch.stack([m(token[:, h]) for h, m in enumerate(layers)], dim=1))
        return torch.stack(out, dim=2)

    def forward(self, x):
        b, s, e = x.size()
        K, Q, V = (self._project(m, x) for m in (self.k, self.q, self.v))
        scores = torch.matmul(Q, K.transpose(-2, -1)) / math.sqrt(self.d_k)
        att = F.softmax(scores, dim=-1) @ V
        return self.combine(att.transpose(1, 2).contiguous().view(b, s, e))


class QuantumFeedForward(nn.Module):
    """A transformer block with a quantum feed-forward on all tokens at once."""

    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm1, self.norm2 = nn.LayerNorm(4), nn.LayerNorm(4)
        self.ffn = nn.Sequential(nn.Linear(4, 2), angle_layer(2), nn.Linear(2, 4))

    def forward(self, x):
        a, _ = self.attn(x, x, x)
        x = self.norm1(x + a)
        return self.norm2(x + self.ffn(x))


# --- Patches -------------------------------------------------------------------------------


class QuanvolutionPerImage(nn.Module):
    """Four pixels, four wires, stride two; images one by one, results in a buffer."""

    def __init__(self):
        super().__init__()
        self.phi = nn.Parameter(torch.rand(4))
        self.circuit = ry_circuit(4)
        self.fc = nn.Linear(4 * 2 * 2, 3)

    def quanv(self, image):
        out = torch.zeros((2, 2, 4))
        for j in range(0, 4, 2):
            for k in range(0, 4, 2):
                q_results = self.circuit(
                    [
                        np.pi * image[j, k, 0],
                        np.pi * image[j, k + 1, 0],
                        np.pi * image[j + 1, k, 0],
                        np.pi * image[j + 1, k + 1, 0],
                    ],
                    self.phi,
                )
                for c in range(4):
                    out[j // 2, k // 2, c] = q_results[c]
        return out

    def forward(self, images):
        features = torch.stack([self.quanv(image) for image in images])
        return F.log_softmax(self.fc(features.flatten(1)), dim=1)


class QuanvolutionBatched(nn.Module):
    """The same on the whole batch, with a TorchLayer."""

    def __init__(self):
        super().__init__()
        self.q = angle_layer(4, rotation="Y")
        self.linear = nn.Linear(16, 10)

    def forward(self, x):
        bsz = x.shape[0]
        size = 4
        x = x.view(bsz, size, size)
        data_list = []
        for c in range(0, size, 2):
            for r in range(0, size, 2):
                data = torch.transpose(
                    torch.cat(
                        (x[:, c, r], x[:, c, r + 1], x[:, c + 1, r], x[:, c + 1, r + 1])
                    ).view(4, bsz),
                    0,
                    1,
                )
                data_list.append(self.q(data).view(bsz, 4))
        result = torch.cat(data_list, dim=1).float()
        return F.log_softmax(self.linear(result), -1)


class UnfoldedPatches(nn.Module):
    """Patches by `unfold`, all of them as one long batch."""

    def __init__(self):
        super().__init__()
        self.q = angle_layer(4)

    def forward(self, x):
        b = x.shape[0]
        patches = F.unfold(x, kernel_size=2, stride=2)
        flat = patches.transpose(1, 2).reshape(-1, 4)
        out = self.q(flat)
        return out.reshape(b, -1, 4).permute(0, 2, 1).reshape(b, 4, 2, 2)


class PooledQuanvolution(nn.Module):
    """One expectation value per patch, collected in nested lists; two filters."""

    def __init__(self):
        super().__init__()
        dev = qml.device("default.qubit", wires=4)

        @qml.qnode(dev)
        def kernel(patch, w):
            for i in range(4):
                qml.RX(patch[..., i] * math.pi, wires=i)
            qml.CRot(*w, wires=[0, 3])
            return qml.expval(qml.PauliZ(3))

        self.kernel = kernel
        self.filters = nn.Parameter(torch.randn(2, 3))

    def forward(self, img):
        channels = []
        for w in self.filters:
            rows = []
            for i in range(3):
                cols = []
                for j in range(3):
                    patch = img[:, 0, i : i + 2, j : j + 2].reshape(-1, 4)
                    cols.append(self.kernel(patch, w))
                rows.append(torch.stack(cols, dim=1))
            channels.append(torch.stack(rows, dim=1))
        return torch.stack(channels, dim=1).to(img.dtype)


# --- Graphs, kernels, pairs ----------------------------------------------------------------


class SmallGraph(nn.Module):
    """Messages along the edges of a fixed graph, each by a circuit of two nodes' features."""

    EDGES = ((0, 1), (1, 2), (2, 3), (3, 0))

    def __init__(self):
        super().__init__()
        self.message = angle_layer(2)
        self.update = nn.Linear(3, 1)

    def forward(self, nodes):
        agg = [torch.zeros(nodes.shape[0], 2) for _ in range(4)]
        for src, dst in self.EDGES:
            m = self.message(torch.stack((nodes[:, src], nodes[:, dst]), dim=-1))
            agg[dst] = agg[dst] + m
        h = torch.stack(agg, dim=1)
        return self.update(torch.cat((nodes.unsqueeze(-1), h), dim=-1)).squeeze(-1).mean(1)


class EdgeListGraph(nn.Module):
    """The edges come from a tensor buffer with `tolist`; couplings are trainable."""

    def __init__(self):
        super().__init__()
        self.register_buffer("edges", torch.tensor([[0, 1], [1, 2], [0, 2]]))
        self.gamma = Parameter(torch.randn(3))

        @qml.qnode(qml.device("default.qubit", wires=3))
        def qgnn(x, gamma, edges):
            for i in range(3):
                qml.Hadamard(i)
                qml.RY(x[..., i], wires=i)
            for g, (a, b) in zip(gamma, edges, strict=True):
                qml.IsingZZ(g, wires=[a, b])
            for i in range(3):
                qml.RX(0.3 * i, wires=i)
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.qgnn = qgnn

    def forward(self, x):
        out = self.qgnn(x, self.gamma, self.edges.tolist())
        return torch.stack(out, -1)


class OverlapKernel(nn.Module):
    """Each row against four support vectors by the overlap circuit U†(y) U(x)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("support", torch.randn(4, 2))
        self.alpha = Parameter(torch.randn(4))
        dev = qml.device("default.qubit", wires=2)

        def feature_map(x):
            qml.AngleEmbedding(x, wires=range(2))
            qml.CNOT(wires=[0, 1])
            qml.AngleEmbedding(x, wires=range(2), rotation="Y")

        @qml.qnode(dev)
        def kernel(x1, x2):
            feature_map(x1)
            qml.adjoint(feature_map)(x2)
            return qml.probs(wires=[0, 1])

        self.kernel = kernel

    def forward(self, x):
        K = torch.stack([torch.stack([self.kernel(a, b)[0] for b in self.support]) for a in x])
        return K.to(torch.float32) @ self.alpha


class Siamese(nn.Module):
    """Two inputs through one quantum encoder, their distance."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), angle_layer(2))

    def forward_once(self, x):
        return self.encoder(x)

    def forward(self, left, right):
        a, b = self.forward_once(left), self.forward_once(right)
        return F.pairwise_distance(a, b), F.cosine_similarity(a, b)


class Autoencoder(nn.Module):
    """Latent numbers by a circuit; returns reconstruction and latent vector."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
        self.latent = angle_layer(3)
        self.decoder = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 6), nn.Sigmoid())

    def encode(self, x):
        return self.latent(torch.sigmoid(self.encoder(x)) * np.pi)

    def forward(self, x):
        z = self.encode(x)
        return self.decoder(z), z


class GatedMixture(nn.Module):
    """Quantum and classical experts, mixed by a softmax gate."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([angle_layer(2), angle_layer(2, rotation="Y")])
        self.experts.append(nn.Linear(2, 2))
        self.gate = nn.Linear(2, 3)

    def forward(self, x):
        g = F.softmax(self.gate(x), dim=-1)
        y = torch.stack([expert(x) for expert in self.experts], dim=1)
        return torch.einsum("be,bef->bf", g, y)


class TokensByLoop(nn.Module):
    """A loop over rows and one over tokens, embeddings as angles."""

    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(7, 2)
        self.w = Parameter(torch.randn(2))
        self.circuit = ry_circuit(2)
        self.fc = nn.Linear(2, 2)

    def forward(self, tokens):
        e = self.emb(tokens)
        out = []
        for sentence in e:
            words = [torch.stack(self.circuit(word, self.w)) for word in sentence]
            out.append(torch.stack(words).mean(dim=0))
        return self.fc(torch.stack(out).float())


# --- Habits --------------------------------------------------------------------------------


class NotebookPrints(nn.Module):
    """Shapes are printed, the torch device is asked for, everything has its `assert`."""

    def __init__(self):
        super().__init__()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.verbose = True
        self.q = angle_layer(2).to(self.device)
        self.history = []

    def forward(self, X):
        assert X.dim() == 2
        assert X.size(1) == 2, f"wrong shape {tuple(X.shape)}"
        X = X.to(self.device)
        if self.verbose:
            print("in:", X.shape, "rows:", len(X), f"batch={X.size(0)}")
        out = self.q(X).cpu()
        self.history.append(out.shape)
        return out.detach()


class RowsBySplit(nn.Module):
    """Rows as batches of one: `split(1)`, `squeeze(0)`, `view(1, -1)`."""

    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.randn(2))
        self.circuit = ry_circuit(2)

    def forward(self, x):
        pieces = []
        for piece in x.split(1):
            z = self.circuit(piece.squeeze(0), self.w)
            pieces.append(torch.cat([v.view(1) for v in z]).view(1, -1))
        return torch.cat(pieces, 0).to(torch.float)


class CountedWhile(nn.Module):
    """A `while` over the row number, a list of the batch's length filled in."""

    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.randn(2))
        self.circuit = ry_circuit(2)

    def forward(self, x):
        N = x.shape[0]
        rows = [None] * N
        n = 0
        while n < N:
            z0, z1 = self.circuit(x[n, :], self.w)
            rows[n] = (z0 + z1) / 2
            n += 1
        return torch.stack(rows).view(N, 1)


class EmptyBatchGuard(nn.Module):
    """One row is special-cased by the shape, an empty batch by `if not len(x)`."""

    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.randn(2))
        self.circuit = ry_circuit(2)

    def forward(self, x):
        if x.ndim == 1:
            x = x[None]
        if not len(x):
            return x.new_zeros(0, 2)
        z = [torch.tensor([float(v) for v in self.circuit(row, self.w)]) for row in x]
        return torch.stack(z) if len(z) > 1 else z[0].unsqueeze(0)


class SumOverRows(nn.Module):
    """The loop adds up rows: one vector for the whole batch, and the rows less their mean."""

    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.randn(2))
        self.circuit = ry_circuit(2)

    def forward(self, x):
        total, rows = 0.0, []
        for row in x:
            z = torch.stack(self.circuit(row, self.w))
            total = total + z
            rows.append(z)
        return torch.stack(rows), total / len(x)


class ThreeRowsByName(nn.Module):
    """A triplet: the batch is unpacked into anchor, positive and negative."""

    def __init__(self):
        super().__init__()
        self.w = Parameter(torch.randn(2))
        self.circuit = ry_circuit(2)

    def embed(self, row):
        return torch.stack(self.circuit(row, self.w))

    def forward(self, triplet):
        anchor, positive, negative = triplet
        near = (self.embed(anchor) - self.embed(positive)).pow(2).sum()
        far = (self.embed(anchor) - self.embed(negative)).pow(2).sum()
        return F.relu(near - far + 0.5)


class BatchSizeOfConfig(nn.Module):
    """The batch size is a constant of the training script."""

    BATCH_SIZE = 3

    def __init__(self):
        super().__init__()
        self.q = angle_layer(2)
        self.hidden = torch.zeros(self.BATCH_SIZE, 2)

    def forward(self, x):
        h = self.hidden
        for t in range(x.shape[1]):
            h = self.q(x[:, t].reshape(self.BATCH_SIZE, 2) + h)
        return h


class AgainstAGrid(nn.Module):
    """The circuit is called on data and, as often, on the constants of a grid."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.register_buffer("grid", torch.linspace(-1, 1, 4))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, w):
            qml.RY(x, wires=0)
            qml.RX(w[0], wires=1)
            qml.CNOT(wires=[0, 1])
            qml.RY(w[1], wires=1)
            return qml.expval(qml.PauliZ(1))

        self.circuit = circuit

    def forward(self, x):
        rows = torch.stack([self.circuit(value, self.w) for value in x[:, 0]])
        grid = torch.stack([self.circuit(value, self.w) for value in self.grid])
        return rows[:, None] - grid[None, :]


CASES = (
    Case("layer_in_comprehension", "C", LayerInComprehension, (normal(3, 4),)),
    Case("layer_in_loop", "C", LayerInLoop, (normal(3, 2),)),
    Case("layer_over_split", "C", LayerOverSplit, (normal(3, 2),)),
    Case("layer_over_unbind", "C", LayerOverUnbind, (normal(3, 2),)),
    Case("stack_of_stacks", "C", StackOfStacks, (normal(3, 3),)),
    Case("hstack_and_view", "C", HstackAndView, (normal(3, 5),)),
    Case("buffer_written", "C", BufferWritten, (normal(3, 2),)),
    Case("buffer_cells", "C", BufferCells, (normal(3, 2),)),
    Case("tensor_of_results", "C", TensorOfResults, (normal(3, 2),)),
    Case("stacked_scalars", "C", StackedScalars, (normal(3, 2),)),
    Case("nested_lists", "C", NestedLists, (normal(3, 2),)),
    Case("rows_and_views", "C", RowsAndViews, (normal(3, 2), uniform(3, 2))),
    Case("batched_transpose", "C", BatchedTranspose, (normal(3, 3),)),
    Case("batched_stack_dim", "C", BatchedStackDim, (normal(3, 2),)),
    Case("batched_columns", "C", BatchedColumns, (normal(3, 3),)),
    Case("weights_of_self", "C", WeightsOfSelf, (normal(3, 2),)),
    Case("weights_of_closure", "C", WeightsOfClosure, (normal(3, 3),)),
    Case("circuit_options", "C", OptionsOfTheCircuit, (normal(3, 2),)),
    Case("partial_qnodes", "C", PartialQNodes, (normal(3, 3),)),
    Case("layers_in_dict", "C", LayersInDict, (normal(3, 2),)),
    Case("rebuilt_in_forward", "C", RebuiltInForward, (normal(3, 2),)),
    Case("shared_qnode", "C", SharedQNode, (normal(3, 2),)),
    Case("quantum_lstm", "C", QLSTM, (normal(3, 3, 2),)),
    Case("forecaster", "C", Forecaster, (normal(3, 4, 1),)),
    Case("quantum_gru", "C", QGRU, (normal(3, 3, 2),)),
    Case("rnn_per_sample", "C", QuantumRNNPerSample, (normal(3, 3, 2),)),
    Case("temporal_convolution", "C", TemporalConvolution, (normal(3, 4),)),
    Case("quantum_attention", "C", QuantumAttention, (normal(3, 3, 4),)),
    Case("quantum_feed_forward", "C", QuantumFeedForward, (normal(3, 3, 4),)),
    Case("quanvolution_per_image", "C", QuanvolutionPerImage, (uniform(3, 4, 4, 1, low=0),)),
    Case("quanvolution_batched", "C", QuanvolutionBatched, (uniform(3, 1, 4, 4, low=0),)),
    Case("unfolded_patches", "C", UnfoldedPatches, (uniform(3, 1, 4, 4, low=0),)),
    Case("pooled_quanvolution", "C", PooledQuanvolution, (uniform(3, 1, 4, 4, low=0),)),
    Case("small_graph", "C", SmallGraph, (normal(3, 4),)),
    Case("edge_list_graph", "C", EdgeListGraph, (normal(3, 3),)),
    Case("overlap_kernel", "C", OverlapKernel, (normal(3, 2),)),
    Case("siamese", "C", Siamese, (normal(3, 3), uniform(3, 3))),
    Case("autoencoder", "C", Autoencoder, (normal(3, 6),)),
    Case("gated_mixture", "C", GatedMixture, (normal(3, 2),)),
    Case("notebook_prints", "C", NotebookPrints, (normal(3, 2),)),
    Case("rows_by_split", "C", RowsBySplit, (normal(3, 2),)),
    Case("counted_while", "C", CountedWhile, (normal(3, 2),)),
    Case("empty_batch_guard", "C", EmptyBatchGuard, (normal(3, 2),)),
    Case("against_a_grid", "C", AgainstAGrid, (normal(3, 1),)),
    Case(
        "sum_over_rows",
        "C",
        SumOverRows,
        (normal(3, 2),),
        batch="fixed",
        note="it loops over rows that depend on each other",
    ),
    Case("three_rows_by_name", "C", ThreeRowsByName, (normal(3, 2),), batch="fixed"),
    Case("batch_size_of_config", "C", BatchSizeOfConfig, (normal(3, 2, 2),), batch="fixed"),
    Case("tokens_by_loop", "C", TokensByLoop, (integers(7, 3, 3),)),
)
