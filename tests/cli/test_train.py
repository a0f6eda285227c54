"""`hybridx train` and a config as SOURCE."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import command, listing

EXPORTED = Path(__file__).resolve().parents[2] / "exported"


@pytest.fixture
def short(tmp_path):
    """The reference experiment, cut to two epochs."""
    text = (EXPORTED / "iris.toml").read_text()
    (tmp_path / "iris.toml").write_text(text.replace("epochs = 100 ", "epochs = 2 "))
    (tmp_path / "iris.csv").write_bytes((EXPORTED / "iris.csv").read_bytes())
    return tmp_path


@pytest.mark.slow  # trains twice
def test_training_repeats_and_does_not_overwrite(short):
    first = command("train", "iris.toml", "--json", folder=short)
    assert first.json()["epochs_run"] == 2
    files = listing(short)
    assert {"iris.safetensors", "iris.metrics.json"} <= set(files)

    refused = command("train", "iris.toml", folder=short)
    assert (refused.code, "HX301" in refused.talk) == (3, True)

    again = command("train", "iris.toml", "--overwrite", folder=short)
    assert again.code == 0
    assert "held out" in again.out
    assert listing(short) == files


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        pytest.param(("epochs = 2 ", "epochs = 0 "), "epochs", marks=pytest.mark.slow),
        (("n_qubits = 6 ", "n_qubits = 5 "), "5"),
        pytest.param(('target = "species"', 'target = "genus"'), "genus", marks=pytest.mark.slow),
        pytest.param(("seed = 1936 ", "seeds = 1936 "), "`seed`", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_config_is_refused(short, change, fact):
    path = short / "iris.toml"
    path.write_text(path.read_text().replace(*change))
    before = listing(short)
    finished = command("train", "iris.toml", folder=short)
    assert finished.code == 3
    assert fact in finished.talk
    assert "help:" in finished.talk
    assert "Traceback" not in finished.talk
    assert listing(short) == before
