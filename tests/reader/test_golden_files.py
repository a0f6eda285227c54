"""The second reader reads every golden file, and computes what the file and the simulator say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hybridx.artifact import OnnxArtifact, function_name, read_artifact
from hybridx.circuit import encode, simulate
from hybridx.runtime import engines
from hybridx.runtime.engines import start_engine
from hybridx.runtime.execution import Execution
from tests.circuits import inputs
from tests.golden.files import every
from tests.golden.test_golden import entries_of, tensors
from tests.tolerances import EXACT

FILES = [*every()]
# The circuits of others are compiled in, and a file for devices only was not run.
TESTED = [one for one in FILES if one.suffix in (".onnx", ".bundle") and one.stem != "no_body"]


def name_of(path):
    return f"{path.parent.name}/{path.stem}"


def names_in(artifact):
    """Return what the metadata call each circuit; in a file without functions it has no body."""
    if not getattr(artifact, "is_inlined", False):
        return {name: name for name in artifact.circuits}
    return {
        name: function_name(encode(circuit), None) for name, circuit in artifact.circuits.items()
    }


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_it_finds_the_digest_and_computes_each_circuit(path, reader):
    artifact = read_artifact(path)
    found = reader.describe(path)
    assert (found["format"], str(found["version"])) == tuple(path.parent.name.rsplit("-", 1))
    digest, own = found["digest"], artifact.digest
    assert (digest["sha256"], digest["parts"]) == (own.sha256, own.parts)
    assert digest["circuits"] == own.circuits
    # Null in a file of an old version, which states no digest.
    assert found["changed"] == (None if artifact.stated is None else [])
    names = names_in(artifact)
    assert {*found["circuits"]} == {*names.values()}
    for name, circuit in artifact.circuits.items():
        parameters = inputs(circuit, batch=3)
        results = reader.run_file(path, names[name], parameters)
        # Both are exact but for the rounding of double precision.
        np.testing.assert_allclose(results, simulate(circuit, parameters), rtol=0, atol=EXACT)


class InTheReader:
    """Runs circuits of a file in the second reader."""

    def __init__(self, reader, path, artifact):
        names = names_in(artifact)
        self._run = reader.run_file
        self._names = {id(circuit): names[name] for name, circuit in artifact.circuits.items()}
        self._path = path

    def run(self, _, circuit, parameters):
        """Run a circuit, or a derivative as it is, in the place of `run_on`."""
        return self._run(self._path, self._names[id(circuit)], parameters)


@pytest.mark.parametrize("path", TESTED, ids=name_of)
def test_with_it_a_file_gives_the_outputs_of_its_self_test(path, reader, monkeypatch):
    artifact = read_artifact(path)
    assert isinstance(artifact, OnnxArtifact)
    said = json.loads(entries_of(artifact)["hybridx.selftest"])
    engine = start_engine(artifact, Execution(device="default.qubit", dry_run=True))
    given = {name: array for name, (array, _) in tensors(said["inputs"]).items()}
    monkeypatch.setattr(engines, "run_on", InTheReader(reader, path, artifact).run)
    outputs = engine.run_with(given, engine.executor)
    for name, (expected, step) in tensors(said["outputs"]).items():
        found = outputs[name] if step == 1 else outputs[name].reshape(-1)[::step]
        # The outputs were recorded from compiled circuits, which may be off by the tolerance.
        error = np.abs(found.astype(float) - expected) / np.maximum(1, np.abs(expected))
        assert error.max() <= said["tolerance"] <= 1e-5
