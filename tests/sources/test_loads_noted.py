"""A factory that loads or trains weights is told from one that only makes a model."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch
from torch import nn

from hybridx.sources.loads_noted import LoadsNoted

STATE = nn.Linear(2, 1).state_dict()


def plain(folder):
    made = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
    nn.init.zeros_(made[0].weight)
    made(torch.ones(3, 2))


def load_state(folder):
    nn.Linear(2, 1).load_state_dict(STATE)


def assign_state(folder):
    nn.Sequential(nn.Linear(2, 1)).load_state_dict(
        {"0." + k: v for k, v in STATE.items()}, assign=True
    )


def torch_load(folder):
    torch.load(folder / "weights.pt")


def safetensors_load(folder):
    safetensors.torch.load_file(folder / "weights.safetensors")


def train(folder):
    nn.Linear(2, 1)(torch.ones(1, 2)).sum().backward()


@pytest.mark.parametrize(
    ("make", "has_loaded"),
    [
        (plain, False),
        (load_state, True),
        (assign_state, True),
        (torch_load, True),
        (safetensors_load, True),
        (train, True),
    ],
)
def test_what_loads_weights_is_noted(make, has_loaded, tmp_path):
    torch.save(STATE, tmp_path / "weights.pt")
    safetensors.torch.save_file(STATE, tmp_path / "weights.safetensors")
    with LoadsNoted() as noted:
        make(tmp_path)
    assert noted.has_loaded is has_loaded
