"""Fourier transforms equal torch's: every function, norm, axis and length, at any batch size."""

from __future__ import annotations

import pytest
import torch
from torch import fft, nn

from hybridx.capture import place_of_node, quiet
from hybridx.capture.graph import fourier_transforms
from hybridx.capture.graph.complex_to_real import has_complex
from hybridx.capture.torch_export import TABLE, export_program, graph_in_real_numbers
from tests.sampling import some

# Sums of up to 40 products of numbers of order one, in another order than torch's.
ROUNDED = 2e-5

BATCHES = (1, 2, 5)
NORMS = ("backward", "ortho", "forward")
HANN = torch.hann_window(8)
HAMMING = torch.hamming_window(6)


def spectrum(x, **options):
    return torch.stft(x[:, 0], 8, return_complex=True, **options)


def back(x, n_fft, hop=None, length=None, returns_complex=False, **options):
    seen = torch.stft(x[:, 0], n_fft, hop, return_complex=True, **options)
    seen = seen * 1j if returns_complex else seen * seen.abs().tanh()
    options.pop("pad_mode", None)
    return torch.istft(seen, n_fft, hop, length=length, return_complex=returns_complex, **options)


# `x` is real, shape (batch, 4, 33); every transform of an axis of 4 has an even length.
CASES = {
    "all norms": lambda x: [
        one for n in NORMS for one in (fft.fft(x, norm=n), fft.ifft(x, norm=n), fft.rfft(x, norm=n))
    ],
    "all norms of real results": lambda x: [
        one
        for n in NORMS
        for one in (fft.irfft(fft.rfft(x), norm=n), fft.hfft(fft.rfft(x), 33, norm=n))
    ],
    "odd and even lengths": lambda x: [fft.irfft(fft.rfft(x), n=n) for n in (3, 32, 33, 40)],
    "padded and cut": lambda x: [fft.fft(x, n=n) for n in (1, 5, 40)] + [fft.ihfft(x, n=6)],
    "other axes": lambda x: [
        fft.fft(x, dim=-2),
        fft.rfft(x, dim=1),
        fft.irfft(fft.rfft(x, dim=-2), dim=1),
        fft.ifft(x, n=3, dim=1),
    ],
    "two axes": lambda x: [
        fft.fft2(x, norm="ortho"),
        fft.ifft2(x, s=(3, 7)),
        fft.rfft2(x, dim=(-1, -2)),
        fft.irfft2(fft.rfft2(x), s=(4, 32), norm="ortho"),
        fft.irfft2(fft.rfft2(x), s=(3, 33), norm="forward"),
    ],
    "many axes": lambda x: [
        fft.fftn(x, dim=(1, 2)),
        fft.ifftn(x, dim=(-1,), norm="ortho"),
        fft.irfftn(fft.rfftn(x, dim=(1, 2)), dim=(1, 2)),
        fft.hfft2(fft.fft2(x)),
        fft.ihfft2(x),
    ],
    "shifts and frequencies": lambda x: [
        fft.fftshift(fft.fft(x), dim=-1),
        fft.ifftshift(x, dim=(1, 2)),
        fft.fft(x) * fft.fftfreq(33, d=0.1),
        fft.rfft(x) * 1j * fft.rfftfreq(33),
    ],
    "a filter that is written": lambda x: fft.ifft(fft.fft(x) * analytic_gain()).abs(),
    "stft": lambda x: [
        spectrum(x),
        spectrum(x, hop_length=3, win_length=6, window=HAMMING),
        spectrum(x, window=HANN, pad_mode="constant"),
        spectrum(x, window=HANN, center=False, onesided=False, normalized=True),
    ],
    "istft": lambda x: [
        back(x, 8),
        back(x, 8, 2, window=HANN),
        back(x, 8, 3, win_length=6, window=HAMMING, length=20),
        back(x, 8, 2, window=HANN, length=40),
        back(x, 8, 4, window=torch.ones(8), center=False),
        back(x, 8, 2, window=HANN, onesided=False, normalized=True, returns_complex=True),
    ],
    "windows made in forward": lambda x: [
        fft.rfft(x[..., :16] * window(16, periodic=periodic))
        for window in (
            torch.hann_window,
            torch.hamming_window,
            torch.blackman_window,
            torch.bartlett_window,
            torch.kaiser_window,
        )
        for periodic in (True, False)
    ],
}  # fmt: skip


def analytic_gain():
    gain = torch.zeros(33)
    gain[0] = 1
    gain[1:17] = 2
    return gain


class Of(nn.Module):
    """Functions of a signal."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *signals):
        found = self.function(*signals)
        return tuple(found) if isinstance(found, list) else (found,)


def signal(count):
    return torch.randn(count, 4, 33, generator=torch.Generator().manual_seed(count))


def traced(function):
    """Return the graph of a function in real numbers, for any batch."""
    shapes = ({0: torch.export.Dim("batch")},)
    args = (signal(3),)
    with quiet():
        program = export_program(Of(function), args, shapes)
        return graph_in_real_numbers(program, TABLE, args, shapes)


def differences(name):
    graph = traced(CASES[name])
    assert not has_complex(graph)
    for count in BATCHES:
        x = signal(count)
        for actual, expected in zip(graph(x), Of(CASES[name])(x), strict=True):
            wanted = (
                torch.view_as_real(expected.resolve_conj()) if expected.is_complex() else expected
            )
            assert actual.shape == wanted.shape
            assert actual.dtype == wanted.dtype
            yield float((actual - wanted).abs().max()) / max(1.0, float(wanted.abs().max()))


@pytest.mark.filterwarnings("ignore:A window was not provided", "ignore:The length of signal")
@pytest.mark.parametrize("name", some(CASES, every=4, first=1))
def test_a_transform_equals_torch(name):
    assert max(differences(name)) < ROUNDED


def test_a_wrong_weight_is_seen(monkeypatch):
    original = fourier_transforms._matrix

    def unweighted(*args, is_half=False):
        return original(*args)

    monkeypatch.setattr(fourier_transforms, "_matrix", unweighted)
    assert max(differences("odd and even lengths")) > 0.1


def test_what_a_transform_becomes_keeps_its_line():
    """An error names the line of forward, however often the graph is traced again."""
    graph = traced(lambda x: fft.irfft(fft.rfft(x)))
    nodes = [n for n in graph.graph.nodes if n.op == "call_function" and "sym" not in n.name]
    assert nodes
    line = Of.forward.__code__.co_firstlineno + 1
    assert {place_of_node(node) for node in nodes} == {f"{__file__}:{line}"}
