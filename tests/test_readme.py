"""The Python code of the README runs unchanged, in order, in one process."""

import re
import subprocess
import sys
from pathlib import Path

from hybridx.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parent.parent


def code_blocks():
    return re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )


def test_the_example_is_short():
    lines = [line for line in code_blocks()[0].splitlines() if line]
    assert len(lines) <= 15


def test_the_code_runs(tmp_path):
    code = "\n".join([*code_blocks(), "assert outputs[0].shape == (5, 2)"])
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


def test_the_commands_exist():
    blocks = re.findall(
        r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    commands = set(re.findall(r"^hybridx (\w+)", "".join(blocks), flags=re.MULTILINE))
    assert commands == {command.__name__ for command in COMMANDS}
