"""The metadata written last: what the file is, what was verified, and its self-test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import onnx

from hybridx.artifact.contract import (
    DOMAIN,
    FORMAT_VERSION,
    KEY_BODIES,
    KEY_CALL,
    KEY_CLASSES,
    KEY_COLUMNS,
    KEY_FORMAT,
    KEY_SELF_TEST,
    KEY_VERIFICATION,
    KEY_VERSION,
    Verification,
)
from hybridx.artifact.functions import body_hash
from hybridx.artifact.selftest import SelfTest


def seal(
    model: onnx.ModelProto,
    *,
    version: str,
    verification: Verification | None,
    self_test: SelfTest | None,
    columns: Sequence[str] = (),
    classes: Sequence[str] = (),
    call: Mapping[str, Any] | None = None,
) -> bytes:
    """Write the metadata into `model` and return the bytes of the file.

    Args:
        model: a graph with its circuit functions attached; changed in place.
        version: of hybridx.
        verification: what was compared before, if anything.
        self_test: what `hybridx run FILE` repeats.
        columns: names of the input's columns in a table.
        classes: names of the logits, in their order.
        call: how the inputs are arguments of `forward`; None if each is one, by position.
    """
    bodies = {f.name: body_hash(f) for f in model.functions if f.domain == DOMAIN}
    entries: dict[str, str] = {
        KEY_FORMAT: str(FORMAT_VERSION),
        KEY_VERSION: version,
        KEY_BODIES: _json(bodies),
    }
    if verification is not None:
        entries[KEY_VERIFICATION] = _json(verification)
    if self_test is not None:
        entries[KEY_SELF_TEST] = self_test.encode()
    if columns:
        entries[KEY_COLUMNS] = _json(tuple(columns))
    if classes:
        entries[KEY_CLASSES] = _json(tuple(classes))
    if call is not None:
        entries[KEY_CALL] = _json(call)
    _set_metadata(model, entries)
    return bytes(model.SerializeToString(deterministic=True))


def _set_metadata(model: onnx.ModelProto, entries: Mapping[str, str]) -> None:
    del model.metadata_props[:]
    for key in sorted(entries):
        model.metadata_props.add(key=key, value=entries[key])


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
