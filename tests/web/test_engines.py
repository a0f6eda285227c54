"""The package in Node.js and in Chromium, on files of every kind, against numbers of Python."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.reader.javascript import node


# By the name of a suite in `web/hybridx-web/test`, how many tests it has at least.
@pytest.mark.parametrize(
    ("suite", "fewest"), {"node": 103, "chromium": 104, "inputs": 20, "hostile": 15}.items()
)
def test_the_package_does_what_its_tests_say(suite, fewest, workspace, files):
    made = subprocess.run(
        [node(), "--test", f"hybridx-web/test/{suite}.test.mjs"],
        cwd=workspace,
        env=os.environ | {"HYBRIDX_CASES": str(files)},
        capture_output=True,
        text=True,
        check=False,
    )
    counted = dict(re.findall(r"^\S+ (pass|fail|skipped) (\d+)$", made.stdout, re.MULTILINE))
    assert made.returncode == 0, made.stdout
    assert (counted["fail"], counted["skipped"]) == ("0", "0")
    assert int(counted["pass"]) >= fewest
