"""What a format has cannot change without a new version number."""

from __future__ import annotations

import msgspec
import pytest

from hybridx.artifact import contract
from hybridx.circuit import GATES, Circuit, codec
from tests.golden.files import GOLDEN
from tests.golden.schemas import encoded, schemas


@pytest.mark.parametrize("name", schemas())
def test_what_a_version_is_has_not_changed_without_a_new_number(name):
    kept = (GOLDEN / f"{name}.json").read_text(encoding="utf-8")
    assert encoded(schemas()[name]) == kept, (
        f"{name} is another format now: raise CIRCUIT_FORMAT in hybridx/circuit/codec.py, or "
        "FORMAT_VERSION or ARCHIVE_VERSION in hybridx/artifact/contract.py, then make golden. Of "
        f"a version that was never released, delete exported/golden/{name}.json first."
    )


def test_a_field_or_a_gate_more_is_another_format(monkeypatch):
    before = encoded(schemas())
    with monkeypatch.context() as patch:
        fields = [("format", int), ("circuit", Circuit), ("results", tuple), ("more", int)]
        patch.setattr(codec, "_CircuitDocument", msgspec.defstruct("Document", fields))
        assert encoded(schemas()) != before
    with monkeypatch.context() as patch:
        patch.setattr(contract, "KEY_MORE", "hybridx.more", raising=False)
        assert encoded(schemas()) != before
    with monkeypatch.context() as patch:
        patch.setattr("tests.golden.schemas.GATES", {**GATES, "More": GATES["RX"]})
        assert encoded(schemas()) != before
    assert encoded(schemas()) == before
