"""Training: reads a config, and writes the weights and their scores beside it.

The validation rows alone choose the epoch; the test rows are used once, after that. The same config
gives the same bytes on one machine with one version of torch. Elsewhere sums may round differently.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from hybridx.errors import ConfigError
from hybridx.models.checkpoint import encode_weights, metrics_path, weights_path
from hybridx.models.config import TrainingConfig, load_config
from hybridx.models.dataset import Dataset, read_dataset, split_dataset
from hybridx.models.hybrid_model import HybridClassifier, evaluating
from hybridx.models.seeding import seeded
from hybridx.report import Shown
from hybridx.storage import check_writable, write_together


@dataclass(frozen=True, slots=True)
class Score:
    """How well a model does on some rows.

    Attributes:
        accuracy: share of the rows that are classified correctly, in [0, 1].
        loss: mean cross entropy, in nats.
    """

    accuracy: float
    loss: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """The result of one pass over the training rows, for `progress`.

    Attributes:
        number: from 1.
        limit: epochs that the config allows.
        train_loss: mean cross entropy of the steps, with dropout, in nats.
        validation: score afterwards.
        is_best: True if no earlier epoch had a validation loss as low.
    """

    number: int
    limit: int
    train_loss: float
    validation: Score
    is_best: bool


@dataclass(frozen=True, slots=True)
class TrainingReport(Shown):
    """The scores of a training run; also the content of `.metrics.json`.

    Attributes:
        seed: of the run.
        classes: class names, in the order of the logits.
        epochs_run: epochs until the limit or the end of patience.
        best_epoch: the epoch, from 1, whose weights are kept.
        train: score of these weights on the training rows.
        validation: score on the rows that chose the epoch.
        test: score on the held-out rows.
        held_out_rows: row numbers of the table (0 is the first below the header), ascending.
    """

    seed: int
    classes: tuple[str, ...]
    epochs_run: int
    best_epoch: int
    train: Score
    validation: Score
    test: Score
    held_out_rows: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Some rows as tensors: features `(rows, features)`, float32; labels `(rows,)`, int64."""

    features: Tensor
    labels: Tensor


def train(
    config_path: Path,
    *,
    overwrite: bool = False,
    prepare: Callable[[HybridClassifier, Tensor], None] | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> TrainingReport:
    """Train the classifier of a config, and write its weights and scores beside it.

    Args:
        config_path: TOML file of the experiment.
        overwrite: replace weights and scores that exist.
        prepare: called before the first step with the model and the features of a batch.
        progress: called after every epoch.

    Raises:
        ConfigError: the config is wrong, or leads to a loss that is not finite.
        FileMissingError: the config or its table cannot be read.
        TableError: the table does not fit the config.
        OutputExistsError: an output exists and may not be replaced; nothing was trained.
        NotWritableError: the file system refuses.
    """
    outputs = weights_path(config_path), metrics_path(config_path)
    for path in outputs:
        check_writable(path, overwrite=overwrite)
    config = load_config(config_path)
    dataset = read_dataset(config.data, config_path.parent)
    split = split_dataset(dataset, config.training)
    train_rows, validation_rows, test_rows = (
        _rows(dataset, numbers) for numbers in (split.train, split.validation, split.test)
    )
    with seeded(config.training.seed):
        model = HybridClassifier(config.model)
        if prepare is not None:
            prepare(model, train_rows.features[: config.training.batch_size])
        for epoch in _epochs(model, train_rows, validation_rows, config.training):
            if not math.isfinite(epoch.train_loss + epoch.validation.loss):
                raise ConfigError(
                    str(config_path),
                    f"the loss of epoch {epoch.number} is not finite; "
                    "lower training.learning_rate or scale the columns of data.features",
                )
            if epoch.is_best:
                best_epoch = epoch.number
                best_weights = {name: t.clone() for name, t in model.state_dict().items()}
            if progress is not None:
                progress(epoch)
        model.load_state_dict(best_weights)
        report = TrainingReport(
            seed=config.training.seed,
            classes=config.data.classes,
            epochs_run=epoch.number,
            best_epoch=best_epoch,
            train=_score(model, train_rows),
            validation=_score(model, validation_rows),
            test=_score(model, test_rows),
            held_out_rows=tuple(split.test.tolist()),
        )
    contents = encode_weights(model), encode_metrics(report)
    write_together(dict(zip(outputs, contents, strict=True)), overwrite=overwrite)
    return report


def encode_metrics(report: TrainingReport) -> bytes:
    """Return the content of `.metrics.json`: the report's fields, keys sorted."""
    return json.dumps(asdict(report), indent=2, sort_keys=True).encode() + b"\n"


def _epochs(
    model: HybridClassifier, train_rows: _Rows, validation_rows: _Rows, config: TrainingConfig
) -> Iterator[Epoch]:
    """Train `model` in place, and yield each epoch until the limit or the end of patience."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    best_number, best_loss = 0, math.inf
    for number in range(1, config.epochs + 1):
        train_loss = _train_once(model, optimizer, train_rows, config.batch_size)
        validation = _score(model, validation_rows)
        is_best = validation.loss < best_loss
        if is_best:
            best_number, best_loss = number, validation.loss
        yield Epoch(number, config.epochs, train_loss, validation, is_best)
        if number - best_number >= config.patience:
            return


def _train_once(
    model: HybridClassifier, optimizer: torch.optim.Optimizer, rows: _Rows, batch_size: int
) -> float:
    """Take one step for each batch of the shuffled rows; return the mean loss of a row."""
    model.train()
    total = 0.0
    for batch in torch.randperm(len(rows.labels)).split(batch_size):
        optimizer.zero_grad()
        loss = cross_entropy(model(rows.features[batch]), rows.labels[batch])  # scalar
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    return total / len(rows.labels)


def _score(model: HybridClassifier, rows: _Rows) -> Score:
    with evaluating(model), torch.no_grad():
        logits = model(rows.features)  # (rows, classes)
    accuracy = (logits.argmax(dim=-1) == rows.labels).double().mean()
    return Score(accuracy.item(), cross_entropy(logits, rows.labels).item())


def _rows(dataset: Dataset, numbers: NDArray[np.int64]) -> _Rows:
    features = torch.from_numpy(dataset.features[numbers]).float()
    return _Rows(features, torch.from_numpy(dataset.labels[numbers]))
