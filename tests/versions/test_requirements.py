"""The table of environments names what there is, and its bounds come from pyproject.toml."""

from __future__ import annotations

import tomllib

import pytest

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
    assert {row.versions for row in environments().values() if row.default} == {"oldest", "newest"}
