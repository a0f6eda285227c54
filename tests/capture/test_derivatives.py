"""Derivatives that a model takes in forward become nodes of circuits."""

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture.derivatives import DECOMPOSITIONS
from hybridx.capture.torch_internals import fake_inputs, traced_below_autograd
from hybridx.circuit import column_count, result_count
from hybridx.errors import GradientError, NoShiftError
from tests.corpus.derivatives import AmplitudeSlope, Burgers, Field, Forces, Laplacian, layer


def exported(model, path, *args, **options):
    """Export a model, and return what it gave for the arguments, and the report."""
    report = hybridx.export(model.eval(), args, path, **options)
    with torch.enable_grad():
        returned = model(*[arg.clone().requires_grad_() for arg in args])
    return returned, report


def points(rows=3):
    return torch.randn(rows, 2, generator=torch.Generator().manual_seed(0))


def test_a_residual_runs_on_onnx_runtime_and_on_a_device(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "model.onnx"
    residual, report = exported(Burgers(), path, points())
    assert [one.derivative for one in report.circuits] == [0, 1, 2]
    expected = residual.detach().numpy()
    for device in ("onnx", "default.qubit"):
        found = hybridx.load(path, device=device)(points().numpy())
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow  # an export
def test_numbers_of_the_circuit_stay_numbers_in_its_derivative(tmp_path):
    torch.manual_seed(0)
    exported(Burgers(), tmp_path / "model.onnx", points())
    artifact = hybridx.load(tmp_path / "model.onnx").artifact
    sizes = [
        (one.parameters, column_count(one), result_count(one)) for one in artifact.circuits.values()
    ]
    assert sizes == [(2, 2, 2), (2, 4, 2), (2, 6, 4)]


@pytest.mark.slow  # an export
def test_the_input_and_the_weights_are_left_as_they_are(tmp_path):
    torch.manual_seed(0)
    model, x = Forces(), points()
    hybridx.export(model.eval(), (x,), tmp_path / "model.onnx")
    assert not x.requires_grad
    assert x.grad is None
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())


def test_a_residual_is_exported_where_gradients_are_off(tmp_path):
    torch.manual_seed(0)
    with torch.no_grad():
        report = hybridx.export(Laplacian().eval(), (points(),), tmp_path / "model.onnx")
    assert report.is_dynamic
    assert report.verification is not None


@pytest.mark.slow  # an export
def test_no_device_takes_a_derivative_by_amplitudes(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "model.onnx"
    hybridx.export(AmplitudeSlope().eval(), (torch.rand(3, 4),), path)
    with pytest.raises(NoShiftError, match="Circuit_"):
        hybridx.load(path, device="default.qubit")


class Depth(Field):
    """The derivative of a circuit with noise, by an angle that enters twice."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.mixed", wires=1))
        def circuit(x):
            qml.RX(x[:, 0], wires=0)
            qml.PhaseDamping(0.2, wires=0)
            qml.RY(2 * x[:, 0] + x[:, 1], wires=0)
            return qml.expval(qml.Z(0))

        self.circuit = circuit

    def forward(self, x):
        x = x.requires_grad_()
        return torch.autograd.grad(self.circuit(x).sum(), x)[0]


@pytest.mark.slow  # an export
def test_a_circuit_with_noise_has_a_derivative(tmp_path):
    _, report = exported(Depth(), tmp_path / "model.onnx", points())
    assert [one.derivative for one in report.circuits] == [1]
    assert report.circuits[0].strategy == "density"


class Classical(nn.Module):
    """Only classical parts are differentiated."""

    def __init__(self):
        super().__init__()
        self.net, self.q = nn.Sequential(nn.Linear(2, 3), nn.SiLU(), nn.Linear(3, 1)), Field().q

    def forward(self, x):
        x = x.requires_grad_()
        return self.q(torch.autograd.grad(self.net(x).sum(), x)[0])


def test_a_circuit_may_take_a_derivative(tmp_path):
    torch.manual_seed(0)
    _, report = exported(Classical(), tmp_path / "model.onnx", points())
    assert [one.derivative for one in report.circuits] == [0]
    names = [
        one.name for one in hybridx.load(tmp_path / "model.onnx").artifact.model.graph.initializer
    ]
    assert "net.0.weight" in names


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv1d(2, 4, 3, stride=2, padding=1),
        lambda: nn.Conv1d(2, 4, 2, dilation=2, groups=2, bias=False),
        lambda: nn.ConvTranspose1d(2, 4, 3, stride=2, output_padding=1),
        lambda: nn.ConvTranspose1d(2, 4, 3, groups=2),
        lambda: nn.Conv2d(2, 2, (2, 3), stride=(1, 2), padding=(0, 1)),
    ],
)
def test_a_convolution_is_differentiated_by_convolutions(make):
    torch.manual_seed(0)
    module = make().double()
    x = torch.randn(3, 2, *[8] * (module.weight.dim() - 2), dtype=torch.float64)

    def slopes(x, *weights):
        x = x.detach().requires_grad_()
        y = torch.func.functional_call(module, dict(zip(names, weights, strict=True)), (x,))
        return torch.autograd.grad((y.sin() * y).sum(), (x, *weights))

    names, weights = zip(*module.named_parameters(), strict=True)
    given = fake_inputs([x, *weights], [()] * (1 + len(weights)))
    traced = traced_below_autograd(slopes, given, DECOMPOSITIONS)
    targets = {str(node.target) for node in traced.graph.nodes}
    assert "aten.convolution_backward.default" not in targets
    for found, expected in zip(traced(x, *weights), slopes(x, *weights), strict=True):
        torch.testing.assert_close(found, expected)


class Long(Field):
    """Another function for long batches, which no comparison meets."""

    def forward(self, x):
        x = x.requires_grad_()
        u = self.u(x) * (2 if x.shape[0] > 100 else 1)
        return torch.autograd.grad(u.mean(), x)[0]


@pytest.mark.slow  # an export
def test_an_axis_on_whose_length_the_model_depends_is_fixed(tmp_path):
    torch.manual_seed(0)
    report = hybridx.export(Long().eval(), (points(),), tmp_path / "model.onnx")
    assert not report.is_dynamic
    assert "forward depends on its length, and takes derivatives" in report.notes[0]


class Disorder(Field):
    """The derivative of an entropy."""

    def __init__(self):
        super().__init__()
        self.q = layer(measured=lambda: qml.vn_entropy(wires=[0]))

    def forward(self, x):
        x = x.requires_grad_()
        return torch.autograd.grad(self.q(x).sum(), x)[0]


def test_the_derivative_of_an_entropy_is_refused(tmp_path):
    torch.manual_seed(0)
    with pytest.raises(GradientError, match="entropy"):
        hybridx.export(Disorder().eval(), (points(),), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


class ByHand(torch.autograd.Function):
    """A derivative that NumPy computes."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return cotangent * torch.from_numpy(np.linalg.inv(np.diag(1 / np.cos(x.numpy()[0]))))[0]


class Numbers(Field):
    """A derivative that is computed of numbers, which a trace has not."""

    def forward(self, x):
        x = x.requires_grad_()
        return torch.autograd.grad(self.u(ByHand.apply(x)).sum(), x)[0]


def test_a_derivative_that_cannot_be_followed_is_refused_by_its_line(tmp_path):
    torch.manual_seed(0)
    with pytest.raises(GradientError) as caught:
        hybridx.export(Numbers().eval(), (points(1),), tmp_path / "model.onnx", batch="none")
    assert "test_derivatives.py" in caught.value.place
