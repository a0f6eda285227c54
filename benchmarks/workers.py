"""The peers as processes, each in its own virtual environment.

One peer works at a time, and is bound to as many cores as it has threads.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.records import BUILD, ROOT

PEERS, VENVS = ROOT / "benchmarks" / "peers", ROOT / "benchmarks" / ".venvs"

LONGEST_START = 600.0  # seconds for imports; hybridx compiles its interpreter once on a machine
LONGEST_LOAD = 120.0  # seconds for tracing, compiling and the first two calls


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that computes workloads.

    Attributes:
        name: in the tables.
        folder: below `peers`.
        choice: argument of its program, for folders with several peers.
        holds_state: it holds all amplitudes of all rows of a batch in memory.
        compiles: its first call takes longer than any other.
        program: the file in its folder that is run.
    """

    name: str
    folder: str
    choice: str = ""
    holds_state: bool = True
    compiles: bool = True
    program: str = "peer"


class DeadError(Exception):
    """A peer's process ended or did not answer in time."""


class Worker:
    """A running peer."""

    def __init__(self, peer: Peer, threads: int, most_bytes: int | None) -> None:
        python = install(peer.folder)
        self.log = (BUILD / f"{peer.name.replace(' ', '-')}.log").open("w+")
        self.process = subprocess.Popen(
            [python, "-m", f"benchmarks.peers.{peer.folder}.{peer.program}", peer.choice],
            cwd=ROOT,
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            preexec_fn=lambda: keep_to(threads, most_bytes),
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.requests, self.replies = self.process.stdin, self.process.stdout
        self.ready = selectors.DefaultSelector()
        self.ready.register(self.replies, selectors.EVENT_READ)
        self.versions = self._read(LONGEST_START)

    def ask(self, request: Mapping[str, Any], limit: float) -> dict[str, Any]:
        """Return the reply to a request.

        Raises:
            DeadError: the process ended without a reply.
        """
        try:
            self.requests.write(json.dumps(request).encode() + b"\n")
            self.requests.flush()
        except BrokenPipeError:
            raise DeadError(self._end()) from None
        return self._read(limit)

    def _read(self, limit: float) -> dict[str, Any]:
        if not self.ready.select(limit):
            self._end()
            raise DeadError(f"no result within {limit:.0f} s")
        line = self.replies.readline()
        if not line:
            raise DeadError(self._end())
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _end(self) -> str:
        self.process.kill()
        status = self.process.wait()
        self.log.seek(0)
        last = self.log.read().strip().rpartition("\n")[2]
        self.close()
        return f"its process ended with status {status}: {last[:200]}"

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.ready.close()
        self.log.close()


@dataclass(slots=True)
class Workers:
    """The peers with one number of threads, each started at its first request.

    Attributes:
        threads: of each process, which is bound to as many cores.
        most_bytes: of memory that a process may have, if the system can limit it.
        running: by the names of the peers.
        broken: why a peer does not start.
    """

    threads: int
    most_bytes: int | None = None
    running: dict[str, Worker] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def ask(self, peer: Peer, request: Mapping[str, Any], limit: float) -> dict[str, Any]:
        """Return the reply of a peer, or why its process ended; it is started again next time."""
        if peer.name in self.broken:
            return {"refused": self.broken[peer.name]}
        try:
            if peer.name not in self.running:
                self.running[peer.name] = Worker(peer, self.threads, self.most_bytes)
            return self.running[peer.name].ask(request, limit)
        except DeadError as error:
            if peer.name not in self.running:
                self.broken[peer.name] = f"does not start: {error}"
            self.running.pop(peer.name, None)
            return {"refused": str(error), "ended": True}
        except subprocess.CalledProcessError as error:
            self.broken[peer.name] = f"does not install: {error.stderr.strip().splitlines()[-1]}"
            return {"refused": self.broken[peer.name]}

    def close(self) -> None:
        """End all processes."""
        for worker in self.running.values():
            worker.close()
        self.running.clear()


def install(folder: str) -> Path:
    """Return the interpreter of a peer's environment, and make the environment if needed.

    Raises:
        subprocess.CalledProcessError: pip cannot install the requirements.
    """
    home, wanted = VENVS / folder, PEERS / folder / "requirements.txt"
    python, done = home / "bin" / "python", home / "installed.txt"
    if done.exists() and done.read_text() == wanted.read_text():
        return python
    print(f"installing {folder}", file=sys.stderr)
    venv.create(home, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(wanted)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    done.write_text(wanted.read_text())
    return python


def environment(threads: int) -> dict[str, str]:
    """Return variables that give every library the same number of threads."""
    pools = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
    flags = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}"
    return (
        os.environ
        | {f"{pool}_NUM_THREADS": str(threads) for pool in pools}
        | {
            "XLA_FLAGS": f"{flags} intra_op_parallelism_threads={threads}",
            "JAX_PLATFORMS": "cpu",
            "BENCH_THREADS": str(threads),
        }
    )


def keep_to(threads: int, most_bytes: int | None) -> None:
    """Bind this process to the first cores and limit its memory, if the system can.

    So no pool has more threads, and a peer that needs more memory fails alone.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    if most_bytes is not None and sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
