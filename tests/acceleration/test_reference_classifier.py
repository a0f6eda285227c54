"""The reference classifier, trained on compiled circuits and by PennyLane."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

import hybridx
from hybridx import api
from hybridx.api import training
from hybridx.models import (
    HybridClassifier,
    load_config,
    metrics_path,
    read_dataset,
    split_dataset,
    weights_path,
)

IRIS = Path(__file__).parents[2] / "exported" / "iris.toml"


@pytest.mark.slow  # 50 steps of PennyLane
def test_fifty_steps_have_the_losses_of_pennylane():
    config = load_config(IRIS)
    dataset = read_dataset(config.data, IRIS.parent)
    rows = split_dataset(dataset, config.training).train
    features = torch.from_numpy(dataset.features[rows])
    labels = torch.from_numpy(dataset.labels[rows])

    def losses(*, fast):
        model = HybridClassifier(config.model, seed=0).double()
        if fast:
            report = hybridx.accelerate(model, (features[:16],))
            assert [layer.is_compiled for layer in report.layers] == [True]
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.training.learning_rate)
        found = []
        for step in range(50):
            batch = torch.arange(16) + 16 * (step % 5)
            optimizer.zero_grad()
            loss = cross_entropy(model(features[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return torch.tensor(found, dtype=torch.float64)

    fast, slow = losses(fast=True), losses(fast=False)
    assert slow[-1] < 0.75 * slow[0]
    # Adam divides by the root of a mean of squares, so that roundings of 1e-16 grow at first.
    assert torch.allclose(fast, slow, rtol=0, atol=1e-9)


@pytest.fixture
def short(tmp_path):
    """The experiment with one epoch."""
    text = IRIS.read_text().replace("epochs = 100 ", "epochs = 1 ")
    (tmp_path / "iris.toml").write_text(text)
    (tmp_path / "iris.csv").write_bytes((IRIS.parent / "iris.csv").read_bytes())
    return tmp_path / "iris.toml"


def test_train_uses_compiled_circuits(short, monkeypatch):
    seen = []
    accelerated = training.accelerate

    def noted(model, args):
        report = accelerated(model, args)
        seen.append(report)
        return report

    monkeypatch.setattr(training, "accelerate", noted)
    fast = api.train(short)
    assert [layer.is_compiled for layer in seen[0].layers] == [True]
    slow = api.train(short, overwrite=True, eager=True)
    assert len(seen) == 1
    # float32 weights; the circuit is computed in float64
    assert fast.test.loss == pytest.approx(slow.test.loss, rel=0, abs=1e-5)
    assert weights_path(short).exists()
    assert metrics_path(short).exists()


def test_without_numba_it_trains_eagerly(short, monkeypatch, caplog):
    monkeypatch.setattr(training, "find_spec", lambda _: None)
    with caplog.at_level("INFO", logger="hybridx"):
        api.train(short)
    assert "pip install 'hybridx[train]'" in caplog.text
    assert weights_path(short).exists()


def test_samples_are_trained_eagerly_with_a_note(short, caplog):
    text = short.read_text().replace("# shots = 1024", "shots = 1")
    short.write_text(text.replace("n_layers = 2", "n_layers = 1"))
    table = short.with_suffix(".csv")
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([header, *rows[::15]]) + "\n")
    with caplog.at_level("INFO", logger="hybridx"):
        api.train(short)
    assert "is trained eagerly: it samples shots" in caplog.text
