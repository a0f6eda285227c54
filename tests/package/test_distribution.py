"""What a release holds, and what its page on an index says."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tests.package.installed import ROOT

RELATIVE_LINK = re.compile(r"\]\((?!https?://|#)")


@pytest.fixture(scope="module")
def metadata(built):
    with zipfile.ZipFile(built.wheel) as wheel:
        (name,) = [one for one in wheel.namelist() if one.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(wheel.read(name))


def test_twine_has_nothing_to_say(built, tools):
    words = [tools.python, "-m", "twine", "check", "--strict", built.wheel, built.sdist]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_the_wheel_holds_the_package_alone(built):
    with zipfile.ZipFile(built.wheel) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {"hybridx"}
    assert "hybridx/py.typed" in names
    in_tree = {str(path.relative_to(ROOT)) for path in (ROOT / "hybridx").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == in_tree
    page = {name.rpartition("/")[2] for name in names if "web_page/built/" in name}
    assert page == {
        "NOTICES.txt.gz",
        "built.json",
        "ort-wasm-simd-threaded.wasm.gz",
        "page.html",
    }


def test_no_link_of_the_page_needs_a_file_beside_it(metadata):
    page = metadata.get_payload()
    assert "# hybridx" in page
    assert not RELATIVE_LINK.findall(page)
    # Seen on the page in the repository, which has such links.
    assert RELATIVE_LINK.search((ROOT / "README.md").read_text(encoding="utf-8"))


def test_the_page_names_no_address_that_the_project_lacks(metadata):
    assert metadata.get_all("Project-URL") is None
    assert metadata["Author"] == "the hybridx developers"


def test_the_sdist_tests_itself(built, tmp_path):
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    words = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/circuit",
        "tests/cli/test_run.py",
    ]
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert re.search(r"\d+ passed", done.stdout)
