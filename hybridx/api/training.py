"""Train the reference classifier from its config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.api.options import need

if TYPE_CHECKING:
    from hybridx.models import Epoch, TrainingReport


def train(
    config: str | Path,
    *,
    overwrite: bool = False,
    progress: Callable[[Epoch], None] | None = None,
) -> TrainingReport:
    """Train the classifier of a config.toml; write its weights and metrics beside it.

    Args:
        config: the TOML file, such as `exported/iris.toml`.
        overwrite: replace weights and metrics that exist.
        progress: called after every epoch.

    Raises:
        ConfigError: the config is wrong.
        ArtifactError: a file cannot be read or written.
    """
    need("training", "torch", "pennylane", "safetensors")
    from hybridx.models import train as train_classifier

    return train_classifier(Path(config), overwrite=overwrite, progress=progress)
