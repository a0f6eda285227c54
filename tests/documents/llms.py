"""`docs/llms.txt`: the pages with what each is about, for programs that read documents."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def llms() -> str:
    """Return the file, in the order of the site's navigation."""
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    parts = [f"# {site['site_name']}\n", f"> {site['site_description']}\n"]
    parts.append(f"{_first_paragraph('index.md')}\n")
    for entry in site["nav"]:
        for heading, inside in entry.items():
            if isinstance(inside, list):
                parts.append(f"## {heading}\n")
                parts += [f"- [{title}]({page}): {_about(page)}" for title, page in _pages(inside)]
                parts.append("")
    return "\n".join(parts)


def _pages(entries: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        yield from entry.items()


def _about(page: str) -> str:
    """Return the first sentence of a page."""
    return re.split(r"(?<=[.:?])\s", _first_paragraph(page), maxsplit=1)[0].removesuffix(":")


def _first_paragraph(page: str) -> str:
    text = (DOCS / page).read_text(encoding="utf-8")
    # Prose: neither a heading nor a list, a table, code or markup.
    blocks = (block.strip() for block in re.sub(r"```.*?```", "", text, flags=re.S).split("\n\n"))
    found = next(block for block in blocks if block and block[0] not in "#|*-<!:=[{")
    return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", " ".join(found.split()))
