"""An experiment as one TOML file: the model, its data and its training."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from hybridx.bounds import (
    CONFIG_BYTES,
    CONFIG_DEPTH,
    CONFIG_EPOCHS,
    CONFIG_GATES,
    CONFIG_LAYERS,
    CONFIG_SHOTS,
    CONFIG_WEIGHTS,
    SIMULATED_WIRES,
    refuse_above,
)
from hybridx.errors import ConfigError, FileMissingError
from hybridx.models.checks import (
    OPEN_UNIT,
    UNIT,
    check_count,
    check_name,
    check_names,
    check_number,
)
from hybridx.models.hybrid_model import HybridModelConfig
from hybridx.models.quantum_layers import is_backend
from hybridx.storage import check_readable, read_bytes, write_whole

# The whole numbers of TOML have 64 bits with the sign.
SEED_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class DataConfig:
    """The table with the samples, and which of its columns are used.

    Attributes:
        csv: path of the table, relative to the folder of the TOML file; no default.
        features: columns of numbers that the model takes, in this order; at least one, all
            different, no default.
        target: column of class names, not a feature; no default.
        classes: the class names in the order of the logits; two or more, all different, no
            default.

    Raises:
        ValueError: a value is outside its range.
    """

    csv: str
    features: tuple[str, ...]
    target: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check every field."""
        check_name("csv", self.csv)
        check_names("features", self.features, minimum=1)
        check_name("target", self.target)
        check_names("classes", self.classes, minimum=2)
        if self.target in self.features:
            raise ValueError(f"target is {self.target!r}; it must not be one of the features")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How the weights are trained.

    Attributes:
        seed: start of every random number (split, weights, order, dropout); from 0 to
            2**63 - 1, no default.
        epochs: most passes over the training rows; at least 1, default 100.
        patience: epochs without a lower validation loss after which training stops; at least 1,
            default 20.
        batch_size: rows per step; at least 1, default 16.
        learning_rate: step size of AdamW, in (0, 1); default 0.01.
        weight_decay: decoupled decay of AdamW, in [0, 1); default 0.01.
        validation_fraction: share of each class that chooses the best epoch, in (0, 1);
            default 0.2.
        test_fraction: share of each class held out until the end, in (0, 1); default 0.2.

    Raises:
        ValueError: a value is outside its range, or the fractions leave no training rows.
    """

    seed: int
    epochs: int = 100
    patience: int = 20
    batch_size: int = 16
    learning_rate: float = 0.01
    weight_decay: float = 0.01
    validation_fraction: float = 0.2
    test_fraction: float = 0.2

    def __post_init__(self) -> None:
        """Check every field."""
        check_count("seed", self.seed, minimum=0)
        if self.seed >= SEED_LIMIT:
            raise ValueError(f"seed is {self.seed}; it must be below 2**63")
        check_count("epochs", self.epochs)
        check_count("patience", self.patience)
        check_count("batch_size", self.batch_size)
        check_number("learning_rate", self.learning_rate, OPEN_UNIT)
        check_number("weight_decay", self.weight_decay, UNIT)
        check_number("validation_fraction", self.validation_fraction, OPEN_UNIT)
        check_number("test_fraction", self.test_fraction, OPEN_UNIT)
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"validation_fraction is {self.validation_fraction} and test_fraction is "
                f"{self.test_fraction}; their sum must be below 1"
            )


@dataclass(frozen=True, slots=True)
class ExperimentConfig:
    """Everything that a training run depends on, besides the rows of the table.

    Attributes:
        data: the table of samples.
        model: the classifier; takes as many inputs and gives as many logits as `data` names.
        training: how the weights are trained.

    Raises:
        ValueError: model and data do not fit together.
    """

    data: DataConfig
    model: HybridModelConfig
    training: TrainingConfig

    def __post_init__(self) -> None:
        """Check that model and data fit together."""
        width, columns = self.model.classical.input_dim, len(self.data.features)
        if width != columns:
            raise ValueError(f"model.classical.input_dim is {width}; data.features has {columns}")
        logits, names = self.model.n_classes, len(self.data.classes)
        if logits != names:
            raise ValueError(f"model.n_classes is {logits}; data.classes has {names}")


def load_config(path: Path) -> ExperimentConfig:
    """Read an experiment from a TOML file.

    A key with a default may be left out. A key is left out for None, which TOML cannot write.

    Raises:
        FileMissingError: the file cannot be read.
        NotAFileError: it, or the table that it names, is a pipe, a device or a socket.
        TooLargeError: it, or the model that it describes, is over a bound.
        ConfigError: it is not TOML, or a key is unknown, missing or of the wrong type, or a value
            is outside its range. The error names the key.
    """
    document = _document(path)
    try:
        config = msgspec.convert(document, ExperimentConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(str(path), str(error).replace("`$.", "`")) from error
    known = set(_keys(msgspec.to_builtins(config)))
    unknown = [key for key in _keys(document) if key not in known]
    if unknown:
        raise ConfigError(str(path), f"unknown key {unknown[0]!r}")
    _check_size(config, path)
    backend = config.model.quantum.backend
    if backend is not None and not is_backend(backend):
        problem = f"model.quantum.backend is {backend!r}, and no device has that name"
        raise ConfigError(str(path), problem)
    with suppress(FileMissingError):  # only training needs the table
        check_readable(path.parent / config.data.csv)
    return config


def save_config(config: ExperimentConfig, path: Path, *, overwrite: bool = False) -> None:
    """Write an experiment as TOML; `load_config` gives an equal one back.

    Raises:
        OutputExistsError: `path` exists and may not be replaced.
        NotWritableError: the file system refuses.
    """
    document = _without_none(msgspec.to_builtins(config))
    write_whole(path, tomli_w.dumps(document).encode(), overwrite=overwrite)


def _document(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        ConfigError: it is not TOML.
        TooLargeError: it is too long, or tables and lists in it are too deep.
    """
    try:
        text = read_bytes(path, CONFIG_BYTES).decode()
        refuse_above(CONFIG_DEPTH, _nesting(text), f"the nesting of {path}")
        document = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), f"it is not TOML: {error}") from error
    except ValueError as error:  # Python reads no number of thousands of digits
        raise ConfigError(str(path), f"it is not TOML: a number {_TOO_LONG}") from error
    for key, value in _values(document):
        if isinstance(value, int) and not -SEED_LIMIT <= value < SEED_LIMIT:
            raise ConfigError(str(path), f"it is not TOML: {key} {_TOO_LONG}")
    return document


