"""The environments hold the pinned versions; an environment that cannot be made is a failure."""

import os

import pytest

from tests.plugins.environment import EXTRAS, make


@pytest.mark.parametrize("name", EXTRAS)
def test_nothing_but_the_pins_is_installed_and_no_torch(name, request):
    environment = request.getfixturevalue(name)
    installed = environment.installed()
    assert installed.items() <= environment.pinned().items()
    assert installed.keys() >= {"numpy", "onnxruntime"}
    assert [found for found in installed if "torch" in found] == []
    assert ("pennylane" in installed) == (name != "base")


def test_without_a_package_index_there_is_a_failure_that_says_so(tmp_path):
    shut = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    with pytest.raises(pytest.fail.Exception, match="need a package index") as failed:
        make("base", tmp_path / "environments", shut)
    assert "ERROR: " in str(failed.value)
    assert not (tmp_path / "environments" / "base" / "made.txt").exists()
