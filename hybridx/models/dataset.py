"""Samples of a CSV table, and their split into training, validation and test rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridx.errors import TableError
from hybridx.models.config import DataConfig, TrainingConfig
from hybridx.storage import Kind, TableData, open_data, read_whole_columns


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled samples, row by row as in the table.

    Attributes:
        path: of the table, for messages.
        features: float64, shape `(rows, features)`, in the table's units.
        labels: int64, shape `(rows,)`; number of the class in `classes`.
        classes: class names, in the order of the logits.
    """

    path: str
    features: NDArray[np.float64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Row numbers (0 is the first row below the header), int64, ascending, no row twice.

    Attributes:
        train: rows that the optimiser sees.
        validation: rows that choose the best epoch.
        test: rows held out until the end.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def read_dataset(config: DataConfig, folder: Path) -> Dataset:
    """Read the samples that a config names.

    Args:
        config: table, columns and classes.
        folder: what the table's path is relative to.

    Raises:
        FileMissingError: the table cannot be read.
        TableError: a column is missing, a cell is not a number, or a class is not listed.
    """
    path = str(folder / config.csv)
    with open_data(path, columns=config.features) as table:
        if not isinstance(table, TableData):
            raise TableError(path, "it is not a table", "give a table such as a .csv file")
        wanted: list[tuple[str, Kind]] = [(config.target, str)]
        wanted += [(name, float) for name in config.features]
        cells, *features = read_whole_columns(table, wanted)
    numbers = {name: number for number, name in enumerate(config.classes)}
    for row, cell in enumerate(cells, start=1):
        if cell not in numbers:
            raise TableError(
                path,
                f"row {row}, column {config.target!r}: {cell!r} is not in data.classes",
                f"data.classes has: {', '.join(config.classes)}",
            )
    labels = np.array([numbers[cell] for cell in cells], dtype=np.int64)
    return Dataset(path, np.stack(features, axis=-1), labels, config.classes)


def split_dataset(dataset: Dataset, config: TrainingConfig) -> Split:
    """Split the rows so that every class has the same fractions in each part.

    The rows of a class are shuffled by the seed and split at the rounded fractions.

    Args:
        dataset: the samples.
        config: seed and fractions.

    Raises:
        TableError: a class has too few rows for one in each part.
    """
    generator = np.random.default_rng(config.seed)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for number, name in enumerate(dataset.classes):
        rows = generator.permutation(np.flatnonzero(dataset.labels == number))
        test = round(config.test_fraction * len(rows))
        train = test + round(config.validation_fraction * len(rows))
        if not 0 < test < train < len(rows):
            raise TableError(
                dataset.path,
                f"class {name!r} has {len(rows)} rows, too few to train, validate and test",
                "add rows of this class, or change the fractions in [training]",
            )
        for part, chosen in zip(parts, np.split(rows, [test, train]), strict=True):
            part.extend(chosen.tolist())
    test_rows, validation_rows, train_rows = (np.array(sorted(part)) for part in parts)
    return Split(train_rows, validation_rows, test_rows)
