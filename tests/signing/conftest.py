"""Files with their signatures beside them."""

from __future__ import annotations

import pytest

import hybridx
from tests.signing.given import copied, make_keys


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def model(tmp_path):
    """An ONNX file."""
    return copied("onnx", tmp_path)


@pytest.fixture
def signed(model, keys):
    """An ONNX file with its signature beside it."""
    hybridx.sign(model, key=keys.private)
    return model


@pytest.fixture
def bundle(tmp_path, keys):
    """A bundle with its signature beside it."""
    path = copied("bundle", tmp_path)
    hybridx.sign(path, key=keys.private)
    return path
