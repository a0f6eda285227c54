"""A page of HTML that stands alone: it has no scripts and makes no requests.

Every text is escaped here, so that a name in a file is never read as HTML. The policy in the page
allows its own style and pictures, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, TypeAlias, assert_never

from hybridx.errors import printable

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #59636e; --paper: #ffffff;
  --line: #d5dae0; --card: #f6f8fa; --good: #1a7f37; --care: #9a6700; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --quiet: #9aa4af; --paper: #0d1117; --line: #30363d; --card: #161b22;
    --good: #4ac26b; --care: #d4a72c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 60rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .4rem 0; }
.lead, figcaption { color: var(--quiet); }
.good { color: var(--good); font-weight: 600; } .care { color: var(--care); font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0;
  border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 600; overflow-wrap: normal; }
th[scope="row"] { min-width: 7rem; }
td { font-variant-numeric: tabular-nums; min-width: 3rem; }
.grid td { overflow-wrap: normal; }
@media (max-width: 30rem) { table { font-size: .8rem; }
  .grid th, .grid td { padding-right: .45rem; } }
figure { margin: .75rem 0; }
figure .wide { background: #ffffff; border: 1px solid var(--line); border-radius: 6px;
  padding: .5rem; }
img { display: block; max-width: none; margin: 0 auto; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0;
  padding: .75rem; font-size: .8rem; max-height: 24rem; overflow: auto; overflow-wrap: normal; }
summary { cursor: pointer; color: var(--quiet); }
footer { margin-top: 3rem; color: var(--quiet); font-size: .85rem; }
@media print { pre { max-height: none; } }
"""
# Grey that shows on white and on black.
_PIECE_STYLE: Final = """
.hybridx { overflow-x: auto; max-width: 60rem; font-size: .9em; line-height: 1.4; }
.hybridx table { border-collapse: collapse; margin: .25em 0 .5em; width: auto; }
.hybridx table tr, .hybridx table tr th, .hybridx table tr td { background: transparent;
  color: inherit; }
.hybridx table tr th, .hybridx table tr td { text-align: left; vertical-align: top;
  padding: .15em 1em .15em 0; border: 0; border-bottom: 1px solid rgba(128, 128, 128, .4);
  max-width: 40rem; white-space: normal; overflow-wrap: break-word; }
.hybridx table tr th { font-weight: 600; }
.hybridx summary { cursor: pointer; opacity: .8; }
.hybridx details > :not(summary) { margin-left: 1em; }
.hybridx pre { color: inherit; background: transparent; max-height: 20em; overflow: auto;
  font-size: .9em; line-height: 1.2; }
"""


@dataclass(frozen=True)
class Table:
    """Rows of texts, under a header if it has one; else the first of each row names the others."""

    rows: Sequence[Sequence[str]]
    header: Sequence[str] = ()


@dataclass(frozen=True)
class Picture:
    """A drawing as SVG, with the text for those who do not see it."""

    svg: bytes
    text: str


@dataclass(frozen=True)
class Verdict:
    """A sentence that says that all is well, or that it asks for care."""

    text: str
    is_good: bool


@dataclass(frozen=True)
class Listing:
    """A text whose lines and spaces are kept."""

    text: str


@dataclass(frozen=True)
class Folded:
    """Parts below a title, which show when it is opened."""

    title: str
    parts: Sequence[Part]
    is_open: bool = False


Part: TypeAlias = str | Table | Picture | Verdict | Listing | Folded
"""A part of a section; a string is a paragraph."""


@dataclass(frozen=True)
class Section:
    """A part of a page with a title; a smaller title is that of a part of the section before."""

    title: str
    parts: Sequence[Part]
    is_inner: bool = False


@dataclass(frozen=True)
class Page:
    """A page: its title, a line below it, its sections, and a line at the end."""

    title: str
    lead: str
    sections: Sequence[Section]
    foot: str


def write_page(page: Page) -> bytes:
    """Return a page as HTML: equal pages, equal bytes."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{_text(page.title)}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        f'<h1>{_text(page.title)}</h1>\n<p class="lead">{_text(page.lead)}</p>',
        *(line for section in page.sections for line in _section(section)),
        f"<footer>{_text(page.foot)}</footer>",
        "</body>",
        "</html>",
    ]
    return ("\n".join(lines) + "\n").encode()


def write_piece(title: str, parts: Sequence[Part]) -> str:
    """Return parts as HTML that stands inside another page, such as a notebook.

    It takes the colours of that page, light or dark, and changes nothing else of it.
    """
    inside = "".join(map(_part, parts))
    return (
        f'<div class="hybridx"><style>{_PIECE_STYLE}</style>'
        f"<strong>{_text(title)}</strong>{inside}</div>"
    )


def _section(section: Section) -> Iterator[str]:
    level = 3 if section.is_inner else 2
    yield f"<h{level}>{_text(section.title)}</h{level}>"
    yield from map(_part, section.parts)


def _part(part: Part) -> str:
    match part:
        case str():
            return f"<p>{_text(part)}</p>"
        case Table():
            kind = ' class="grid"' if part.header else ""
            return f'<div class="wide"><table{kind}>{"".join(_rows(part))}</table></div>'
        case Picture(svg, text):
            source = base64.b64encode(svg).decode()
            image = f'<img alt="{_text(text)}" src="data:image/svg+xml;base64,{source}">'
            return f'<figure><div class="wide">{image}</div></figure>'
        case Verdict(text, is_good):
            return f'<p class="{"good" if is_good else "care"}">{_text(text)}</p>'
        case Listing(text):
            return f"<pre>{_text(text)}</pre>"
        case Folded(title, parts, is_open):
            inside = "".join(map(_part, parts))
            opened = " open" if is_open else ""
            return f"<details{opened}><summary>{_text(title)}</summary>{inside}</details>"
        case _:
            assert_never(part)


def _rows(table: Table) -> Iterator[str]:
    if table.header:
        cells = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.header)
        yield f"<tr>{cells}</tr>"
    for first, *others in table.rows:
        named = "td" if table.header else 'th scope="row"'
        cells = "".join(f"<td>{_text(cell)}</td>" for cell in others)
        yield f"<tr><{named}>{_text(first)}</{named.split()[0]}>{cells}</tr>"


def _text(text: str) -> str:
    return escape(printable(text, keeps="\n\t"))
