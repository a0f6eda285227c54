"""Run golden files by ONNX Runtime alone: `python files_alone.py FOLDER OPSET NAME …`.

It runs in environments that have neither hybridx nor onnx. Each file has its own inputs and
expected outputs, as docs/file-format.md says. A file with a later opset is left out. A file with
a NAME is one for which this ONNX Runtime has no kernel.
"""

from __future__ import annotations

import base64
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime

TOLERANCE = 1e-5  # that of float32 in the files


def main() -> int:
    """Return 1 if a file does not run or gives other outputs, else 0."""
    folder, newest, without = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    ran, wrong = 0, []
    for path in sorted(folder.glob("onnx-*/*.onnx")):
        later = re.fullmatch(r"opset_(\d+)", path.stem)
        if (later and int(later[1]) > newest) or path.stem == "no_body":
            continue
        ran += 1
        said = outcome(path)
        if said != ("no kernel" if path.stem in without else ""):
            wrong.append(f"{path.parent.name}/{path.name}: {said or 'it runs'}")
    print(f"onnxruntime {onnxruntime.__version__}: {ran - len(wrong)} of {ran} files as expected")
    print(*wrong, sep="\n")
    return int(bool(wrong) or ran == 0)


def outcome(path: Path) -> str:
    """Return what is wrong with a file, empty if it gives its outputs."""
    try:
        worst = difference(path)
    except Exception as error:
        return "no kernel" if "NOT_IMPLEMENTED" in str(error) else f"{error}"
    return f"it is off by {worst:.1g}" if worst > TOLERANCE else ""


def difference(path: Path) -> float:
    """Return how far a file's outputs are from those that it states, relative to large ones."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    said = json.loads(session.get_modelmeta().custom_metadata_map["hybridx.selftest"])
    given = {name: whole(one) for name, one in said["inputs"].items()}
    names = [one.name for one in session.get_outputs()]
    worst = 0.0
    for name, found in zip(names, session.run(names, given), strict=True):
        one = said["outputs"][name]
        expected = numbers(one).astype(float)
        found = found.reshape(-1)[:: one.get("step", 1)].astype(float)
        error = np.abs(found - expected) / np.maximum(1, np.abs(expected))
        worst = max(worst, float(error.max(initial=0)))
    return worst


def numbers(one: dict) -> np.ndarray:
    """Return the numbers of a tensor of a self-test that are stored."""
    return np.frombuffer(base64.b64decode(one["data"]), np.dtype(one["dtype"]))


def whole(one: dict) -> np.ndarray:
    """Return a tensor of a self-test, in which numbers may repeat."""
    return np.resize(numbers(one), math.prod(one["shape"])).reshape(one["shape"])


if __name__ == "__main__":
    sys.exit(main())
