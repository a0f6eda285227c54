"""The table of environments names what there is, and its bounds come from pyproject.toml."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib

import pytest

from hybridx.artifact import OPSETS
from tests.versions.requirements import (
    CORE,
    ROOT,
    Environment,
    declared_requirements,
    environments,
    oldest,
)

INTERNALS = ("numpy", "onnxruntime", "pennylane", "torch")


@pytest.mark.parametrize("path", CORE)
def test_the_core_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("package", INTERNALS)
def test_what_has_private_names_has_an_upper_bound(package):
    (found,) = [one for one in declared_requirements() if one.startswith(f"{package}>=")]
    assert ",<" in found


def test_one_package_has_the_same_bounds_in_every_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    listed = {one for extra in extras for one in extra} | set(project["dependencies"])
    names = [one.split(">=")[0] for one in listed if one.split(">=")[0] != "pennylane-qiskit"]
    assert len(names) == len(set(names))


def test_the_oldest_of_a_requirement():
    assert oldest("torch>=2.13") == "torch==2.13.*"
    with pytest.raises(ValueError, match="no lower bound"):
        oldest("torch")


def test_a_row_may_name_requirements_of_its_own():
    row = Environment("it", "3.11", "oldest", instead=("torch==2.13.*",))
    wanted = row.requirements()
    assert [one for one in wanted if one.startswith("torch")] == ["torch==2.13.*"]
    assert "onnx==1.21.*" in wanted


def test_oldest_and_newest_run_unless_others_are_named():
    rows = [row for row in environments().values() if row.default]
    assert {row.versions for row in rows} == {"oldest", "newest", "alone"}
    # Files of every opset run on the first ONNX Runtime that takes them.
    assert {row.opset for row in rows if row.versions == "alone"} == {21, 22, max(OPSETS)}


def test_golden_files_run_by_onnx_runtime_alone_as_in_old_environments(tmp_path):
    script, opset = ROOT / "tests" / "versions" / "files_alone.py", str(max(OPSETS))

    def run(folder, *without):
        command = [sys.executable, str(script), str(folder), opset, *without]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    status, said = run(ROOT / "exported" / "golden")
    assert status == 0, said
    (tmp_path / "onnx-2").mkdir()
    shutil.copy(ROOT / "exported/golden/onnx-2/classifier.onnx", tmp_path / "onnx-2")
    assert run(tmp_path)[0] == 0
    status, said = run(tmp_path, "classifier")
    assert (status, "classifier.onnx: it runs" in said) == (1, True)
    (tmp_path / "onnx-2" / "classifier.onnx").write_bytes(b"nothing")
    assert run(tmp_path)[0] == 1
