"""Files for the host of a repository say what the project's own files say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_citation_names_the_version_and_the_licence():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    cited = dict(re.findall(r"^(version|license): (.*)$", text("CITATION.cff"), re.MULTILINE))
    assert cited == {"version": project["version"], "license": project["license"]}


def test_the_workflow_makes_what_ci_makes():
    (listed,) = re.findall(r"target: \[(.*)\]", text(".github/workflows/ci.yml"))
    (made,) = re.findall(r"^for target in (.*); do$", text(".ci/run"), re.MULTILINE)
    assert listed.split(", ") == made.split()


def test_templates_of_issues_ask_for_what_doctor_finds():
    templates = [one for one in (ROOT / ".github/ISSUE_TEMPLATE").iterdir() if one.stem != "config"]
    assert len(templates) == 2
    assert all("`hybridx doctor --json`" in one.read_text(encoding="utf-8") for one in templates)
