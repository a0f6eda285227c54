"""Run a file as somebody does who has ONNX Runtime and nothing else: `bare.py MODEL COUNT`.

Reads `in_0.npz`, … beside the file, with arrays `arg.0`, … by position and `kw.NAME` by keyword;
writes `out_0.npz`, ….
"""

import sys
from pathlib import Path

ABSENT = ("torch", "pennylane", "hybridx", "onnx")


def main(path: Path, count: int) -> None:
    """Run the file on all inputs, in a process that can import nothing of ABSENT."""
    sys.modules.update(dict.fromkeys(ABSENT))  # type: ignore[arg-type]
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    names = [node.name for node in session.get_inputs()]
    for index in range(count):
        with np.load(path.parent / f"in_{index}.npz") as arrays:
            named = {name[3:]: arrays[name] for name in arrays.files if name.startswith("kw.")}
            rest = iter([arrays[name] for name in arrays.files if name.startswith("arg.")])
        feed = {name: named[name] if name in named else next(rest) for name in names}
        outputs = session.run(None, feed)
        np.savez(path.parent / f"out_{index}.npz", *outputs)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
