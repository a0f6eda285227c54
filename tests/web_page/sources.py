"""The hash of what the built page follows from, as `web/page/making/sources.ts` computes it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from tests.fresh_machine import ROOT

WEB = ROOT / "web"
BUILT = ROOT / "hybridx" / "web_page" / "built"


def hash_of_sources(web: Path = WEB) -> str:
    """Return the SHA-256 of the names and the contents of all sources."""
    text = (web / "page" / "making" / "sources.ts").read_text(encoding="utf-8")
    (listed,) = re.findall(r"const SOURCES = (\[[^\]]+\]);", text)
    found = []
    for name in json.loads(re.sub(r",\s*\]", "]", listed)):
        path = web / name
        inside = path.rglob("*") if path.is_dir() else [path]
        found += [one for one in inside if one.is_file()]
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(web).as_posix(), path) for path in found):
        digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
