"""The example in `docs/cpp`: a TorchScript file run by libtorch, without Python."""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from tests.targets.spliced import content, sample

EXAMPLE = Path(__file__).parents[2] / "docs" / "cpp"


def build(folder):
    prefix = f"-DCMAKE_PREFIX_PATH={torch.utils.cmake_prefix_path}"
    for command in (
        ["cmake", "-S", EXAMPLE, "-B", folder, prefix],
        ["cmake", "--build", folder],
    ):
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stdout + finished.stderr
    return folder / "run"


@pytest.mark.slow  # the compiler takes half a minute
@pytest.mark.skipif(
    not (shutil.which("cmake") and shutil.which("c++")), reason="no C++ compiler or no CMake"
)
def test_the_example_runs_a_file(tmp_path):
    program = build(tmp_path / "build")
    for name in ("sandwich", "two_heads"):
        path = tmp_path / f"{name}.pt"
        path.write_bytes(content(name, "torchscript"))
        columns = sample(name).args[0].shape[1]
        for rows in (1, 3):
            x = torch.randn(rows, columns)
            numbers = [repr(number) for number in x.flatten().tolist()]
            command = [program, path, str(columns), *numbers]
            finished = subprocess.run(command, capture_output=True, text=True, check=True)
            lines = [
                [float(number) for number in line.split()] for line in finished.stdout.splitlines()
            ]
            expected = [row.reshape(-1).tolist() for out in sample(name).module(x) for row in out]
            for line, row in zip(lines, expected, strict=True):
                torch.testing.assert_close(line, row, atol=1e-6, rtol=1e-6)
    bad = subprocess.run(
        [program, "none.pt", "1", "1"], capture_output=True, text=True, check=False
    )
    assert bad.returncode == 1
    assert "none.pt" in bad.stderr
