"""Trained weights beside their config: `iris.toml`, `iris.safetensors`, `iris.metrics.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from hybridx.errors import CheckpointError
from hybridx.models.config import load_config
from hybridx.models.hybrid_model import HybridClassifier
from hybridx.storage import read_weights, recover


def weights_path(config_path: Path) -> Path:
    """Return the path of the weights that belong to a config.

    >>> weights_path(Path("exported/iris.toml")).as_posix()
    'exported/iris.safetensors'
    """
    return config_path.with_suffix(".safetensors")


def metrics_path(config_path: Path) -> Path:
    """Return the path of the scores of a config's training.

    >>> metrics_path(Path("exported/iris.toml")).as_posix()
    'exported/iris.metrics.json'
    """
    return config_path.with_suffix(".metrics.json")


def encode_weights(model: HybridClassifier) -> bytes:
    """Return a model's weights in the safetensors format; equal weights give equal bytes."""
    return safetensors.torch.save(model.state_dict())


def load_classifier(config_path: Path, weights: Path | None = None) -> HybridClassifier:
    """Return a trained classifier in eval mode.

    Args:
        config_path: TOML file of the experiment.
        weights: safetensors file; the one beside the config by default.

    Raises:
        FileMissingError: a file cannot be read.
        ConfigError: the config is wrong.
        CheckpointError: the file is not in the safetensors format, or its weights do not fit the
            model.
        TooLargeError: a file, or the model, is over a bound.
    """
    config = load_config(config_path)
    model = HybridClassifier(config.model, seed=config.training.seed)
    path = weights_path(config_path) if weights is None else weights
    recover(path)
    loaded = read_weights(path)
    problems = _differences(model.state_dict(), loaded)
    if problems:
        raise CheckpointError(str(path), "; ".join(problems))
    model.load_state_dict(loaded)
    return model.eval()


def _differences(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """Return a phrase for each difference between the weights found and those expected."""
    missing = [f"{name!r} is missing" for name in expected if name not in found]
    unexpected = [f"{name!r} is not of this model" for name in found if name not in expected]
    shapes = [
        f"{name!r} has shape {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    not_finite = [
        f"{name!r} holds NaN or infinite numbers"
        for name, tensor in found.items()
        if name in expected and not torch.isfinite(tensor).all()
    ]
    return missing + unexpected + shapes + not_finite
