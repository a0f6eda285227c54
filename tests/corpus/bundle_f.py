"""F: NumPy, numbers, buffers, try, vmap, autograd functions and complex tensors around QNodes."""

# ruff: noqa: PERF401 - many authors write so, and so the corpus does

import math

import numpy as np
import pennylane as qml
import torch
from pennylane import numpy as pnp
from torch import nn

from tests.corpus.case import Case, normal, uniform


def make_circuit(wires=2):
    """Return a QNode of (angles, weights); the angles are indexed."""

    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit(angles, weights):
        for i in range(wires):
            qml.RY(angles[i], wires=i)
        qml.CNOT(wires=[0, 1])
        for i in range(wires):
            qml.RX(weights[i], wires=i)
        return [qml.expval(qml.PauliZ(i)) for i in range(wires)]

    return circuit


# --- Through NumPy and back ----------------------------------------------------------------


class ThroughNumpy(nn.Module):
    """Everything goes through NumPy, row by row, and comes back with `torch.tensor`."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 2)
        self.weights = nn.Parameter(torch.randn(2))
        self.circuit = make_circuit()
        self.fc2 = nn.Linear(2, 2)

    def forward(self, x):
        x = torch.tanh(self.fc1(x))
        quantum_outputs = []
        for sample in x:
            q = self.circuit(sample.detach().numpy(), self.weights.detach().numpy())
            quantum_outputs.append(q)
        q_tensor = torch.tensor(np.array(quantum_outputs), dtype=torch.float32)
        return self.fc2(q_tensor)


class NumpyBatch(nn.Module):
    """A whole batch as one array, back with `from_numpy`."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(1, 3))

        @qml.qnode(qml.device("default.qubit", wires=3), interface="autograd")
        def circuit(x, w):
            qml.AngleEmbedding(x, wires=range(3))
            qml.BasicEntanglerLayers(w, wires=range(3))
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.circuit = circuit

    def forward(self, x):
        arr = x.detach().cpu().numpy()
        out = np.stack(self.circuit(arr, self.weights.detach().cpu().numpy()), axis=1)
        return torch.from_numpy(out).to(x.device).float()


class NumpyArithmetic(nn.Module):
    """Some NumPy arithmetic on the way, and `as_tensor`."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.circuit = make_circuit()

    def forward(self, x):
        w = self.w.data.numpy()
        feats = np.pi * np.tanh(x.detach().numpy())
        rows = []
        for k in range(feats.shape[0]):
            rows.append(np.asarray(self.circuit(feats[k], w)))
        return torch.as_tensor(np.vstack(rows), dtype=x.dtype)


class NumpyStack(nn.Module):
    """`np.stack` of lists, `torch.FloatTensor`, a linear layer before and after."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.circuit = make_circuit()
        self.inp = nn.Linear(3, 2)

    def quantum(self, features):
        return np.stack([self.circuit(row, self.w.detach().numpy()) for row in features])

    def forward(self, x):
        f = self.inp(x).detach().cpu().numpy()
        return torch.FloatTensor(self.quantum(f))


class PennyLaneNumpy(nn.Module):
    """PennyLane's own NumPy: weights with `requires_grad`, a buffer, functions of the results."""

    def __init__(self):
        super().__init__()
        self.weights = pnp.array([0.4, -0.7], requires_grad=True)
        self.circuit = make_circuit()
        self.fc = nn.Linear(2, 2)

    def forward(self, x):
        rows = x.detach().numpy()
        results = pnp.zeros((len(rows), 2))
        for i, row in enumerate(rows):
            results[i] = pnp.array(self.circuit(row, self.weights), requires_grad=False)
        results = pnp.tanh(results) + pnp.mean(results, axis=1, keepdims=True)
        return self.fc(torch.tensor(results, dtype=torch.float32))


# --- Through Python numbers ----------------------------------------------------------------


class Items(nn.Module):
    """`.item()` on each angle and on each result, only passed on."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.circuit = make_circuit()

    def forward(self, x):
        out = []
        for row in x:
            angles = [row[0].item(), row[1].item()]
            z = self.circuit(angles, [w.item() for w in self.w])
            out.append([v.item() for v in z])
        return torch.tensor(out)


class ToList(nn.Module):
    """`.tolist()` of rows and of weights."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.circuit = make_circuit()
        self.head = nn.Linear(2, 1)

    def forward(self, x):
        w = self.w.tolist()
        values = [[float(v) for v in self.circuit(sample, w)] for sample in x.tolist()]
        return self.head(torch.tensor(values, dtype=torch.float32))


