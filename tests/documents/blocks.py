"""The code in a page of the documents, and how it is run.

A page is run from its first block to its last, in a folder of its own, as a reader would do it:

* a block with a title is written to the file of that name;
* `python` without a title runs in one namespace for the whole page;
* `sh` runs with `bash -eu`, with `hybridx` on the PATH;
* `json` and `toml` are parsed;
* `text` directly behind code is what that code prints. Where it says `…`, anything may stand.

`python -m tests.documents.blocks` writes outputs that have changed into the pages. Read the
difference; `make golden` runs it too.

`<!-- first: … -->` holds Python that runs but is not shown, such as making the file that a page is
about. `<!-- not run: why -->` in front of a block leaves it out.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Languages that a page shows only with a title, for a command of the page to run.
COMPILED = {"cpp", "cmake", "javascript", "rust", "dockerfile"}

_PARTS = re.compile(
    r"^(?P<indent> *)(?P<fence>```+)(?P<language>\w*)(?P<options>[^\n]*)\n"
    r"(?P<code>.*?)^ *(?P=fence)\n"
    r"|^<!-- (?P<word>not run|first): ?(?P<said>.*?)-->\n",
    flags=re.DOTALL | re.MULTILINE,
)
_INCLUDED = re.compile(r'^--8<-- "(.*)"$', flags=re.MULTILINE)
# Times, and errors that are rounding noise, differ between machines.
_NOISE = re.compile(r"\d+(\.\d+)?(e[+-]\d+\b| (s|ms|us)\b)")


@dataclass(frozen=True)
class Block:
    """A block of code: where it stands, what it is, and what it prints if the page says so."""

    line: int
    language: str
    title: str
    code: str
    output: str = ""
    output_at: tuple[int, int] = (0, 0)
    not_run: str = ""


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in their order, with the hidden ones."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    why, end = "", 0
    for part in _PARTS.finditer(text):
        line = text.count("\n", 0, part.start()) + 1
        directly = not text[end : part.start()].strip()
        end = part.end()
        if part["word"] == "not run":
            why = part["said"].strip()
        elif part["word"] == "first":
            found.append(Block(line, "python", "", part["said"]))
        elif part["language"] == "text" and directly and found and not found[-1].title:
            found[-1] = replace(found[-1], output=_code(part), output_at=part.span("code"))
        else:
            title = re.search(r'title="([^"]+)"', part["options"])
            found.append(
                Block(line, part["language"], title[1] if title else "", _code(part), not_run=why)
            )
            why = ""
    return found


def _code(part: re.Match[str]) -> str:
    lines = part["code"].splitlines()
    code = "\n".join(line.removeprefix(part["indent"]) for line in lines) + "\n"
    return _INCLUDED.sub(lambda file: (ROOT / file[1]).read_text(encoding="utf-8").rstrip(), code)


def run_page(page: Path, folder: Path) -> list[tuple[Block, str]]:
    """Run the blocks of a page in an empty folder.

    Returns:
        The blocks that print something else than the page says, and what they print.

    Raises:
        AssertionError: a block failed.
    """
    differ: list[tuple[Block, str]] = []
    variables = _variables(folder)
    namespace: dict[str, object] = {"__name__": "__main__"}
    with _inside(folder):
        for block in blocks(page):
            if block.not_run or block.language == "text":
                continue
            where = f"{page.name}:{block.line}"
            if block.title:
                (folder / block.title).write_text(block.code, encoding="utf-8")
                continue
            printed = ""
            if block.language == "python":
                printed = _python(block, where, namespace)
            elif block.language == "sh":
                printed = _shell(block, where, folder, variables)
            elif block.language == "json":
                json.loads(block.code)
            elif block.language == "toml":
                tomllib.loads(block.code)
            else:
                raise AssertionError(f"{where}: nothing runs {block.language!r} without a title")
            if block.output and not matches(block.output, printed):
                differ.append((block, _plain(printed) + "\n"))
    return differ


def write_outputs(page: Path) -> int:
    """Run a page, write what its blocks print now into it, and return how many have changed."""
    with tempfile.TemporaryDirectory() as folder:
        differ = run_page(page, Path(folder))
    text = page.read_text(encoding="utf-8")
    for block, printed in reversed(differ):
        start, end = block.output_at
        text = text[:start] + printed + text[end:]
    page.write_text(text, encoding="utf-8")
    return len(differ)


def matches(shown: str, printed: str) -> bool:
    """Return whether a page shows what was printed, times and rounding noise aside."""
    pattern = re.escape(_NOISE.sub("#", _plain(shown))).replace("…", ".*")
    return re.fullmatch(pattern, _NOISE.sub("#", _plain(printed)), flags=re.DOTALL) is not None


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _python(block: Block, where: str, namespace: dict[str, object]) -> str:
    printed = io.StringIO()
    # Blank lines in front, so that a traceback names the line of the page.
    code = compile("\n" * block.line + block.code, where, "exec")
    with contextlib.redirect_stdout(printed):
        exec(code, namespace)
    return printed.getvalue()


def _shell(block: Block, where: str, folder: Path, variables: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-eu", "-c", block.code],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{where} ends with {done.returncode}:\n{done.stdout}"
    return done.stdout


def _variables(folder: Path) -> dict[str, str]:
    """Return an environment with this hybridx, this Python and what signs as commands."""
    commands = folder / ".commands"
    commands.mkdir()
    modules = {"hybridx": "-m hybridx", "python": "", "model_signing": "-m model_signing"}
    for name, words in modules.items():
        command = commands / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        command.chmod(0o755)
    return os.environ | {
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PIP_CONSTRAINT": str(ROOT / "tests/documents/constraints.txt"),
        "COLUMNS": "100",
    }


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder, and forget the modules that were imported from it."""
    with contextlib.chdir(folder):
        sys.path.insert(0, str(folder))
        try:
            yield
        finally:
            sys.path.remove(str(folder))
            for name, module in list(sys.modules.items()):
                if str(getattr(module, "__file__", "")).startswith(str(folder)):
                    del sys.modules[name]


def pages() -> list[Path]:
    """Return README and the pages that a person writes."""
    docs = ROOT / "docs"
    written = [ROOT / "README.md", *docs.glob("*.md"), *(docs / "deploy").glob("*.md")]
    return sorted(
        page for page in written if page.name not in {"api.md", "errors.md", "support.md"}
    )


if __name__ == "__main__":
    for one in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        print(f"{one.name}: {write_outputs(one)} outputs have changed")
