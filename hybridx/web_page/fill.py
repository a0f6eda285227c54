"""A page from the built one in `built/`, which `make web` makes of `web/page`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Final

import msgspec

from hybridx.web_page.facts import Facts

_BUILT: Final = files("hybridx.web_page") / "built"
_WASM: Final = "ort-wasm-simd-threaded.wasm.gz"
_TITLE: Final = "@TITLE@"
_DATA: Final = "@DATA@"


def runtime_name() -> str:
    """Return the engine in a page, and its version."""
    return msgspec.json.decode((_BUILT / "built.json").read_bytes(), type=_Record).runtime


class _Record(msgspec.Struct, frozen=True):
    runtime: str


def fill_page(facts: Facts, model: bytes) -> bytes:
    """Return a page with a model: equal models and facts, equal bytes.

    What is filled in stands in script elements that no browser runs, as base64, or as JSON in which
    no character begins or ends anything in HTML.

    Args:
        facts: of the model.
        model: the bytes of the ONNX file.
    """
    page = (_BUILT / "page.html").read_text(encoding="utf-8")
    before, title, rest = page.partition(_TITLE)
    middle, data, after = rest.partition(_DATA)
    assert title, "the built page has no place for a title"
    assert data, "the built page has no place for a model"
    return "".join([before, escape(facts.title), middle, *_elements(facts, model), after]).encode()


def _elements(facts: Facts, model: bytes) -> Iterator[str]:
    yield _element("facts", "application/json", _in_html(facts))
    yield _element("runtime", "text/plain", _base64((_BUILT / _WASM).read_bytes()))
    yield _element("notices", "text/plain", _base64((_BUILT / "NOTICES.txt.gz").read_bytes()))
    yield _element("model", "text/plain", _base64(model))


def _element(name: str, kind: str, text: str) -> str:
    return f'<script type="{kind}" id="hybridx-{name}">{text}</script>\n'


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _in_html(facts: Facts) -> str:
    """Return facts as JSON in ASCII without <, > and &, which mean the same escaped."""
    text = json.dumps(msgspec.to_builtins(facts), separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
