"""Complex inputs and weights, Fourier transforms, bfloat16, half precision and autocast."""

from __future__ import annotations

import pennylane as qml
import torch
from torch import nn

from tests.corpus.case import Case, normal, uniform


def layer():
    """A TorchLayer of two wires."""

    @qml.qnode(qml.device("default.qubit", wires=2))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.BasicEntanglerLayers(weights, wires=range(2))
        return [qml.expval(qml.Z(wire)) for wire in range(2)]

    return qml.qnn.TorchLayer(circuit, {"weights": (1, 2)})


class Model(nn.Module):
    """What goes into a quantum layer is a matter of the subclass."""

    def __init__(self):
        super().__init__()
        self.quantum = layer()
        self.make()

    def make(self):
        """Make further parts."""


# --- Complex numbers -----------------------------------------------------------------------------


class Beamformer(Model):
    """A complex signal is weighted by a complex steering vector."""

    def make(self):
        self.register_buffer("steering", torch.polar(torch.ones(4), torch.linspace(0, 2, 4)))

    def forward(self, signal):
        power = (signal * self.steering.conj()).mean(-1)
        return self.quantum(torch.view_as_real(power)), power


class ComplexLayers(Model):
    """Complex linear layers with a ReLU on the modulus between them."""

    def make(self):
        self.first = nn.Linear(4, 4, dtype=torch.cfloat)
        self.last = nn.Linear(4, 2, dtype=torch.cfloat)

    def forward(self, z):
        hidden = self.first(z)
        hidden = torch.relu(hidden.abs() - 0.1) * torch.exp(1j * hidden.angle())
        return self.quantum(self.last(hidden).abs())


class Correlations(Model):
    """The correlation matrix of antennas, its inverse and its trace."""

    def forward(self, z):
        matrix = z @ z.mH + 3 * torch.eye(2)
        inverse = torch.linalg.solve(matrix, torch.eye(2, dtype=z.dtype).expand_as(matrix))
        return self.quantum(inverse.diagonal(dim1=1, dim2=2).real), torch.einsum("bii->b", matrix)


class ComplexAttention(Model):
    """Attention over complex steps, its weights from the real part of the products."""

    def make(self):
        self.key = nn.Parameter(torch.randn(3, 3, dtype=torch.cfloat) / 2)

    def forward(self, z):
        weights = torch.softmax((z @ self.key @ z.mH).real, -1)
        return self.quantum((weights.to(z.dtype) @ z).mean(1).imag[:, :2])


# --- Fourier transforms --------------------------------------------------------------------------


class Denoised(Model):
    """A spectrum is masked, and the signal put together again from its windows."""

    def forward(self, x):
        window = torch.hann_window(8)
        seen = torch.stft(x, 8, 2, window=window, return_complex=True)
        mask = torch.sigmoid(seen.abs() - 1)
        clean = torch.istft(seen * mask, 8, 2, window=window, length=x.shape[-1])
        return self.quantum(clean[:, 4:6]), clean


class Spectrogram(Model):
    """A normalised spectrogram of all frequencies through a Hamming window."""

    def forward(self, x):
        seen = torch.stft(
            x, 8, 4, window=torch.hamming_window(8), normalized=True, onesided=False,
            return_complex=True,
        )  # fmt: skip
        return self.quantum(torch.view_as_real(seen).mean((1, 2)))


class Envelope(Model):
    """The analytic signal by a filter that is written frequency by frequency."""

    def forward(self, x):
        gain = torch.zeros(8)
        gain[0] = gain[4] = 1
        gain[1:4] = 2
        analytic = torch.fft.ifft(torch.fft.fft(x) * gain)
        return self.quantum(analytic.abs()[:, :2]), torch.diff(analytic.angle())


class Resampled(Model):
    """An image goes to another size by its spectrum."""

    def forward(self, image):
        spectrum = torch.fft.rfft2(image, norm="ortho")
        small = torch.fft.irfft2(spectrum, s=(4, 4), norm="ortho")
        return self.quantum(small.flatten(1)[:, :2]), torch.fft.fftshift(spectrum.abs(), dim=1)


# --- Low precision -------------------------------------------------------------------------------
# The corpus compares with float32, so a layer in low precision is one that rounds nothing here.


class Bfloat16Block(Model):
    """A block in bfloat16 between float32 layers, on numbers that bfloat16 holds."""

    def make(self):
        self.block = nn.Linear(2, 2).to(torch.bfloat16)
        with torch.no_grad():
            self.block.weight.copy_(torch.tensor([[0.5, 0.25], [-0.5, 1.0]]))
            self.block.bias.zero_()

    def forward(self, x):
        signs = torch.sign(x)
        return self.quantum(self.block(signs.to(torch.bfloat16)).to(x.dtype))


class UnderAutocast(Model):
    """Autocast around a linear layer, and a region without it inside."""

    def make(self):
        self.block = nn.Linear(2, 2)
        with torch.no_grad():
            self.block.weight.copy_(torch.tensor([[0.5, 0.25], [-0.5, 1.0]]))
            self.block.bias.zero_()

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self.block(torch.sign(x))
            with torch.autocast("cpu", enabled=False):
                hidden = torch.tanh(hidden.float())
        return self.quantum(hidden)


class HalfInside(Model):
    """Half precision for a step, with the largest number of the dtype as a mask."""

    def forward(self, x):
        half = torch.sign(x).to(torch.float16)
        masked = half.masked_fill(half < 0, torch.finfo(half.dtype).min)
        return self.quantum(torch.softmax(masked.float(), -1))


def signal(*shape):
    """Complex numbers, always the same for one shape."""
    return torch.complex(normal(*shape), uniform(*shape))


CASES = (
    Case("beamformer", "number_kinds", Beamformer, (signal(3, 4),)),
    Case("complex_layers", "number_kinds", ComplexLayers, (signal(3, 4),)),
    Case("cross_correlations", "number_kinds", Correlations, (signal(3, 2, 3),)),
    Case("complex_attention", "number_kinds", ComplexAttention, (signal(3, 4, 3),)),
    Case("denoised", "number_kinds", Denoised, (normal(3, 32),)),
    Case("spectrogram", "number_kinds", Spectrogram, (normal(3, 32),)),
    Case("envelope", "number_kinds", Envelope, (normal(3, 8),)),
    Case("resampled", "number_kinds", Resampled, (normal(3, 6, 5),)),
    Case("bfloat16_block", "number_kinds", Bfloat16Block, (normal(3, 2),)),
    Case("under_autocast", "number_kinds", UnderAutocast, (normal(3, 2),)),
    Case("half_inside", "number_kinds", HalfInside, (normal(3, 2),)),
)
