"""One process of the second reader for all tests."""

import pytest

from tests.reader.javascript import Reader


@pytest.fixture(scope="session")
def reader():
    with Reader() as running:
        yield running
