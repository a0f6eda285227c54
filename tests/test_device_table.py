"""The table of device families: it stands once, and both of its readers agree on it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

import hybridx
from hybridx.device_table import EXTRAS, FAMILIES, DeviceName, Login, family_of, family_to_install
from hybridx.runtime import Execution, Options, device_names

ROOT = Path(hybridx.__file__).parent


NAMES = get_args(DeviceName)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_editors_complete_is_of_a_family(name):
    assert family_of(name) is not None


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.prefix)
def test_every_family_has_a_name_that_editors_complete(family):
    assert any(family_of(name) is family for name in NAMES)


def test_the_installed_devices_of_qubits_are_completed():
    no_qubits = {"default.gaussian", "default.qutrit", "default.qutrit.mixed", "braket.local.ahs"}
    known = {name for name in device_names() if family_of(name) is not None} - no_qubits
    known = {name for name in known if not name.startswith("braket.aws.")}
    assert "default.qubit" in known
    assert known <= {*NAMES}


def test_the_names_are_those_of_every_function_that_runs_a_file():
    for annotation in (get_type_hints(Execution)["device"], get_type_hints(Options)["device"]):
        assert {*NAMES, "onnx"} == {*_literals(annotation)}
        assert str in get_args(annotation)


def _literals(annotation):
    for one in get_args(annotation):
        if get_origin(one) is Literal:
            yield from get_args(one)


def test_no_two_families_begin_alike():
    prefixes = [family.prefix for family in FAMILIES]
    assert len(set(prefixes)) == len(prefixes)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.prefix)
def test_a_service_names_its_credentials_and_a_simulator_has_none(family):
    assert not (family.is_local and family.login)
    assert family.login is None or family.login.variables


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.prefix)
def test_a_family_is_found_by_the_name_of_a_device(family):
    assert family_of(f"{family.prefix}x") is family


@pytest.mark.parametrize(
    ("name", "installed", "package"),
    [
        ("qiskit.aer", [], "pennylane-qiskit"),
        ("qiskit.aer", ["qiskit.remote"], "pennylane-qiskit"),
        ("qiskit.other", ["qiskit.remote"], None),
        ("ionq.qpu", ["lightning.qubit"], "pennylane-ionq"),
        ("lightning.nosuch", ["lightning.qubit"], None),
        ("some.other", [], None),
    ],
)
def test_which_package_would_bring_a_device(name, installed, package):
    family = family_to_install(name, installed)
    assert (family.package if family else None) == package


def test_what_pip_is_told_is_an_extra_where_there_is_one():
    by_package = {family.package: family.install for family in FAMILIES}
    assert by_package["pennylane-qiskit"] == "'hybridx[qiskit]'"
    assert by_package["pennylane-ionq"] == "pennylane-ionq"
    assert EXTRAS.keys() <= by_package.keys()


def test_a_login_is_a_variable_or_a_file(monkeypatch, tmp_path):
    login = Login(("SOME_SERVICE_TOKEN",), (".service/token.json",), "SOME_REGION")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SOME_SERVICE_TOKEN", raising=False)
    assert not login.is_there()
    (tmp_path / ".service").mkdir()
    (tmp_path / ".service/token.json").write_text("{}")
    assert login.is_there()
    (tmp_path / ".service/token.json").unlink()
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "x")
    assert login.is_there()
    assert str(login) == "SOME_SERVICE_TOKEN or ~/.service/token.json, and SOME_REGION"


def test_packages_of_plug_ins_are_named_in_the_table_alone():
    packages = {family.package for family in FAMILIES} - {"pennylane"}
    places = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value}"
        for path in sorted(ROOT.rglob("*.py"))
        if path.name not in ("device_table.py", "diagnosis.py")  # the latter lists extras' parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in packages
    ]
    assert places == []
