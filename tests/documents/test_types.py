"""The Python in README and in the pages on Python passes `mypy --strict`, as run by a user."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.documents.blocks import ROOT, blocks

PAGES = ["README.md", "docs/tutorial.md", "docs/python.md"]


def complaints(page, folder):
    """What mypy says of the Python of a page: strict, except that PennyLane has no types."""
    lines = []
    for block in blocks(page):
        if block.language != "python":
            continue
        if block.title:
            (folder / block.title).write_text(block.code, encoding="utf-8")
            continue
        # So that mypy names the line of the page.
        lines += [""] * (block.line - len(lines)) + block.code.splitlines()
    (folder / "page.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml",
            "--cache-dir", ROOT / ".mypy_cache" / "pages", "--allow-untyped-decorators",
            *sorted(folder.glob("*.py")),
        ],
        cwd=folder, env=os.environ | {"MYPYPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return [line for line in (done.stdout + done.stderr).splitlines() if ": error:" in line]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_is_typed(page, tmp_path):
    assert complaints(ROOT / page, tmp_path) == []


@pytest.mark.slow
def test_a_wrong_call_of_hybridx_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport hybridx\n\nsession = hybridx.load('m.onnx', shots='many')\n"
        "hybridx.load('m.onnx', device='some.other', fallback='onnx')\n"
        "session.nothing()\n```\n"
    )
    shots, nothing = complaints(page, tmp_path)
    assert shots.startswith("page.py:4")
    assert "shots" in shots
    assert nothing.startswith("page.py:6")