class ItemIntoBuffer(nn.Module):
    """One number per row, written with `.item()`."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.circuit = make_circuit()

    def forward(self, x):
        y = torch.zeros(x.size(0), 1)
        for i in range(x.size(0)):
            first, second = self.circuit(x[i], self.w)
            y[i, 0] = first.item() * second.item()
        return y


# --- Buffers -------------------------------------------------------------------------------


class ZerosLike(nn.Module):
    """The buffer is a `zeros_like` of the input; columns of a batched call are written."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.circuit = make_circuit()

    def forward(self, x):
        out = torch.zeros_like(x)
        z = self.circuit(x.T, self.w)
        for k in range(2):
            out[:, k] = z[k]
        return out + x


class EmptyBuffer(nn.Module):
    """`torch.empty`, written with slices by two circuits."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2, 2))
        self.circuit = make_circuit()

    def forward(self, x):
        n = x.shape[0]
        buffer = torch.empty(n, 4, dtype=x.dtype, device=x.device)
        for i in range(n):
            buffer[i, :2] = torch.stack(self.circuit(x[i, :2], self.w[0]))
            buffer[i, 2:] = torch.stack(self.circuit(x[i, 2:], self.w[1]))
        return buffer


class NewZeros(nn.Module):
    """`new_zeros`, augmented assignment, the batch filled patch by patch."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.circuit = make_circuit()

    def forward(self, x):
        acc = x.new_zeros((x.size(0), 3))
        for p in range(3):
            z = self.circuit((x[:, p], x[:, p + 1]), self.w)
            acc[:, p] += z[0].float()
            acc[:, p] -= 0.5 * z[1].float()
        return acc


class NumpyBuffer(nn.Module):
    """`np.zeros` filled in a loop, as in the quanvolution demonstration."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.rand(2))
        self.circuit = make_circuit()

    def forward(self, images):
        imgs = images.detach().numpy()
        w = self.w.detach().numpy()
        out = np.zeros((imgs.shape[0], 2, 2, 2))
        for n, image in enumerate(imgs):
            for j in range(0, 4, 2):
                for k in range(0, 4, 2):
                    q = self.circuit([np.pi * image[j, k], np.pi * image[j + 1, k + 1]], w)
                    for c in range(2):
                        out[n, j // 2, k // 2, c] = q[c]
        return torch.tensor(out, dtype=torch.float32).permute(0, 3, 1, 2)


# --- try, vmap, autograd -------------------------------------------------------------------


class TryExcept(nn.Module):
    """A fallback for a circuit that might fail; it does not."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.circuit = make_circuit()

    def forward(self, x):
        out = []
        for row in x:
            try:
                z = self.circuit(row, self.w)
                z = torch.stack(z) if isinstance(z, list | tuple) else z
            except Exception as e:
                print("quantum circuit failed:", e)
                z = torch.zeros(2)
            out.append(z)
        return torch.stack(out).float()


class TryBatched(nn.Module):
    """The batched call is tried first, the loop is the fallback."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, w):
            qml.AngleEmbedding(x, wires=range(2))
            qml.CRY(w[0], wires=[0, 1])
            qml.RX(w[1], wires=0)
            return [qml.expval(qml.PauliZ(i)) for i in range(2)]

        self.circuit = circuit

    def forward(self, x):
        try:
            out = torch.stack(self.circuit(x, self.w), dim=1)
        except (RuntimeError, ValueError):
            out = torch.stack([torch.stack(self.circuit(r, self.w)) for r in x])
        return out


class Vmap(nn.Module):
    """`torch.vmap` over the rows; the weights are not mapped."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.circuit = make_circuit()

    def forward(self, x):
        batched = torch.vmap(lambda row: torch.stack(self.circuit(row, self.w)))
        return batched(x)


