"""Print the digest of each corpus file, to show that a change leaves them byte for byte.

`python -m tests.corpus.digests > before.txt` on one commit, the same on another, and compare. What
cannot be exported has its error in the place of a digest.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import tempfile
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from tests.corpus import CASES


def digest(name: str) -> str:
    """Export one case and return the digest of its file, or the class of its error."""
    import torch

    import hybridx
    from hybridx.errors import HybridxError

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    case = next(case for case in CASES if case.name == name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            with redirect_stdout(StringIO()):  # some models print
                hybridx.export(case.build(), case.args, path, kwargs=case.kwargs, verify=False)
        except HybridxError as error:
            return type(error).__name__
        return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take one case of so many")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="workers")
    options = parser.parse_args()
    names = [case.name for case in CASES][:: options.every]
    import hybridx.capture
    import hybridx.targets  # noqa: F401 - before the fork, so that workers start quickly

    context = multiprocessing.get_context("fork")
    with context.Pool(options.jobs, maxtasksperchild=8) as pool:
        for name, found in zip(names, pool.imap(digest, names), strict=True):
            print(f"{name:28} {found}", flush=True)


if __name__ == "__main__":
    main()
