"""What is in an archive, and what torch alone makes of it."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import torch

LOADED = Path(__file__).with_name("loaded.py")


def members(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}


def run_alone(tmp_path, format, archive, inputs):
    path, given, found = (tmp_path / name for name in ("model.pt2", "in.pt", "out.pt"))
    path.write_bytes(archive)
    torch.save(inputs, given)
    command = [
        sys.executable,
        "-W",
        "ignore",
        str(LOADED),
        format,
        str(path),
        str(given),
        str(found),
    ]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=120)
    return torch.load(found)