_TOO_LONG = "is longer than the 64 bits of a whole number"
# Texts and comments, closed or not, so that what is inside of them does not count; then what nests.
_TOKEN = re.compile(
    r'''"""(?:[^"\\]++|\\.|"(?!""))*+(?:"""|\Z) | "(?:[^"\\\n]++|\\.)*+"? | \#[^\n]*+'''
    r"""|'''(?:[^']++|'(?!''))*+(?:'''|\Z) | '[^'\n]*+'? | [][{}.,=\n]""",
    re.DOTALL | re.VERBOSE,
)
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def _nesting(text: str) -> int:
    """Return how deep a TOML text nests: by brackets, or by the dots of a name.

    Example:
        >>> _nesting("a.b.c = [[1], ']]]']"), _nesting("a = 1.5 # [[[[")
        (3, 2)
    """
    depth = deepest = parts = 0
    for token in _TOKEN.finditer(text):
        found = token.group()
        if found == ".":
            parts += 1
        elif found in ",=\n" or found in _STEP:
            parts = 0
        depth = max(0, depth + _STEP.get(found, 0))
        deepest = max(deepest, depth, parts + 1)
    return deepest


def _values(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all values of a document that hold no others, with their dotted names."""
    match value:
        case dict():
            for name, one in value.items():
                yield from _values(one, f"{key}.{name}" if key else name)
        case list():
            for one in value:
                yield from _values(one, key)
        case _:
            yield key, value


def _check_size(config: ExperimentConfig, path: Path) -> None:
    """Refuse a model that is too large to be made here.

    Raises:
        TooLargeError: it is over a bound.
    """
    model, training = config.model, config.training
    classical, quantum = model.classical, model.quantum
    refuse_above(CONFIG_LAYERS, len(classical.hidden_dims), f"the number of layers of {path}")
    widths = (classical.input_dim, *classical.hidden_dims)
    extractor = sum(width * (before + 3) for before, width in pairwise(widths))
    between = quantum.n_qubits if model.post_quantum_dim is None else model.post_quantum_dim
    head = between * (quantum.n_qubits + 3) + model.n_classes * (between + 1)
    rotations = 3 * quantum.n_layers * quantum.n_qubits
    weights = extractor + rotations + head
    refuse_above(SIMULATED_WIRES, quantum.n_qubits, f"the number of wires of {path}")
    gates = (rotations + quantum.n_layers * quantum.n_qubits) + quantum.n_qubits
    refuse_above(CONFIG_GATES, gates, f"the number of gates of {path}")
    refuse_above(CONFIG_WEIGHTS, weights, f"the number of weights of {path}")
    refuse_above(CONFIG_SHOTS, quantum.shots or 0, f"the number of shots of {path}")
    refuse_above(CONFIG_EPOCHS, training.epochs, f"the number of epochs of {path}")


def _keys(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all keys of a table and of the tables in it."""
    for key, value in table.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }
