"""What README promises is there. `tests/documents/test_pages.py` runs its code."""

import re
from pathlib import Path

from hybridx.cli.app import COMMANDS
from tests.documents.blocks import blocks

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_example_is_short():
    lines = [line for line in blocks(README)[0].code.splitlines() if line]
    assert len(lines) <= 15
    assert len(text("README.md").splitlines()) <= 110


def test_its_figure_is_a_measured_one():
    ours, best, eager = re.findall(r"([\d.]+) ms", text("README.md"))
    results = text("benchmarks/RESULTS.md").split("## W2")[0]
    (row,) = re.findall(rf"^\| 8 \| 32 \| {ours} \| (.*) \|$", results.split("2 threads")[0], re.M)
    assert [row.split(" | ")[n] for n in (0, 1, 3)] == ["JAX", best, eager]


def test_how_much_faster_training_is_was_measured():
    (ratio,) = re.findall(r"a step is ([\d.]+) times as fast", text("README.md"))
    (row,) = re.findall(r"^\| W1-8x32 \| (.*) \|$", text("benchmarks/TRAINING.md"), re.M)[:1]
    assert row.split(" | ")[4] == ratio


def test_the_targets_exist():
    targets = set(re.findall(r"^make (\w+)", text("README.md"), re.M))
    assert targets == {"demo", "test"}
    assert targets <= set(re.findall(r"^([\w-]+):", text("Makefile"), re.M))


def test_the_page_of_commands_names_every_command():
    named = set(re.findall(r"^hybridx ([\w-]+)", text("docs/commands.md"), re.M))
    assert named == {*COMMANDS}


def test_the_links_lead_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)", text("README.md"))
    assert len(links) >= 10
    assert all((ROOT / link).exists() for link in links)
