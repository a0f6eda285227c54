"""The documents that follow from the code are what the code says."""

from __future__ import annotations

import re

import pytest

import hybridx
from tests.documents.errors import errors
from tests.documents.generated import GENERATED


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_a_document_is_the_generated_one(path):
    assert path.read_text(encoding="utf-8") == GENERATED[path](), "run `make documents`"


def test_every_error_has_an_entry_with_its_remedy():
    text = errors()
    codes = re.findall(r"^### (HX\d{3})$", text, flags=re.MULTILINE)
    assert len(codes) == len(set(codes)) >= 80
    assert text.count("  help: ") == len(codes)
    # No field of a template is left as a formatting instruction.
    assert not re.search(r"\{\w+(!r|:\S+)?\}", text)


def test_every_public_name_has_an_entry():
    text = next(path for path in GENERATED if path.name == "api.md").read_text(encoding="utf-8")
    for name in hybridx.__all__:
        assert f"hybridx.{name}\n" in text or f"`{name}`" in text
