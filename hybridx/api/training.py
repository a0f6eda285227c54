"""Train the reference classifier from its config."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.api.modules.accelerating import accelerate
from hybridx.api.options import need
from hybridx.api.progress import Stages
from hybridx.errors import FileMissingError
from hybridx.storage import check_readable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hybridx.models import Epoch, TrainingReport

log = logging.getLogger(__name__)


def train(
    config: str | Path,
    *,
    overwrite: bool = False,
    eager: bool = False,
    stages: Stages | None = None,
) -> TrainingReport:
    """Train the classifier of a config.toml; write its weights and metrics beside it.

    The circuit is computed as `accelerate` does it, where Numba is installed and the circuit takes
    no samples.

    Args:
        config: the TOML file.
        overwrite: replace weights and metrics that exist.
        eager: let PennyLane compute the circuit, which is slower and gives the same losses but for
            roundings.
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

    def compiled(model: nn.Module, features: Tensor) -> None:
        if find_spec("numba") is None:
            log.info("the circuit is trained eagerly: pip install 'hybridx[train]' makes it faster")
            return
        with told("accelerate"):
            report = accelerate(model, (features,))
        for layer in report.layers:
            if layer.reason is not None:
                log.info("%s is trained eagerly: %s", layer.layer, layer.reason)

    with told("train"):
        return train_classifier(
            Path(config),
            overwrite=overwrite,
            prepare=None if eager else compiled,
            progress=tell,
        )
