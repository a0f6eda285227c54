"""The README's Python runs as it stands, in order, in one process."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def code_blocks():
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


def test_the_example_is_short():
    assert len(code_blocks()[0].strip().splitlines()) <= 15


def test_the_code_runs(tmp_path):
    code = "\n".join([*code_blocks(), "assert outputs[0].shape == (5, 2)"])
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


def test_the_commands_exist():
    text = (ROOT / "README.md").read_text()
    commands = set(re.findall(r"^hybridx (\w+)", text, flags=re.MULTILINE))
    from hybridx.cli.commands import app

    assert commands == {command.callback.__name__ for command in app.registered_commands}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
