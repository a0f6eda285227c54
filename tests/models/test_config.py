from __future__ import annotations

from dataclasses import replace

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridx.errors import ConfigError, FileMissingError, OutputExistsError
from hybridx.models import (
    ClassicalModelConfig,
    DataConfig,
    ExperimentConfig,
    HybridModelConfig,
    QuantumLayerConfig,
    TrainingConfig,
    load_config,
    save_config,
)

DATA = DataConfig("rows.csv", ("a", "b"), "kind", ("x", "y", "z"))
MODEL = HybridModelConfig(ClassicalModelConfig(2, (3,)), QuantumLayerConfig(3), n_classes=3)
CONFIG = ExperimentConfig(DATA, MODEL, TrainingConfig(seed=0))


def document():
    return {
        "data": {
            "csv": "rows.csv",
            "features": ["a", "b"],
            "target": "kind",
            "classes": ["x", "y", "z"],
        },
        "model": {
            "n_classes": 3,
            "classical": {"input_dim": 2, "hidden_dims": [3]},
            "quantum": {"n_qubits": 3},
        },
        "training": {"seed": 0},
    }


fractions = st.floats(0, 0.5, exclude_min=True, exclude_max=True)


@st.composite
def experiments(draw):
    wires = draw(st.integers(1, 9))
    hidden = (*draw(st.lists(st.integers(1, 99), max_size=3)), wires)
    names = st.lists(st.text('abc é"\n\\', min_size=1), min_size=2, max_size=4, unique=True)
    columns, classes = draw(names), draw(names)
    return ExperimentConfig(
        DataConfig(draw(st.text(min_size=1)), tuple(columns[1:]), columns[0], tuple(classes)),
        HybridModelConfig(
            ClassicalModelConfig(
                len(columns) - 1,
                hidden,
                draw(st.sampled_from(["relu", "gelu", "tanh"])),
                draw(fractions),
            ),
            QuantumLayerConfig(
                wires,
                draw(st.integers(1, 9)),
                draw(st.none() | st.just("default.qubit")),
                draw(st.none() | st.integers(1, 9999)),
            ),
            len(classes),
            draw(st.none() | st.integers(1, 9)),
            draw(st.booleans()),
        ),
        TrainingConfig(
            seed=draw(st.integers(0, 2**63 - 1)),
            learning_rate=draw(fractions),
            weight_decay=draw(fractions),
            validation_fraction=draw(fractions),
            test_fraction=draw(fractions),
        ),
    )


@given(config=experiments())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_saved_config_is_read_back_exactly(tmp_path, config):
    path = tmp_path / "config.toml"
    save_config(config, path, overwrite=True)
    assert load_config(path) == config


def test_a_config_is_not_overwritten_unasked(tmp_path):
    path = tmp_path / "config.toml"
    save_config(CONFIG, path)
    with pytest.raises(OutputExistsError):
        save_config(CONFIG, path)


def test_keys_with_a_default_may_be_left_out(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(tomli_w.dumps(document()))
    assert load_config(path) == CONFIG


def drop(table, *keys):
    *parents, last = keys
    for key in parents:
        table = table[key]
    del table[last]


def put(table, value, *keys):
    *parents, last = keys
    for key in parents:
        table = table[key]
    table[last] = value


@pytest.mark.parametrize(
    ("value", "keys", "named"),
    [
        (1, ("model", "classical", "depth"), "unknown key 'model.classical.depth'"),
        (1, ("extra",), "unknown key 'extra'"),
        ("2", ("model", "quantum", "n_qubits"), "`str` - at `model.quantum.n_qubits`"),
        (True, ("training", "seed"), "`bool` - at `training.seed`"),
        (1.0, ("training", "epochs"), "`float` - at `training.epochs`"),
        ([3, "3"], ("model", "classical", "hidden_dims"), "hidden_dims[1]"),
        ("sine", ("model", "classical", "activation"), "model.classical.activation"),
        (-1, ("training", "seed"), "seed is -1; it must be a whole number of at least 0"),
        (
            0.0,
            ("training", "learning_rate"),
            "learning_rate is 0.0; it must be a number in (0, 1)",
        ),
        (-0.5, ("training", "weight_decay"), "weight_decay is -0.5"),
        (0.9, ("training", "test_fraction"), "their sum must be below 1"),
        (0, ("training", "patience"), "patience is 0"),
        (0, ("training", "batch_size"), "batch_size is 0"),
        (0, ("training", "epochs"), "epochs is 0"),
        ("", ("data", "csv"), "csv is ''"),
        ("a", ("data", "target"), "target is 'a'; it must not be one of the features"),
        (["a", "a"], ("data", "features"), "features is ('a', 'a')"),
        (["a", ""], ("data", "features"), "features[1] is ''"),
        (["x"], ("data", "classes"), "classes is ('x',)"),
        (["x", "y"], ("data", "classes"), "model.n_classes is 3; data.classes has 2"),
        (["a"], ("data", "features"), "model.classical.input_dim is 2; data.features has 1"),
        (4, ("model", "quantum", "n_qubits"), "n_qubits = 4"),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(tmp_path, value, keys, named):
    changed = document()
    put(changed, value, *keys)
    path = tmp_path / "config.toml"
    path.write_text(tomli_w.dumps(changed))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.path == str(path)
    assert named in caught.value.problem


@pytest.mark.parametrize(
    "keys", [("training", "seed"), ("data", "csv"), ("model", "quantum"), ("model", "n_classes")]
)
def test_a_missing_key_is_refused_by_name(tmp_path, keys):
    changed = document()
    drop(changed, *keys)
    path = tmp_path / "config.toml"
    path.write_text(tomli_w.dumps(changed))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert keys[-1] in caught.value.problem
    assert keys[0] in caught.value.problem


@pytest.mark.parametrize("content", [b"[data", b"\xff\xfe"])
def test_what_is_not_toml_is_refused(tmp_path, content):
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not TOML"):
        load_config(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileMissingError):
        load_config(tmp_path / "none.toml")


def test_changing_one_part_checks_the_whole_again():
    with pytest.raises(ValueError, match=r"data\.features has 3"):
        replace(CONFIG, data=replace(DATA, features=("a", "b", "c")))