class FuncVmap(nn.Module):
    """`torch.func.vmap` with `in_dims`; one number per row."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.randn(3))

        @qml.qnode(qml.device("default.qubit", wires=2), interface="torch")
        def circuit(x, theta):
            qml.RX(x[0] * theta[0], wires=0)
            qml.RX(x[1] * theta[1], wires=1)
            qml.CNOT(wires=[0, 1])
            qml.RY(theta[2], wires=1)
            return qml.expval(qml.PauliZ(1))

        self.batched = torch.func.vmap(circuit, in_dims=(0, None))

    def forward(self, x):
        return self.batched(x, self.theta).unsqueeze(-1)


class ParameterShift(torch.autograd.Function):
    """The gradient of a circuit with NumPy inside, by hand."""

    @staticmethod
    def forward(ctx, inputs, circuit, shift):
        ctx.shift = shift
        ctx.circuit = circuit
        ctx.save_for_backward(inputs)
        values = [circuit(row.detach().numpy()) for row in inputs]
        return torch.tensor(np.array(values), dtype=torch.float32).reshape(-1, 1)

    @staticmethod
    def backward(ctx, grad_output):
        (inputs,) = ctx.saved_tensors
        rows = inputs.detach().numpy()
        right = np.array([ctx.circuit(r + ctx.shift) for r in rows])
        left = np.array([ctx.circuit(r - ctx.shift) for r in rows])
        gradient = torch.tensor((right - left) / 2, dtype=torch.float32).reshape(-1, 1)
        return gradient * grad_output, None, None


class Hybrid(nn.Module):
    """One wire behind a custom autograd function: H, RY(θ), ⟨Z⟩."""

    def __init__(self, shift=math.pi / 2):
        super().__init__()
        self.shift = shift
        self.fc = nn.Linear(4, 1)

        @qml.qnode(qml.device("default.qubit", wires=1))
        def circuit(theta):
            qml.Hadamard(wires=0)
            qml.RY(theta[0], wires=0)
            return qml.expval(qml.PauliZ(0))

        self.quantum_circuit = circuit

    def forward(self, x):
        x = self.fc(x)
        x = ParameterShift.apply(x, self.quantum_circuit, self.shift)
        p = torch.sigmoid(x)
        return torch.cat((p, 1 - p), -1)


class ShiftOfWeights(torch.autograd.Function):
    """A batched circuit in torch, the gradient of its weights by hand."""

    @staticmethod
    def forward(ctx, x, w, qnode):
        ctx.qnode = qnode
        ctx.save_for_backward(x, w)
        with torch.no_grad():
            return qnode(x, w)

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        grads = []
        for k in range(len(w)):
            e = torch.zeros_like(w)
            e[k] = math.pi / 2
            grads.append((g * (ctx.qnode(x, w + e) - ctx.qnode(x, w - e)) / 2).sum())
        return None, torch.stack(grads), None


class CustomGradient(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def qnode(x, w):
            qml.AngleEmbedding(x, wires=[0, 1])
            qml.RY(w[0], wires=0)
            qml.CNOT(wires=[0, 1])
            qml.RY(w[1], wires=1)
            return qml.expval(qml.PauliZ(1))

        self.qnode = qnode

    def forward(self, x):
        return ShiftOfWeights.apply(x, self.w, self.qnode)


# --- Post-processing -----------------------------------------------------------------------


class PatchGenerator(nn.Module):
    """A generator: ancilla post-selection by dividing probabilities, patches side by side."""

    def __init__(self, n_qubits=3, n_a=1, patches=2):
        super().__init__()
        self.n_a, self.n = n_a, n_qubits
        self.q_params = nn.ParameterList(
            [nn.Parameter(torch.rand(2 * n_qubits)) for _ in range(patches)]
        )

        @qml.qnode(qml.device("default.qubit", wires=n_qubits))
        def quantum_circuit(noise, weights):
            weights = weights.reshape(2, n_qubits)
            for i in range(n_qubits):
                qml.RY(noise[i], wires=i)
            for layer in range(2):
                for y in range(n_qubits):
                    qml.RY(weights[layer][y], wires=y)
                for y in range(n_qubits - 1):
                    qml.CZ(wires=[y, y + 1])
            return qml.probs(wires=list(range(n_qubits)))

        self.circuit = quantum_circuit

    def partial_measure(self, noise, weights):
        probs = self.circuit(noise, weights)
        probsgiven0 = probs[: (2 ** (self.n - self.n_a))]
        probsgiven0 /= torch.sum(probs)
        probsgiven = probsgiven0 / torch.max(probsgiven0)
        return probsgiven

    def forward(self, x):
        patch_size = 2 ** (self.n - self.n_a)
        images = torch.Tensor(x.size(0), 0)
        for params in self.q_params:
            patches = torch.Tensor(0, patch_size)
            for elem in x:
                q_out = self.partial_measure(elem, params).float().unsqueeze(0)
                patches = torch.cat((patches, q_out))
            images = torch.cat((images, patches), 1)
        return images


class PostSelected(nn.Module):
    """The distribution given that the first wire is 0, batched."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(3), rotation="Y")
            qml.StronglyEntanglingLayers(weights, wires=range(3))
            return qml.probs(wires=range(3))

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (1, 3, 3)})

    def forward(self, x):
        p = self.q(x).view(-1, 2, 4)
        given = p[:, 0] / p[:, 0].sum(-1, keepdim=True).clamp_min(1e-9)
        return given, p[:, 0].sum(-1)


