"""PT2 files: whose data is not in them, and machine code."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.targets.archives import members, run_alone
from tests.targets.spliced import content, sample, write


def test_the_users_example_is_not_in_it():
    """What torch reads there is nothing, also in its careful way, and the program runs."""
    archive = content("sandwich", "pt2")
    inputs = members(archive)["data/sample_inputs/model.pt"]
    assert torch.load(io.BytesIO(inputs), weights_only=True) == {}
    program = torch.export.load(io.BytesIO(archive))
    assert not program.example_inputs
    outputs = program.module()(torch.zeros(2, 4))
    assert all(one.isfinite().all() for one in outputs)


WITHOUT_COMPILER = """
from hybridx.errors import NoCompilerError
from tests.targets.spliced import sample, write
try:
    write(sample("layer"), "pt2", aot=True)
except NoCompilerError as error:
    print(error)
"""


@pytest.mark.slow  # torch is imported in a process of its own
def test_no_compiler_is_named():
    # In a process of its own: torch looks for the compiler once.
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_COMPILER]
    environment = os.environ | {"CXX": "/nowhere/g++", "PYTHONPATH": str(root)}
    finished = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=root, env=environment
    )
    assert finished.stdout.startswith("HX020")
    assert "without aot=True" in finished.stdout
    assert finished.stderr == ""


@pytest.mark.slow  # the compiler takes half a minute
def test_machine_code_is_the_program(tmp_path):
    spliced = sample("sandwich")
    archive = write(spliced, "pt2", aot=True)
    code = {name: data for name, data in members(archive).items() if "aotinductor" in name}
    assert sorted(Path(name).suffix for name in code) == [".json", ".so"]
    assert not any(re.search(rb"/(tmp|home|root|work)/", data) for data in code.values())
    inputs = [(torch.randn(batch, 4),) for batch in (1, 2, 50)]
    for format in ("aot", "pt2"):
        for args, found in zip(inputs, run_alone(tmp_path, format, archive, inputs), strict=True):
            torch.testing.assert_close(found, list(spliced.module(*args)), atol=1e-5, rtol=1e-5)
