"""Train the reference classifier from its config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.api.options import need
from hybridx.api.progress import Stages
from hybridx.errors import FileMissingError
from hybridx.storage import check_readable

if TYPE_CHECKING:
    from hybridx.models import Epoch, TrainingReport


def train(
    config: str | Path,
    *,
    overwrite: bool = False,
    stages: Stages | None = None,
) -> TrainingReport:
    """Train the classifier of a config.toml; write its weights and metrics beside it.

    Args:
        config: the TOML file.
        overwrite: replace weights and metrics that exist.
        stages: is told how each epoch went; by default the log of `hybridx` is.

    Raises:
        ConfigError: the config is wrong.
        ArtifactError: a file cannot be read or written.
    """
    check_readable(Path(config))
    if Path(config).is_dir():
        raise FileMissingError(str(config), "it is a folder")
    need("training", "torch", "pennylane", "safetensors")
    from hybridx.models import train as train_classifier

    told = Stages() if stages is None else stages

    def tell(epoch: Epoch) -> None:
        text = (
            f"epoch {epoch.number} of {epoch.limit}: loss {epoch.train_loss:.4f}, "
            f"validation loss {epoch.validation.loss:.4f}, "
            f"accuracy {epoch.validation.accuracy:.3f}"
        )
        told.steps(epoch.number, epoch.limit, text)

    with told("train"):
        return train_classifier(Path(config), overwrite=overwrite, progress=tell)
