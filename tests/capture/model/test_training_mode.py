"""What changes between training and inference is told, and nothing else is."""

import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture.model.training_mode import training_note
from hybridx.errors import RandomnessError
from tests import sample_models


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = sample_models.strongly_entangling()

    def forward(self, x):
        return nn.functional.dropout(self.q(x), training=self.training)


class AlwaysOn(Functional):
    def forward(self, x):
        return nn.functional.dropout(self.q(x))


CHANGING = {
    "dropout (0)": nn.Dropout(0.5),
    "batch norm (0)": nn.BatchNorm1d(3),
    "instance norm (0)": nn.InstanceNorm1d(3, track_running_stats=True),
    "RReLU (0)": nn.RReLU(),
    "dropout of attention (0)": nn.MultiheadAttention(4, 2, dropout=0.1),
    "dropout between recurrent layers (0)": nn.LSTM(3, 3, num_layers=2, dropout=0.1),
    "code that reads self.training (0)": Functional(),
}

ALIKE = {
    "no dropout": nn.Dropout(0.0),
    "batch norm without statistics": nn.BatchNorm1d(3, track_running_stats=False),
    "instance norm": nn.InstanceNorm1d(3),
    "fixed slope": nn.RReLU(0.2, 0.2),
    "attention": nn.MultiheadAttention(4, 2),
    "recurrent": nn.GRU(3, 3, num_layers=2),
    "layer norm": nn.LayerNorm(3),
    "in eval mode": nn.Dropout().eval(),
}


@pytest.mark.parametrize("words", CHANGING)
def test_what_changes_is_named(words):
    model = nn.Sequential(CHANGING[words]).train()
    found = training_note(model)
    assert found is not None
    assert found.endswith(f": {words}")
    assert training_note(model.eval()) is None


@pytest.mark.parametrize("module", ALIKE.values(), ids=ALIKE)
def test_what_does_not_change_is_not(module):
    assert training_note(nn.Sequential(module)) is None


def test_the_first_of_each_kind_is_named_and_the_rest_counted():
    layer = nn.TransformerEncoderLayer(4, 2)
    found = training_note(nn.Sequential(nn.BatchNorm1d(3), layer))
    assert found is not None
    assert "batch norm (0), dropout of attention (1.self_attn), dropout (1.dropout and " in found


def test_the_report_says_so(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(), sample_models.strongly_entangling())
    report = hybridx.export(model.train(), (torch.rand(3, 3),), tmp_path / "m.onnx")
    assert report.notes == ("exported in eval mode, where these act as in inference: dropout (1)",)
    assert model[1].training


def test_dropout_that_stays_on_is_refused(tmp_path):
    with pytest.raises(RandomnessError):
        hybridx.export(AlwaysOn(), (torch.rand(3, 3),), tmp_path / "m.onnx")
