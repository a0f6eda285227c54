"""MLflow with a registry on SQLite: what is logged, and what comes back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import textwrap
import time
import tomllib
import urllib.error
import urllib.request

import numpy as np
import pytest

import hybridx
from hybridx.artifact import Metadata, SelfTest
from tests.documents.blocks import blocks
from tests.fresh_machine import ROOT, fresh
from tests.runtime.models import GRAPHS, TURN, build
from tests.signing.given import GOLDEN

TABLE = GOLDEN / "onnx-3" / "classifier.onnx"
TENSORS = GOLDEN / "onnx-3" / "named.onnx"
FEW = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}


@pytest.fixture(scope="module")
def mlflow(environment):
    return environment("mlflow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def said(mlflow, folder):
    (folder / "bare.onnx").write_bytes(GRAPHS["a circuit and no more"]().content)
    (folder / "foreign").mkdir()
    (folder / "foreign" / "MLmodel").write_text("flavors:\n  other: {}\n")
    x = np.ones((2, 2), dtype=np.float32)
    wrong = Metadata("0", self_test=SelfTest({"x": x}, {"y": x}, 1e-5))
    spoilt = build([(TURN, ["x"], "y")], [("y", ["batch", 2])], metadata=wrong)
    (folder / "spoilt.onnx").write_bytes(spoilt.content)
    return mlflow("log_and_load.py", folder, TABLE, TENSORS, **FEW)


@pytest.mark.parametrize(("name", "path"), [("table", TABLE), ("tensors", TENSORS)])
def test_the_file_stays_as_it_is_and_its_circuits_lie_beside_it(said, name, path):
    files = said[name]["files"]
    assert files[f"data/{path.name}"] == hashlib.sha256(path.read_bytes()).hexdigest()
    count = len(hybridx.inspect(path).circuits)
    for ending in ("svg", "txt", "qasm"):
        found = [one for one in files if one.endswith(f".{ending}") and one.startswith("circuit_")]
        assert len(found) == count, files
    assert "README.md" in files
    assert said[name]["flavor"]["digest"] == hybridx.inspect(path).digest.sha256


def test_the_signature_is_that_of_the_file(said):
    def named(specs):
        return [
            (one["name"], one["tensor-spec"]["dtype"], one["tensor-spec"]["shape"]) for one in specs
        ]

    assert named(said["tensors"]["inputs"]) == [
        ("x", "float32", [-1, 2]),
        ("ids", "int64", [-1]),
        ("parts_left", "float32", [-1, 2]),
    ]
    assert named(said["tensors"]["outputs"])[0] == ("first", "float32", [-1, 2])
    assert named(said["table"]["inputs"]) == [(one, "float32", [-1]) for one in ("a", "b", "c")]
    assert named(said["table"]["outputs"]) == [
        (one, "float32", [-1]) for one in ("output_0", "output_1")
    ]
    assert named(said["arrays"]["inputs"]) == [("input", "float32", [-1, 3])]


def test_the_example_is_the_self_test_and_is_predicted(said):
    for name, path in (("tensors", TENSORS), ("arrays", TABLE)):
        assert said[name]["example"] == said[name]["rows"]
        session = hybridx.load(path)
        wanted = session.run(session.metadata.self_test.inputs)
        for output, array in wanted.items():
            found = np.float32(said[name]["predicted"][output])
            np.testing.assert_array_equal(found, array)
    (rows,) = said["table"]["rows"].values()
    assert [*map(list, zip(*said["table"]["example"].values(), strict=True))] == rows


def test_what_pip_installs_is_what_runs_a_file(said):
    for name in ("table", "tensors"):
        required = dict(one.split("==") for one in said[name]["requirements"])
        assert required.pop("mlflow") == "3.17.2"
        assert required.pop("hybridx") == said["hybridx"]
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        wanted = {one.partition(">")[0] for one in project["dependencies"]}
        assert required.keys() == wanted
        assert "torch" not in required


def test_each_model_has_a_version_in_the_registry(said):
    assert {name: int(version) for name, version in said["registered"].items()} == {
        f"registered-{name}": 1 for name in ("table", "tensors", "arrays")
    }


def test_tables_and_arrays_give_what_a_session_gives(said):
    rows = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], dtype=np.float32)
    exact = hybridx.load(TABLE)(rows)
    np.testing.assert_array_equal(np.float32(said["session"]), exact)
    # Columns in another order, and one more, which MLflow leaves out.
    columns = [said["frame"][f"output_{place}"] for place in range(2)]
    np.testing.assert_array_equal(np.float32(columns).T, exact)
    for way in ("array", "by name", "lists"):
        np.testing.assert_array_equal(np.float32(said[way]["output"]), exact)
    scored = [[row["output_0"], row["output_1"]] for row in said["scored"]["predictions"]]
    np.testing.assert_array_equal(np.float32(scored), exact)
    assert said["raw"] == "Session"


@pytest.mark.parametrize(
    ("what", "text", "cause"),
    [
        ("column", "missing inputs ['a']", ""),
        ("text", "could not convert", ""),
        ("index", "Failed to enforce schema", ""),
        ("dtype", "does not match expected dtype float32", ""),
        ("shape", "(2, 2)", ""),
        ("rows", "HX045", "RequestTooLargeError"),
        ("setting", "HX043", ""),
        ("device", "device 'no'", ""),
        ("no self-test", "HX307", ""),
        ("no columns", "HX021", ""),
        ("foreign", "was not logged by hybridx", ""),
        ("spoilt", "HX601", ""),
    ],
)
def test_what_does_not_fit_is_refused(said, what, text, cause):
    found, of = said["refused"][what]
    assert text in found
    assert not cause or of == cause


def test_the_server_of_mlflow_scores_with_what_its_operator_has_fixed(mlflow, said, folder):
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port = opened.getsockname()[1]
    command = "models serve -m models:/registered-table/1 --env-manager local -h 127.0.0.1 -p"
    variables = fresh(os.environ, folder) | FEW
    variables["PATH"] = f"{mlflow.python.parent}{os.pathsep}{variables['PATH']}"
    variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/store.db"
    variables["MLFLOW_PYFUNC_INFERENCE_CONFIG"] = '{"rows": 4}'
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [str(mlflow.python), "-m", "mlflow", *command.split(), str(port)],
            cwd=folder,
            env=variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def ask(document, path="/invocations"):
        body = document if document is None else json.dumps(document).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", body, {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    try:
        end = time.monotonic() + 60
        while ask(None, "/health")[0] != 200:
            assert server.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < end, (folder / "server.log").read_text()
            time.sleep(0.05)
        exact = hybridx.load(TABLE)(np.array([[0.1, 0.2, 0.3]], dtype=np.float32))
        split = {"columns": ["c", "a", "b"], "data": [[0.3, 0.1, 0.2]]}
        named = {"a": [0.1], "b": [0.2], "c": [0.3]}
        for document in ({"dataframe_split": split}, {"inputs": named}):
            status, text = ask(document)
            (row,) = json.loads(text)["predictions"]
            assert status == 200
            np.testing.assert_array_equal(np.float32([[*row.values()]]), exact)
        # A request cannot say where it runs: MLflow leaves its params out.
        assert ask({"inputs": named, "params": {"device": "none"}})[0] == 200
        status, text = ask({"inputs": {name: 5 * one for name, one in named.items()}})
        assert (status, "HX045 the request has 5 rows" in text) == (400, True)
        assert ask({"inputs": {"a": [0.1]}})[0] == 400
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def test_the_code_of_the_page_prints_what_the_page_says(mlflow, tmp_path):
    page = ROOT / "docs" / "deploy" / "mlflow.md"
    (code,) = [one.code for one in blocks(page) if one.title]
    shutil.copy(TABLE, tmp_path / "model.onnx")
    (tmp_path / "log_model.py").write_text(code)
    done = subprocess.run(
        [str(mlflow.python), "log_model.py"],
        cwd=tmp_path,
        env=fresh(os.environ, tmp_path) | FEW,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = page.read_text(encoding="utf-8").split("prints:\n\n")[1].split("\n\n")[0]
    assert done.stdout == textwrap.dedent(shown) + "\n"
