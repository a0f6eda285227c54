"""Build the page again and compare, then use every control of it in Chromium.

`python -m tests.page` needs Node.js, npm and a Chromium: that of CHROMIUM, or the one on the path.
`python -m tests.page NAME …` runs the files `web/page/test/NAME.test.mjs` alone. Pages and
screenshots are left in `build/page`.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import hybridx
from tests.engines.engine import BROWSERS
from tests.fresh_machine import ROOT
from tests.page.models import write_models
from tests.reader.javascript import node
from tests.web.npm import WEB, install
from tests.web_page.sources import BUILT

PAGES = ROOT / "build" / "page"
GOLDEN = ROOT / "exported" / "golden"
WITHOUT_BODY = ("no_body",)


def main() -> int:
    """Return 1 if the built page is not that of the sources, or a test fails, else 0."""
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("there is no Chromium on the path, and CHROMIUM names none", file=sys.stderr)
        return 1
    PAGES.mkdir(parents=True, exist_ok=True)
    install()
    stale = _stale()
    for name in stale:
        print(f"STALE: {name} is not what the sources give; make web builds it again")
    _write_pages()
    tests = WEB / "page" / "test"
    names = [str(tests / f"{one}.test.mjs") for one in sys.argv[1:]]
    words = [
        node(),
        "--test",
        "--test-reporter=spec",
        "--test-concurrency=1",
        *(names or map(str, _tests(tests))),
    ]
    variables = os.environ | {"PAGES": str(PAGES), "CHROMIUM": browser}
    done = subprocess.run(words, cwd=WEB / "page", env=variables, check=False)
    return int(bool(stale) or done.returncode != 0)


def _tests(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.test.mjs"))


def _stale() -> list[str]:
    """Build the page elsewhere, and return the names of the files that are others in the wheel."""
    target = PAGES / "built"
    bin = WEB / "node_modules" / ".bin"
    subprocess.run([bin / "tsc", "--project", "tsconfig.json"], cwd=WEB / "page", check=True)
    words = [bin / "vite", "build", "--outDir", target, "--logLevel", "warn"]
    subprocess.run(words, cwd=WEB / "page", check=True)
    names = {one.name for folder in (target, BUILT) for one in folder.iterdir()}
    return sorted(name for name in names if _content(target / name) != _content(BUILT / name))


def _content(path: Path) -> bytes | None:
    """Return what is in a file, unpacked, as the bytes of gzip depend on who packs."""
    if not path.exists():
        return None
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _damage(page: str) -> str:
    """Return a page whose model is cut short."""
    before, mark, after = page.partition('id="hybridx-model">')
    return before + mark + after[:400] + after[after.index("</script>") :]


def _write_pages() -> None:
    write_models(PAGES)
    for path in sorted(PAGES.glob("*.onnx")):
        is_iris = path.stem == "iris"
        data = ROOT / "exported" / "iris.csv" if is_iris else None
        title = "Iris flowers" if is_iris else None
        hybridx.page(path, path.with_suffix(".html"), data=data, title=title, overwrite=True)
    whole = (PAGES / "iris.html").read_text(encoding="utf-8")
    (PAGES / "damaged.html").write_text(_damage(whole), encoding="utf-8")
    files = [*GOLDEN.glob("onnx-*/*.onnx"), *GOLDEN.glob("bundle-2/*.bundle")]
    for path in sorted(files):
        if path.stem not in WITHOUT_BODY:
            name = f"golden-{path.parent.name}-{path.stem}.html"
            hybridx.page(path, PAGES / name, overwrite=True)
    print(json.dumps({"pages": len(list(PAGES.glob("*.html"))), "folder": str(PAGES)}))


if __name__ == "__main__":
    sys.exit(main())
