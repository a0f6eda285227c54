"""The built page is of today's sources; `make web` builds it, and `make test-page` compares."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil

from tests.web_page.sources import BUILT, WEB, hash_of_sources

RECORD = json.loads((BUILT / "built.json").read_text(encoding="utf-8"))


def test_the_built_page_is_of_todays_sources():
    assert RECORD["sources"] == hash_of_sources(), "make web builds it again"


def test_a_changed_source_would_be_seen(tmp_path):
    for name in ("page", "hybridx-web", "reader"):
        shutil.copytree(WEB / name, tmp_path / name, ignore=shutil.ignore_patterns("node_modules"))
    assert hash_of_sources(tmp_path) == RECORD["sources"]
    style = tmp_path / "page" / "src" / "style.css"
    style.write_text(style.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert hash_of_sources(tmp_path) != RECORD["sources"]


def test_the_engine_is_the_one_that_the_record_names():
    wasm = gzip.decompress((BUILT / "ort-wasm-simd-threaded.wasm.gz").read_bytes())
    assert hashlib.sha256(wasm).hexdigest() == RECORD["wasm"]
    pinned = json.loads((WEB / "page" / "package.json").read_text(encoding="utf-8"))
    assert RECORD["runtime"] == f"onnxruntime-web {pinned['dependencies']['onnxruntime-web']}"


def test_the_licence_of_each_part_is_there():
    notices = gzip.decompress((BUILT / "NOTICES.txt.gz").read_bytes()).decode()
    for name in ("preact", "@preact/signals", "onnxruntime-web", "protobuf", "Eigen", "abseil"):
        assert name in notices
    assert notices.count("Permission is hereby granted") > 5


def test_the_policy_names_the_script_and_the_style_of_the_page_and_nothing_else():
    page = (BUILT / "page.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    rules = dict(one.strip().split(" ", 1) for one in policy.split(";"))
    (script,) = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert rules == {
        "default-src": "'none'",
        "script-src": f"'{hashed(script)}' 'wasm-unsafe-eval'",
        "style-src": f"'{hashed(style)}'",
        "img-src": "data: blob:",
        "connect-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert page.index("Content-Security-Policy") < page.index("<style>")


def hashed(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
