"""Texts of others in Markdown: seen as they are, and read by no parser as anything else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from hybridx.errors import printable

# By reference, as a parser of Markdown that is not CommonMark takes some backslashes literally.
_REFERENCES: Final = {one: f"&#{ord(one)};" for one in "\\`*[]<>&|~$#@{}^"}
# Addresses become links by themselves, and `:smile:` a picture.
_LINKING: Final = re.compile(r"(?i:(?<=www)\.)|:(?=\S)")
_PLAIN: Final = re.compile(r"[\w.,/+=-](?:[\w .,:/()+=-]*[\w.,:/()+=-])?", flags=re.ASCII)


def literal(text: str) -> str:
    """Return a text for the inside of a line or of a table's cell, as it is seen.

    Example:
        >>> print(literal("a*b | <script>"))
        a&#42;b &#124; &#60;script&#62;
    """
    shown = "".join(_REFERENCES.get(one, one) for one in printable(text.strip()))
    shown = _LINKING.sub(lambda found: f"&#{ord(found[0])};", shown)
    return shown.replace("_", "\\_")


def named(text: str) -> str:
    """Return a name as code, if nothing in it needs care; as `literal` otherwise.

    Example:
        >>> named("/quantum/circuit"), named("a`b")
        ('`/quantum/circuit`', 'a&#96;b')
    """
    return f"`{text}`" if _PLAIN.fullmatch(text) else literal(text) or "(empty)"


def listing(text: str, language: str = "") -> str:
    """Return lines as a block of code, which no line of theirs ends."""
    shown = printable(text, keeps="\n").rstrip("\n")
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
