"""The trained classifier in `exported/` is what its figures say."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from hybridx.models import (
    load_classifier,
    load_config,
    metrics_path,
    read_dataset,
    split_dataset,
)

IRIS = Path(__file__).parents[2] / "exported" / "iris.toml"


def test_the_held_out_rows_are_classified_as_well_as_the_figures_say():
    figures = json.loads(metrics_path(IRIS).read_text())
    config = load_config(IRIS)
    dataset = read_dataset(config.data, IRIS.parent)
    split = split_dataset(dataset, config.training)
    assert figures["held_out_rows"] == split.test.tolist()
    assert len(split.test) == 30
    model = load_classifier(IRIS)
    labels = torch.from_numpy(dataset.labels[split.test])
    found = model.predict(torch.from_numpy(dataset.features[split.test]).float())
    assert (found == labels).double().mean().item() == figures["test"]["accuracy"] >= 0.93
