"""No test sees the home folder or the accounts of whoever runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fresh_machine import ACCOUNTS, FOLDERS, fresh

ROOT = Path(__file__).parent.parent

TOKENS = (
    "QISKIT_IBM_TOKEN", "IONQ_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "IQM_TOKEN",
    "SOME_PASSWORD", "some_token", "GOOGLE_APPLICATION_CREDENTIALS",
)  # fmt: skip


@pytest.mark.parametrize("name", TOKENS)
def test_accounts_are_not_in_the_environment(name, tmp_path):
    assert name not in fresh({name: "x"}, tmp_path)


@pytest.mark.parametrize("name", ["PATH", "LANG", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"])
def test_what_describes_the_machine_is(name, tmp_path):
    assert fresh({name: "x"}, tmp_path)[name] == "x"


def test_every_folder_of_the_user_is_in_the_new_home(tmp_path):
    before = {"HOME": "/home/user"} | dict.fromkeys(FOLDERS, "/home/user/elsewhere")
    after = fresh(before, tmp_path)
    assert {Path(after[name]).is_relative_to(tmp_path) for name in ("HOME", *FOLDERS)} == {True}


@pytest.mark.parametrize("place", [".config/pip/pip.conf", ".pip/pip.conf"])
def test_pip_keeps_its_configuration_and_its_cache(place, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    file = old / place
    file.parent.mkdir(parents=True)
    file.write_text("[global]\nindex-url = https://packages.example/simple\n")
    after = fresh({"HOME": str(old), "PIP_TOKEN": "kept"}, new)
    assert after["PIP_CONFIG_FILE"] == str(file)
    assert after["PIP_CACHE_DIR"] == str(old / ".cache" / "pip")
    assert after["PIP_TOKEN"] == "kept"
    assert "NPM_CONFIG_USERCONFIG" not in after
    (old / ".npmrc").touch()
    assert fresh({"HOME": str(old)}, new)["NPM_CONFIG_USERCONFIG"] == str(old / ".npmrc")
    assert fresh(after | {"PIP_CONFIG_FILE": "given"}, new)["PIP_CONFIG_FILE"] == "given"
    # And a second time, as a worker of pytest-xdist does.
    assert fresh(after, tmp_path / "third")["PIP_CONFIG_FILE"] == str(file)


def test_this_process_has_such_an_environment():
    home = Path.home()
    assert home.name.startswith("hybridx-tests-home-")
    assert not (home / ".qiskit").exists()
    assert not (home / ".aws").exists()
    found = [name for name in os.environ if ACCOUNTS.fullmatch(name) and name[:4] != "PIP_"]
    assert found == ["AWS_EC2_METADATA_DISABLED"]


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "a worker"])
def test_pytest_started_by_a_user_with_accounts_sees_none_and_leaves_no_home(options, tmp_path):
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    temporary.mkdir()
    for file in (".qiskit/qiskit-ibm.json", ".aws/credentials"):
        (home / file).parent.mkdir(parents=True)
        (home / file).write_text("{}")
    own = f"{__file__}::{test_this_process_has_such_an_environment.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, own],
        cwd=ROOT,
        env=os.environ | {"HOME": str(home), "TMPDIR": str(temporary), "QISKIT_IBM_TOKEN": "t"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert list(temporary.glob("hybridx-tests-home-*")) == []
