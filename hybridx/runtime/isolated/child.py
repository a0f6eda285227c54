"""The process in which a file runs: it reads a file and then inputs, and answers with outputs.

Its standard input and output are pipes to the process that started it. It ends when these do.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from hybridx.artifact import PARAMETERS, RESULTS, TorchArtifact, decode_artifact
from hybridx.bounds import RUN_SECONDS, limits
from hybridx.errors import HybridxError, OutOfMemoryError, first_line
from hybridx.runtime.circuits.alone import CompiledCircuit
from hybridx.runtime.engines import Engine, start_engine
from hybridx.runtime.execution import Execution
from hybridx.runtime.isolated.messages import OutOfTurnError, receive, send

# The process that waits ends this one first, unless it is gone itself.
_GRACE_SECONDS: Final = 10.0
_UNBOUNDED: Final = 2**62


def main() -> None:
    """Answer until there are no more questions."""
    # Libraries print to the standard output; answers have a pipe of their own.
    answers = os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    questions = sys.stdin.buffer
    engine: Engine | None = None
    while True:
        try:
            kind, values, arrays = receive(questions, _UNBOUNDED)
        except OutOfTurnError:
            return
        try:
            with _ending(values["seconds"]):
                if kind == "load":
                    content = arrays["content"].tobytes()
                    # Time and memory are bounded themselves here, and need no estimate.
                    with limits(**{**values["limits"], RUN_SECONDS.name: RUN_SECONDS.most}):
                        engine = _loaded(content, values, answers)
                    send(answers, "loaded", {"provider": engine.provider}, {})
                elif kind == "body":
                    assert engine is not None
                    dtype = np.dtype(values["dtype"])
                    compiled = CompiledCircuit(values["circuit"], dtype, values["place"])
                    results = engine.run_body(compiled, arrays[PARAMETERS])
                    send(answers, "outputs", {}, {RESULTS: results})
                else:
                    assert engine is not None
                    send(answers, "outputs", {}, engine.run(arrays))
        except HybridxError as error:
            send(answers, "error", {"name": type(error).__name__, "facts": error.facts()}, {})
        except MemoryError as error:
            facts = OutOfMemoryError(first_line(error)).facts()
            send(answers, "error", {"name": "OutOfMemoryError", "facts": facts}, {})


def _loaded(content: bytes, values: dict[str, Any], answers: BinaryIO) -> Engine:
    """Return an engine, after the imports that it needs, which no bound counts."""
    import onnxruntime  # noqa: F401

    artifact = decode_artifact(content, values["path"])
    if isinstance(artifact, TorchArtifact):
        import torch

        import hybridx.runtime.torch  # noqa: F401

        if values["threads"] is not None:
            torch.set_num_threads(values["threads"])
    send(answers, "imported", {}, {})
    _bound_memory(values["bytes"])
    return start_engine(artifact, Execution(provider=values["provider"], threads=values["threads"]))


def _bound_memory(most_bytes: int) -> None:
    """Bound the memory of this process beyond what it has, where the system can."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
        now = int(pages) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = now + most_bytes
        if hard == resource.RLIM_INFINITY or wanted <= hard:
            resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


@contextmanager
def _ending(seconds: float) -> Iterator[None]:
    """End this process if it takes longer than it was given, and nobody does it."""
    timer = threading.Timer(seconds + _GRACE_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
