from __future__ import annotations

import numpy as np
import pytest

from hybridx.errors import FileMissingError, TableError
from hybridx.models import DataConfig, Dataset, TrainingConfig, read_dataset, split_dataset


def labelled(*counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    labels = np.random.default_rng(0).permutation(labels)
    classes = tuple(f"class {number}" for number in range(len(counts)))
    return Dataset("rows.csv", np.zeros((len(labels), 1)), labels, classes)


def test_columns_and_classes_come_in_the_order_of_the_config(tmp_path):
    (tmp_path / "rows.csv").write_text("a,kind,b\n1,y,2.5\n3,x,-4\n")
    config = DataConfig("rows.csv", ("b", "a"), "kind", ("x", "y"))
    dataset = read_dataset(config, tmp_path)
    assert dataset.features.tolist() == [[2.5, 1.0], [-4.0, 3.0]]
    assert dataset.labels.tolist() == [1, 0]
    assert dataset.classes == ("x", "y")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a,kind\n1,x\n2,z\n", "row 2, column 'kind': 'z' is not in data.classes"),
        ("a,sort\n1,x\n", "no column 'kind'"),
        ("b,kind\n1,x\n", "no column 'a'"),
        ("a,kind\none,x\n", "'one' is not a number"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, content, problem):
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(TableError, match=problem):
        read_dataset(DataConfig("rows.csv", ("a",), "kind", ("x", "y")), tmp_path)


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(FileMissingError):
        read_dataset(DataConfig("rows.csv", ("a",), "kind", ("x", "y")), tmp_path)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_split_is_disjoint_covers_everything_and_shares_out_each_class(seed):
    dataset = labelled(50, 20, 10)
    config = TrainingConfig(seed=seed, validation_fraction=0.1, test_fraction=0.3)
    split = split_dataset(dataset, config)
    parts = [split.train, split.validation, split.test]
    assert sorted(np.concatenate(parts).tolist()) == list(range(80))
    assert all(part.tolist() == sorted(part.tolist()) for part in parts)
    counts = [np.bincount(dataset.labels[part]).tolist() for part in parts]
    assert counts == [[30, 12, 6], [5, 2, 1], [15, 6, 3]]


def test_the_seed_decides_the_split():
    dataset = labelled(20, 20)
    first, again, other = (
        split_dataset(dataset, TrainingConfig(seed=seed)).test.tolist() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("counts", [(20, 2), (20, 0)])
def test_a_class_too_small_for_every_part_is_refused(counts):
    with pytest.raises(TableError, match=f"class 'class 1' has {counts[1]} rows"):
        split_dataset(labelled(*counts), TrainingConfig(seed=0))
