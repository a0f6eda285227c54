"""The backbones as a section of `docs/support.md`."""

from __future__ import annotations

from pathlib import Path

from tests.backbones.models import BACKBONES

VERSIONS = Path(__file__).parent / "requirements.txt"


def backbones() -> str:
    """Return the counts by library, and what is refused."""
    libraries = dict.fromkeys(backbone.library for backbone in BACKBONES)
    rows = []
    for library in libraries:
        found = [backbone for backbone in BACKBONES if backbone.library == library]
        names = dict.fromkeys(_name(backbone.name) for backbone in found)
        exported = sum(not backbone.refused for backbone in found)
        rows.append(f"| {library} | {'; '.join(names)} | {exported} | {len(found)} |")
    exported = sum(not backbone.refused for backbone in BACKBONES)
    rows.append(f"| all | | {exported} | {len(BACKBONES)} |")
    refused = [
        f"| {backbone.library}: {backbone.name} | {backbone.refused} | {backbone.reason} |"
        for backbone in BACKBONES
        if backbone.refused
    ]
    versions = [
        line.replace("==", " ")
        for line in VERSIONS.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    return f"""\
## Backbones of other libraries

Small random configurations, each twice: with a circuit as its head, and with one in its middle.
Each is exported unedited, and the file is compared with the eager model at three lengths
(`make test-backbones`; {", ".join(versions)}).
The trainers of Lightning and transformers train an accelerated model, with the same losses.

| library | backbones | exported | in all |
|---|---|---|---|
{chr(10).join(rows)}

| refused | code | why |
|---|---|---|
{chr(10).join(refused)}
"""


def _name(name: str) -> str:
    return name.removesuffix(", head").removesuffix(", middle")
