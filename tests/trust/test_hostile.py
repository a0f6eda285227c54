"""Every command on every hostile file ends in a typed error or a right answer, in bounded time.

Each command runs in a process of its own, which may take 10 s of the processor and a gigabyte
beyond the interpreter and its libraries. It may not write a control character, execute what is in a
file, show a file beside the folder, or leave a file when it refuses.
"""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest

from tests.golden.files import newest
from tests.trust.hostile import data_cases, measure, model_cases, torch_cases

CASES = [
    *model_cases.onnx_cases(),
    *model_cases.bundle_cases(),
    *torch_cases.archive_cases(),
    *torch_cases.checkpoint_cases(),
    *data_cases.data_cases(),
    *data_cases.strange_cases(),
]
NET = """
import torch

class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(3, 2)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it measures by Linux's /proc")


@pytest.fixture(scope="module", autouse=True)
def imported():
    measure.warm()


@pytest.fixture
def folder(tmp_path):
    """A folder with good files, which a command also needs."""
    (tmp_path / "secret").write_text(measure.SECRET)
    inside = tmp_path / "place"
    inside.mkdir()
    shutil.copy(newest()["onnx classifier"], inside / "model.onnx")
    (inside / "net.py").write_text(NET)
    (inside / "x.csv").write_text("a,b,c,kind\n1,2,3,yes\n4,5,6,no\n")
    np.save(inside / "x.npy", np.ones((2, 3), "float32"))
    return inside


def names(folder):
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if not is_cache(one))


def is_cache(path):
    return "__pycache__" in path.parts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hostile_file_is_refused_or_answered(case, folder):
    case.make(folder / case.file)
    before, problems = names(folder), []
    for command in case.commands:
        words = [word.replace("{path}", case.file) for word in command.split()]
        ended = measure.run(words, folder)
        problem = measure.wrong(case, words[0], ended, folder)
        if ended.code == 3 and names(folder) != before:
            problem = f"leaves {names(folder)}"
        if problem is not None:
            problems.append(f"{' '.join(words)}: {problem}")
        for name in ("y.npz", "y.onnx"):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "y.bundle", ignore_errors=True)
    assert not problems, "\n".join(problems)


def test_what_is_wrong_would_be_seen(folder):
    """Good files pass for hostile ones only where a right answer may come."""
    case = model_cases.onnx_cases()[0]
    ended = measure.run(["inspect", "model.onnx"], folder)
    assert ended.code == 0, ended.text
    assert "ends with 0" in measure.wrong(case, "inspect", ended, folder)
    for text in ("\x1b[31m", measure.SECRET):
        assert measure.wrong(case, "run", measure.Ended(3, 0.1, 0, f"HX301 {text}"), folder)
    for code, seconds, memory in ((70, 0.1, 0), (-11, 0.1, 0), (3, 11.0, 0), (3, 0.1, 2**31)):
        assert measure.wrong(case, "run", measure.Ended(code, seconds, memory, "HX301"), folder)
    assert measure.wrong(case, "run", measure.Ended(3, 0.1, 0, "HX301"), folder) is None
