"""Samples of hybridx-web have the distribution of those of `hybridx run --shots`.

Both give the same row again and again, with few shots, so that the outputs have few values. A
chi-squared test compares how often each combination of outputs of a row came. So it sees what each
output gives, and also which outputs come of the same shots. Seeds are fixed: a test passes each
time or never. A right sampler fails one in `1 / SIGNIFICANCE` of such tests.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency

import hybridx
from hybridx.circuit import has_channel, parse, result_count
from tests.cli.shell import command
from tests.reader.javascript import node
from tests.runtime.models import GRAPHS, build

SERVE = Path(__file__).with_name("serve.mjs")
SIGNIFICANCE = 1e-3
PLAIN_TO_SEE = 1e-9
"""Where a planted wrong sampler is below, it would have been seen with other seeds too."""
ROWS = 1500
FEWEST = 5
"""Combinations that are expected less often are counted together, as the test needs."""

START = "RY 0 p[0]; CNOT 0 1; RX 1 p[1]; RZ 0 0.7; RY 0 0.4; "
# By name, what is measured, and in how many shots.
CIRCUITS = {
    "in one basis": (START + "expval Z0; expval Z1; expval Z0@Z1", 6),
    "in many bases": (START + "expval X0; expval Y0; expval Z1; expval X0@Z1; expval Z0", 2),
    "a sum": (START + "expval 0.5*X0 + -1.0*Z1 + 0.25*Z0@Z1; expval Y1", 4),
    "probabilities": (START + "probs 0 1; probs 1; expval Z0", 3),
    "variances": (START + "var Z0; var 0.5*Z0 + 0.25*Z1; expval Z1", 6),
    "a variance in the eigenbasis": (START + "var 0.75*X0 + 0.5*Z0@Z1 + 0.5*Y1; expval Z0", 3),
    "noise": (
        "RY 0 p[0]; channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]; CNOT 0 1; RX 1 p[1]; "
        "expval X0; expval Z1; expval Z0@Z1; probs 1",
        3,
    ),
}
# Models with classical parts between circuits, which depend on each other.
MODELS = {"one behind another": 4, "side by side, unlike depths": 3, "without data": 5}
WRONG = [
    ("in one basis", "apart"),
    ("in one basis", "turned"),
    ("probabilities", "apart"),
    ("probabilities", "turned"),
    ("in many bases", "apart"),
    ("noise", "turned"),
]


class Sampler:
    """The package in a process of Node.js, which samples files."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [node(), str(SERVE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def close(self) -> None:
        self._process.communicate()

    def run(self, path: Path, inputs: np.ndarray, shots: int, **more: Any) -> np.ndarray:
        """Return the output `y` of a file for its input `x`."""
        request = {"path": str(path), "inputs": {"x": inputs.tolist()}, "shots": shots, "seed": 3}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request | more) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "broken" not in answer, answer["broken"]
        return np.array(answer["y"])


@pytest.fixture(scope="module")
def sampler(workspace) -> Iterator[Sampler]:
    running = Sampler()
    yield running
    running.close()


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.repeat(np.array([[0.9, -0.6]], np.float32), ROWS, axis=0)


@pytest.fixture(scope="module")
def circuits(tmp_path_factory) -> dict[str, Path]:
    """A model for each circuit, of the circuit and no more."""
    folder = tmp_path_factory.mktemp("circuits")
    found = {}
    for name, (text, _) in CIRCUITS.items():
        path = folder / f"{name}.onnx"
        width = result_count(parse(text))
        path.write_bytes(build([(text, ["x"], "y")], [("y", ["batch", width])]).content)
        found[name] = path
    return found


@pytest.fixture(scope="module")
def by_python(circuits, rows) -> dict[str, np.ndarray]:
    """What PennyLane's device gives for each circuit."""
    found = {}
    for name, (text, shots) in CIRCUITS.items():
        device = "default.mixed" if has_channel(parse(text)) else "default.qubit"
        session = hybridx.load(circuits[name], device=device, shots=shots, seed=11)
        found[name] = session.run({"x": rows})["y"]
    return found


@pytest.mark.parametrize("name", CIRCUITS)
def test_a_circuit_is_sampled_as_on_a_device(name, circuits, by_python, rows, sampler):
    found = sampler.run(circuits[name], rows, CIRCUITS[name][1])
    assert p_value(found, by_python[name]) > SIGNIFICANCE


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_sampled_as_on_a_device(name, tmp_path, rows, sampler):
    path = tmp_path / "model.onnx"
    path.write_bytes(GRAPHS[name]().content)
    session = hybridx.load(path, device="default.qubit", shots=MODELS[name], seed=12)
    found = sampler.run(path, rows, MODELS[name])
    assert p_value(found, session.run({"x": rows})["y"]) > SIGNIFICANCE


def test_the_command_gives_the_same_distribution(circuits, rows, sampler, tmp_path):
    np.save(tmp_path / "x.npy", rows)
    words = [
        *("run", circuits["in one basis"], "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy"),
        *("--device", "default.qubit", "--shots", "6", "--seed", "13"),
    ]
    made = command(*map(str, words), folder=tmp_path)
    assert made.code == 0, made.talk
    found = sampler.run(circuits["in one basis"], rows, 6)
    assert p_value(found, np.load(tmp_path / "y.npy")) > SIGNIFICANCE


@pytest.mark.parametrize(("name", "planted"), WRONG)
def test_a_wrong_sampler_is_seen(name, planted, circuits, by_python, rows, sampler):
    found = sampler.run(circuits[name], rows, CIRCUITS[name][1], planted=planted)
    assert p_value(found, by_python[name]) < PLAIN_TO_SEE


def test_a_wrong_number_of_shots_is_seen(circuits, by_python, rows, sampler):
    found = sampler.run(circuits["in one basis"], rows, CIRCUITS["in one basis"][1] + 2)
    assert p_value(found, by_python["in one basis"]) < PLAIN_TO_SEE


def test_equal_seeds_give_equal_samples(circuits, rows, sampler):
    path = circuits["in many bases"]
    first, again, other = (sampler.run(path, rows, 2, seed=seed) for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()


def p_value(first: np.ndarray, second: np.ndarray) -> float:
    """Return how probable two samples of outputs are that differ at least so much by chance."""
    counts = [
        Counter(map(tuple, np.round(sample.astype(np.float64), 4).tolist()))
        for sample in (first, second)
    ]
    every = sorted({*counts[0], *counts[1]})
    table = np.array([[count[one] for one in every] for count in counts])
    share = table.sum(axis=1, keepdims=True) / table.sum()
    is_rare = (share * table.sum(axis=0)).min(axis=0) < FEWEST
    rest = table[:, is_rare].sum(axis=1, keepdims=True)
    kept = np.hstack([table[:, ~is_rare], rest]) if rest.sum() else table
    assert kept.shape[1] > 1, "the outputs of all rows are equal"
    return float(chi2_contingency(kept).pvalue)
