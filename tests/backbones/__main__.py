"""Other libraries in an environment of their own: `python -m tests.backbones`.

Their backbones are exported, and their trainers train an accelerated model. One line for each says
how it went; `python -m tests.backbones ResNet` takes those with that word in their names. The exit
code is 0 if each went as `BACKBONES` says, and each trainer has trained.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.backbones.models import BACKBONES
from tests.backbones.trainers import TRAINERS
from tests.fresh_machine import ROOT, fresh, made
from tests.versions.requirements import declared_requirements

FOLDER = ROOT / ".backbones"
SECONDS = 900


def main() -> int:
    """Return 1 if a backbone went otherwise than the table says, 2 if nothing can be run."""
    words = sys.argv[1:]

    def is_chosen(name: str) -> bool:
        return not words or any(word in name for word in words)

    chosen = [
        number
        for number, backbone in enumerate(BACKBONES)
        if is_chosen(f"{backbone.library} {backbone.name}")
    ]
    trainers = [name for name in TRAINERS if is_chosen(f"{name} trainer")]
    if not chosen and not trainers:
        print(f"no backbone is called {' or '.join(words)}")
        return 2
    python = made(FOLDER, sys.executable, requirements())
    if python is None:
        print("the environment cannot be made")
        return 2
    exported, others = 0, 0
    for number in chosen:
        outcome = judged(python, "one", str(number))
        backbone = BACKBONES[number]
        print(f"{backbone.library:16}{backbone.name:40}{outcome}", flush=True)
        exported += outcome == "exported"
        if not outcome.startswith(backbone.expected):
            others += 1
            print(f"{'':16}the table says: {backbone.expected}", flush=True)
    for name in trainers:
        outcome = judged(python, "trainers", name)
        print(f"{name:16}{'trainer':40}{outcome}", flush=True)
        others += outcome != "trained"
    print(f"exported {exported} of {len(chosen)}, otherwise than the table says {others}")
    return int(others > 0)


def requirements() -> list[str]:
    """Return what pip installs: the torch and the PennyLane under test, and the libraries."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0]: line for line in pins if "==" in line}
    names = [requirement.split(">=")[0] for requirement in (*declared_requirements(), "numba")]
    listed = (Path(__file__).parent / "requirements.txt").read_text(encoding="utf-8").splitlines()
    libraries = [line for line in listed if not line.startswith("#")]
    torch = os.environ.get("TORCH_SPEC", "torch==2.13.0")
    return [torch, *(pinned.get(name, name) for name in names if name != "torch"), *libraries]


def judged(python: Path, program: str, argument: str) -> str:
    """Return how one backbone or trainer went, in a process of its own."""
    with tempfile.TemporaryDirectory() as home:
        try:
            done = subprocess.run(
                [str(python), "-m", f"tests.backbones.{program}", argument],
                cwd=ROOT,
                env=fresh(os.environ, Path(home)) | {"HF_HUB_OFFLINE": "1"},
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"crash: not done after {SECONDS} s"
    said = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    return ("crash: " if done.returncode else "") + (said or ["it said nothing"])[-1]


if __name__ == "__main__":
    sys.exit(main())
