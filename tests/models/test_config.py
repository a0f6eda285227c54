from __future__ import annotations

from dataclasses import replace

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hybridx
from hybridx.errors import (
    BeyondReadingError,
    ConfigError,
    FileMissingError,
    NotAFileError,
    OutputExistsError,
    TooLargeError,
)
from hybridx.models import (
    ClassicalModelConfig,
    DataConfig,
    ExperimentConfig,
    HybridClassifier,
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


# --- what comes from anybody ---------------------------------------------------------------------


def written(tmp_path, text):
    path = tmp_path / "c.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "{a=" * 10_000,
        ".".join(["a"] * 50_000) + " = 1",
        " . ".join(["a"] * 50_000) + " = 1",
        '"' + '"."'.join(["a"] * 50_000) + '" = 1',
        "[" + ".".join("a" * 17) + "]",
        "a = {" + "b." * 9_000 + "c = 1}",
        "a = '''\n''' # ]\n b = " + "[" * 99,
    ],
)
def test_what_nests_is_counted_before_it_is_read(text, tmp_path):
    with pytest.raises((TooLargeError, BeyondReadingError), match="the nesting of"):
        load_config(written(tmp_path, text))


@pytest.mark.parametrize(
    "more",
    [
        "# " + "[" * 99,
        "# a.b." * 99,
        "x = '" + "[" * 99 + "'",
        'x = """\n' + "{." * 99 + '\n"""',
        'x = "\\"' + "[" * 99 + '"',
        "x = '''\"" + "[" * 99 + "'''",
        "x = 1.5",
        "x = [[[]]]",
    ],
)
def test_brackets_and_dots_in_texts_do_not_nest(more, tmp_path):
    with pytest.raises(ConfigError, match=r"unknown key '(x|more)'"):
        load_config(written(tmp_path, f"{more}\nmore = 1\n{tomli_w.dumps(document())}"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"a = {'9' * 5_000}", "longer than the 64 bits"),
        (f"a = 0x{'f' * 100_000}", "a is longer than the 64 bits"),
        (f"[a]\nb = [1, {2**63}]", "a.b is longer than the 64 bits"),
        ('"' * 100_000, "not TOML"),
        ("x = '''" + "'" * 100_000, "not TOML"),
        ('x = """' + '"' * 100_000, "not TOML"),
        ("a = \0", "not TOML"),
        (b"\xff\xfe", "not TOML"),
    ],
    ids=range(8),
)
def test_what_is_no_toml_is_refused_at_once(text, problem, tmp_path):
    with pytest.raises(ConfigError, match=problem):
        load_config(written(tmp_path, text))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"quantum": {"n_qubits": 21}}, "simulated_wires"),
        ({"quantum": {"n_qubits": 3, "n_layers": 1_000}}, "config_gates"),
        ({"quantum": {"n_qubits": 3, "n_layers": 2**50}}, "config_gates"),
        ({"quantum": {"n_qubits": 3, "shots": 10**9}}, "config_shots"),
        ({"classical": {"input_dim": 2, "hidden_dims": [10**12, 3]}}, "config_weights"),
        ({"classical": {"input_dim": 2, "hidden_dims": [3] * 300}}, "config_layers"),
        ({"post_quantum_dim": 10**9}, "config_weights"),
        ({"epochs": 10**9}, "config_epochs"),
    ],
)
def test_a_model_is_counted_before_it_is_made(changes, name, tmp_path):
    config = document()
    wires = changes.get("quantum", {}).get("n_qubits", 3)
    config["model"]["classical"]["hidden_dims"] = [wires]
    config["training" if "epochs" in changes else "model"] |= changes
    with pytest.raises(TooLargeError) as refused:
        load_config(written(tmp_path, tomli_w.dumps(config)))
    assert refused.value.name == name


def test_the_size_of_a_model_is_what_torch_makes(tmp_path):
    weights = sum(one.numel() for one in HybridClassifier(MODEL).parameters())
    path = written(tmp_path, tomli_w.dumps(document()))
    with hybridx.limits(config_weights=weights):
        load_config(path)
    with hybridx.limits(config_weights=weights - 1), pytest.raises(TooLargeError):
        load_config(path)


def test_a_long_file_and_a_device_in_place_of_a_table_are_refused(tmp_path):
    with pytest.raises(TooLargeError, match="the size of"):
        load_config(written(tmp_path, "#" * 1_000_001))
    config = document()
    config["data"]["csv"] = "/dev/zero"
    with pytest.raises(NotAFileError):
        load_config(written(tmp_path, tomli_w.dumps(config)))
    config["data"]["csv"] = "x" * 5_000
    load_config(written(tmp_path, tomli_w.dumps(config)))  # only training needs the table


def test_a_backend_is_a_device(tmp_path):
    config = document()
    config["model"]["quantum"]["backend"] = "os.system"
    with pytest.raises(ConfigError, match=r"backend is 'os.system', and no device has that name"):
        load_config(written(tmp_path, tomli_w.dumps(config)))
    config["model"]["quantum"]["backend"] = "qiskit.remote"
    assert load_config(written(tmp_path, tomli_w.dumps(config))).model.quantum.backend
