"""A captured graph with its circuits put back in computes what the model does, on any device."""

import pennylane as qml
import pytest
import torch
from torch import nn

from hybridx.parity import TOLERANCE
from tests import sample_models
from tests.targets.spliced import eager, sample, splice_model


class Mixed(nn.Module):
    """Integer inputs, a circuit without parameters, buffers made in forward, several outputs."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(6, 3)
        self.quantum = sample_models.strongly_entangling(3)
        self.angle = nn.Parameter(torch.tensor(0.4))
        self.register_buffer("scale", torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, tokens, x):
        @qml.qnode(qml.device("default.qubit", wires=1))
        def fixed():
            qml.RY(self.angle, 0)
            return qml.expval(qml.PauliZ(0))

        rows = torch.zeros(x.shape[0], 3, device="cpu") + self.scale
        mixed = self.quantum(self.table(tokens) + x) * rows
        return {"mixed": mixed, "states": torch.complex(mixed, x), "fixed": fixed().float() * x}


def mixed():
    torch.manual_seed(1)
    return splice_model(Mixed(), (torch.randint(6, (4,)), torch.randn(4, 3)))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", sample_models.MODELS)
def test_agrees_with_eager(name, dtype):
    spliced = sample(name)
    model, example = sample_models.make(name)
    if dtype == "float64":
        spliced = splice_model(model.double(), (example.double(),), dtype=dtype)
    (example,) = spliced.args
    for batch in (1, 3, 7) if spliced.captured.is_dynamic else (3,):
        rows = torch.randn(batch, *example.shape[1:], dtype=example.dtype)
        # PennyLane 0.45 rounds the results of lightning.qubit to float32 on their way to torch.
        tolerance = TOLERANCE["float32" if name == "lightning" else dtype]
        for output, expected in zip(spliced.module(rows), eager(spliced, rows), strict=True):
            torch.testing.assert_close(output, expected, atol=tolerance, rtol=tolerance)


def test_integers_fixed_circuits_and_complex_outputs():
    spliced = mixed()
    assert spliced.captured.is_dynamic
    for rows in (1, 2, 6):
        inputs = torch.randint(6, (rows,)), torch.randn(rows, 3)
        outputs, expected = spliced.module(*inputs), eager(spliced, *inputs)
        torch.testing.assert_close(list(outputs), expected, atol=1e-5, rtol=1e-5)


def test_an_empty_batch_gives_no_rows():
    assert sample("sandwich").module(torch.zeros(0, 4))[0].shape == (0, 2)


def test_nothing_of_hybridx_is_left():
    assert "hybridx" not in mixed().module.code


def test_the_graph_names_no_device():
    module = mixed().module
    assert "device(type" not in module.code
    assert "'cpu'" not in module.code
    moved = module.to("meta")
    inputs = torch.zeros(5, dtype=torch.long, device="meta"), torch.zeros(5, 3, device="meta")
    assert all(output.device.type == "meta" for output in moved(*inputs))


def test_inputs_have_their_names():
    spliced = mixed()
    tokens, x = spliced.args
    torch.testing.assert_close(spliced.module(x=x, tokens=tokens), spliced.module(tokens, x))


def test_the_users_model_stays_where_it_is():
    model, example = sample_models.make("sandwich")
    spliced = splice_model(model, (example,))
    spliced.module.to("meta")
    assert {p.device.type for p in model.parameters()} == {"cpu"}
    assert {p.requires_grad for p in model.parameters()} == {True}


def test_only_what_is_needed_is_kept():
    names = set(dict(sample("sandwich").module.named_parameters()))
    assert names == {"0.weight", "0.bias", "2.weight", "2.bias"}