class ComplexState(nn.Module):
    """A complex linear map of the state, overlap with a reference state."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.reference = nn.Parameter(torch.randn(4, 2))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, w):
            qml.AngleEmbedding(x, wires=range(2))
            qml.CNOT(wires=[0, 1])
            qml.RY(w[0], wires=0)
            qml.RZ(w[1], wires=1)
            return qml.state()

        self.circuit = circuit

    def forward(self, x):
        psi = self.circuit(x, self.w)
        ref = torch.view_as_complex(self.reference.double())
        ref = ref / torch.linalg.vector_norm(ref)
        overlap = psi @ ref.conj()
        return (overlap.real**2 + overlap.imag**2).float()


class PhaseFeatures(nn.Module):
    """Complex amplitudes go in: a phase of each feature, row by row."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(state, w):
            qml.StatePrep(state, wires=[0, 1])
            qml.RX(w[0], wires=0)
            qml.CRX(w[1], wires=[0, 1])
            return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliY(1))

        self.circuit = circuit

    def forward(self, x):
        psi = torch.exp(1j * x.double()) / 2
        return torch.stack(self.circuit(psi, self.w), dim=-1).float()


CASES = (
    Case("through_numpy", "F", ThroughNumpy, (normal(3, 4),)),
    Case("numpy_batch", "F", NumpyBatch, (normal(3, 3),)),
    Case("numpy_arithmetic", "F", NumpyArithmetic, (normal(3, 2),)),
    Case("numpy_stack", "F", NumpyStack, (normal(3, 3),)),
    Case("pennylane_numpy", "F", PennyLaneNumpy, (normal(3, 2),)),
    Case("items", "F", Items, (normal(3, 2),)),
    Case("to_list", "F", ToList, (normal(3, 2),)),
    Case("item_into_buffer", "F", ItemIntoBuffer, (normal(3, 2),)),
    Case("zeros_like", "F", ZerosLike, (normal(3, 2),)),
    Case("empty_buffer", "F", EmptyBuffer, (normal(3, 4),)),
    Case("new_zeros", "F", NewZeros, (normal(3, 4),)),
    Case("numpy_buffer", "F", NumpyBuffer, (uniform(3, 4, 4, low=0.0),)),
    Case("try_except", "F", TryExcept, (normal(3, 2),)),
    Case("try_batched", "F", TryBatched, (normal(3, 2),)),
    Case("vmap", "F", Vmap, (normal(3, 2),)),
    Case("func_vmap", "F", FuncVmap, (normal(3, 2),)),
    Case("parameter_shift", "F", Hybrid, (normal(3, 4),)),
    Case("custom_gradient", "F", CustomGradient, (normal(3, 2),)),
    Case("patch_generator", "F", PatchGenerator, (uniform(3, 3),)),
    Case("post_selected", "F", PostSelected, (normal(3, 3),)),
    Case("complex_state", "F", ComplexState, (normal(3, 2),)),
    Case("phase_features", "F", PhaseFeatures, (normal(3, 4),)),
)
