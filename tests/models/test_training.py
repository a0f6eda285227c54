from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from hybridx.errors import (
    CheckpointError,
    ConfigError,
    FileMissingError,
    OutputExistsError,
    TableError,
)
from hybridx.models import (
    ClassicalModelConfig,
    DataConfig,
    ExperimentConfig,
    HybridClassifier,
    HybridModelConfig,
    QuantumLayerConfig,
    TrainingConfig,
    encode_weights,
    load_classifier,
    load_config,
    metrics_path,
    save_config,
    train,
    weights_path,
)

CONFIG = ExperimentConfig(
    DataConfig("rows.csv", ("a", "b"), "kind", ("low", "high")),
    HybridModelConfig(
        ClassicalModelConfig(2, ()), QuantumLayerConfig(2, 1), n_classes=2, post_quantum_dim=6
    ),
    TrainingConfig(seed=3, epochs=6, batch_size=4, learning_rate=0.05),
)


@pytest.fixture
def config_path(tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 2))
    lines = [f"{a},{b},{'high' if a > b else 'low'}" for a, b in rows]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,kind", *lines]) + "\n")
    path = tmp_path / "tiny.toml"
    save_config(CONFIG, path)
    return path


def change(path, **training):
    config = replace(CONFIG, training=replace(CONFIG.training, **training))
    save_config(config, path, overwrite=True)


def test_training_twice_gives_the_same_bytes_and_leaves_the_global_state_alone(config_path):
    outputs = weights_path(config_path), metrics_path(config_path)
    before = torch.get_rng_state()
    first = train(config_path)
    contents = [path.read_bytes() for path in outputs]
    torch.rand(3)
    assert train(config_path, overwrite=True) == first
    assert [path.read_bytes() for path in outputs] == contents
    torch.set_rng_state(before)
    train(config_path, overwrite=True)
    assert torch.equal(torch.get_rng_state(), before)
    change(config_path, seed=4)
    train(config_path, overwrite=True)
    assert [path.read_bytes() for path in outputs] != contents


def test_training_with_shots_is_repeated_by_the_seed(config_path):
    quantum = replace(CONFIG.model.quantum, shots=20)
    config = replace(
        CONFIG,
        model=replace(CONFIG.model, quantum=quantum),
        training=replace(CONFIG.training, epochs=1),
    )
    save_config(config, config_path, overwrite=True)
    assert train(config_path) == train(config_path, overwrite=True)


def test_progress_is_told_of_every_epoch_and_nothing_is_printed(config_path, capfd):
    epochs = []
    report = train(config_path, progress=epochs.append)
    assert [epoch.number for epoch in epochs] == list(range(1, report.epochs_run + 1))
    assert report.epochs_run == 6
    best = min(epochs, key=lambda epoch: epoch.validation.loss)
    assert report.best_epoch == best.number
    assert report.validation == best.validation
    assert [e.number for e in epochs if e.is_best][-1] == best.number
    assert capfd.readouterr() == ("", "")


def test_training_lowers_the_loss(config_path):
    change(config_path, epochs=15, patience=15)
    epochs = []
    train(config_path, progress=epochs.append)
    assert epochs[-1].train_loss < 0.75 * epochs[0].train_loss


def test_patience_ends_the_training(config_path):
    change(config_path, epochs=50, patience=2, learning_rate=1e-9)
    epochs = []
    report = train(config_path, progress=epochs.append)
    assert report.epochs_run == report.best_epoch + 2 < 50


def test_the_figures_on_disk_are_those_of_the_weights_on_disk(config_path):
    report = train(config_path)
    figures = json.loads(metrics_path(config_path).read_text())
    assert list(figures) == sorted(figures)
    assert figures["classes"] == ["low", "high"]
    assert figures["seed"] == 3
    assert figures["best_epoch"] == report.best_epoch
    held_out = figures["held_out_rows"]
    assert held_out == sorted(held_out)
    assert str(config_path.parent) not in metrics_path(config_path).read_text()

    model = load_classifier(config_path)
    assert not model.training
    lines = (config_path.parent / "rows.csv").read_text().splitlines()[1:]
    cells = [lines[row].split(",") for row in held_out]
    x = torch.tensor([[float(a), float(b)] for a, b, _ in cells])
    labels = torch.tensor([("low", "high").index(kind) for _, _, kind in cells])
    accuracy = (model.predict(x) == labels).double().mean().item()
    loss = torch.nn.functional.cross_entropy(model(x), labels).item()
    assert figures["test"] == {"accuracy": accuracy, "loss": loss}


@pytest.mark.parametrize("output", [weights_path, metrics_path])
def test_an_existing_output_is_refused_before_anything_is_trained(config_path, output):
    output(config_path).write_text("mine")
    epochs = []
    with pytest.raises(OutputExistsError):
        train(config_path, progress=epochs.append)
    assert epochs == []
    assert output(config_path).read_text() == "mine"


def test_a_loss_that_is_not_finite_is_refused_and_nothing_is_written(config_path):
    with (config_path.parent / "rows.csv").open("a") as table:
        table.write("1e300,0,high\n" * 30)
    with pytest.raises(ConfigError, match="the loss of epoch 1 is not finite"):
        train(config_path)
    assert not weights_path(config_path).exists()


def test_a_table_with_too_few_rows_is_refused(config_path):
    (config_path.parent / "rows.csv").write_text("a,b,kind\n1,2,low\n1,2,high\n")
    with pytest.raises(TableError, match="too few"):
        train(config_path)


def test_weights_of_another_file_may_be_given(config_path, tmp_path):
    model = HybridClassifier(CONFIG.model, seed=8).eval()
    other = tmp_path / "other.safetensors"
    other.write_bytes(encode_weights(model))
    before = torch.get_rng_state()
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load_classifier(config_path, other)(x), model(x))
    assert torch.equal(torch.get_rng_state(), before)


def test_missing_weights_are_refused(config_path):
    with pytest.raises(FileMissingError):
        load_classifier(config_path)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("head.0.bias", None, "'head.0.bias' is missing"),
        ("extra", torch.zeros(1), "'extra' is not of this model"),
        ("head.0.bias", torch.zeros(3), r"'head.0.bias' has shape \(3,\) instead of \(6,\)"),
        ("head.0.bias", torch.full((6,), torch.nan), "'head.0.bias' holds NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(config_path, name, value, problem):
    weights = HybridClassifier(load_config(config_path).model).state_dict()
    weights.pop(name, None)
    if value is not None:
        weights[name] = value
    weights_path(config_path).write_bytes(safetensors.torch.save(weights))
    with pytest.raises(CheckpointError, match=problem):
        load_classifier(config_path)


def test_a_file_that_is_not_safetensors_is_refused(config_path):
    weights_path(config_path).write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="cut off or damaged"):
        load_classifier(config_path)
