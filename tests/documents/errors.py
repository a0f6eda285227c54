"""`docs/errors.md`, generated from the classes of errors."""

from __future__ import annotations

import inspect
import re

from hybridx.errors import HybridxError

HEAD = """\
# Errors

Every error that hybridx raises on purpose has a code, says what happened, and says what to do. On
the command line it ends with exit code 3; a comparison that failed (HX6xx) ends with 1. In Python
all are subclasses of `hybridx.HybridxError`. In the texts below, a name in angle brackets stands
for what the message names.

An error without a code, or exit code 70, is a defect of hybridx: please report it with the output
of `hybridx doctor --json`.

This page is written by `make documents`.
"""


def errors() -> str:
    """Return the page: for each error its cause, its text and its remedy."""
    parts = [HEAD]
    for group in HybridxError.__subclasses__():
        leaves = sorted(_leaves(group), key=lambda leaf: leaf.code)
        parts.append(f"## {leaves[0].code[:3]}xx: {_sentence(group)}\n")
        parts += [_entry(leaf) for leaf in leaves]
    return "\n".join(parts)


def _leaves(group: type[HybridxError]) -> list[type[HybridxError]]:
    below = [leaf for child in group.__subclasses__() for leaf in _leaves(child)]
    return below or [group]


def _entry(leaf: type[HybridxError]) -> str:
    cause = " ".join((inspect.getdoc(leaf) or "").split())
    return (
        f"### {leaf.code}\n\n"
        f"**{leaf.__name__}.** {cause}\n\n"
        f"```text\n{leaf.code} {_shown(leaf.summary)}\n  help: {_shown(leaf.remedy)}\n```\n"
    )


def _sentence(group: type[HybridxError]) -> str:
    text = (inspect.getdoc(group) or "").removesuffix(".")
    return text[0].lower() + text[1:]


def _shown(template: str) -> str:
    """Return a template with `<name>` for each of its fields, and its doubled braces single."""
    shown = re.sub(r"(?<!\{)\{(\w+)[^{}]*\}(?!\})", r"<\1>", template)
    return shown.replace("{{", "{").replace("}}", "}")
