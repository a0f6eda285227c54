"""A command in a forked process that has everything imported, with its time and memory bounded."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.cli.warm import MODULES
from tests.trust.hostile.case import Case

CPU_SECONDS = 10
MEMORY = 2**30  # beyond the interpreter and its libraries
ADDRESSES = 2 * 2**30  # what a process may ask for, so that a bomb does not take the machine
HANG_SECONDS = 240  # on the clock of a machine that others may use
SECRET = "a-secret-outside-the-folder"
EXECUTED = "executed"  # the file that code in a hostile file would write


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code, or the negative number of a signal.
        seconds: of the processor.
        memory: the most bytes that it had beyond what it began with.
        text: of stdout and stderr.
    """

    code: int
    seconds: float
    memory: int
    text: str


def warm() -> None:
    """Import what commands import; nothing is computed, as threads do not survive a fork."""
    for name in (*MODULES, "onnxruntime", "safetensors.torch", "hybridx.runtime.torch"):
        import_module(name)


def run(words: Sequence[str], folder: Path) -> Ended:
    """Run a command in a folder."""
    log, before = folder.with_suffix(".log"), folder.with_suffix(".before")
    pid = os.fork()
    if pid == 0:
        _child(words, folder, log, before)
    ends = time.monotonic() + HANG_SECONDS
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > ends:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return Ended(
        os.waitstatus_to_exitcode(status),
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024 - int(before.read_text()),
        log.read_bytes().decode(errors="replace"),
    )


def wrong(case: Case, command: str, ended: Ended, folder: Path) -> str | None:
    """Return what is wrong with the end of a command, or None."""
    if ended.seconds > CPU_SECONDS or ended.code in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"takes {ended.seconds:.1f} s of the processor"
    if ended.code < 0:
        return f"ends with {signal.Signals(-ended.code).name}"
    if ended.memory > MEMORY:
        return f"takes {ended.memory / 2**20:.0f} MiB"
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", ended.text):
        return "writes control characters"
    if SECRET in ended.text:
        return "shows a file outside the folder"
    if (folder / EXECUTED).exists():
        return "executes code of the file"
    if ended.code == 3 and not re.search(r"\bHX\d{3}\b", ended.text):
        return f"is refused without a code: {ended.text[-300:]}"
    if ended.code == 3 or (ended.code in (0, 1) and command in case.may_answer):
        return None
    return f"ends with {ended.code}: {ended.text[-600:]}"


def _child(words: Sequence[str], folder: Path, log: Path, before: Path) -> None:
    code = 71
    try:
        before.write_text(str(_resident()))
        null = os.open(os.devnull, os.O_RDONLY)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream, number in ((null, 0), (file, 1), (file, 2)):
            os.dup2(stream, number)
        # pytest has replaced these.
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        os.chdir(folder)
        sys.path.insert(0, "")
        addresses = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (addresses + ADDRESSES,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS + 2, CPU_SECONDS + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        from hybridx.cli.main import main

        sys.argv = ["hybridx", *words]
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
