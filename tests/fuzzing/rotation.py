"""Fuzz the targets in turn: `python -m tests.fuzzing.rotation SECONDS FOLDER [TARGET …]`.

hybridx is imported once and instrumented, and each turn of a target is a forked process, so that a
crash ends a turn only. A finding is written to a file of `FOLDER/findings` and the turn goes on;
of findings of one kind at one place the first is kept. What ends a process (a crash in native code,
a hang that no signal ends, too much memory) libFuzzer writes there itself. `FOLDER/run.log` has a
line for each turn and the sums at the end.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import random
import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from itertools import cycle
from pathlib import Path
from typing import IO, Never

import atheris


@contextmanager
def instrumented() -> Iterator[None]:
    """Instrument what is imported of hybridx, without a line on stderr for each module."""
    with redirect_stderr(StringIO()), atheris.instrument_imports(include=["hybridx"]):
        yield


with instrumented():
    from tests.fuzzing.oracle import Finding, tried
    from tests.fuzzing.target import Target
    from tests.fuzzing.targets import TARGETS

SHORTEST_TURN, LONGEST_TURN = 4, 120  # seconds
TURNS = 4  # of each target, at least, where the time suffices
HANG_SECONDS = 300  # on the clock, of a machine that others may use; the oracle counts CPU time
RSS_MEGABYTES = 2048
LONGEST_INPUT = 200_000

_STATE = re.compile(r"^#(\d+)\s.*cov: (\d+) ft: (\d+) corp: (\d+)", re.MULTILINE)


@dataclass
class Sums:
    """What became of all turns of a target.

    Attributes:
        seconds: on the clock.
        runs: inputs that were tried.
        coverage: edges of hybridx that were reached, counters of them, and inputs that are kept.
        ends: turns that ended before their time.
    """

    seconds: float = 0.0
    runs: int = 0
    coverage: tuple[int, int, int] = (0, 0, 0)
    ends: int = 0


@dataclass
class Rotation:
    """A run of some targets, one after another.

    Attributes:
        folder: of inputs that are kept, findings and the log.
        targets: that take turns.
        seed: of the first turn; each turn has another one.
        sums: by the name of a target.
    """

    folder: Path
    targets: list[Target]
    seed: int = 1
    sums: dict[str, Sums] = field(default_factory=dict)

    def run(self, seconds: float) -> list[str]:
        """Fuzz for some seconds, and return the names of the findings."""
        self.findings.mkdir(parents=True, exist_ok=True)
        self._say(f"{len(self.targets)} targets, {seconds:g} s, {self._count()} findings so far")
        for target in self.targets:
            self._begin(target)
        ends = time.monotonic() + seconds
        turn = min(LONGEST_TURN, max(SHORTEST_TURN, seconds / len(self.targets) / TURNS))
        if seconds < SHORTEST_TURN * TURNS * len(self.targets):
            turn = seconds / len(self.targets)
        # Turns take somewhat longer than they may; the first of each is never left out.
        for target in self.targets:
            self._turn(target, max(1, round(turn)))
        for target in cycle(self.targets):
            if (left := ends - time.monotonic()) <= 1:
                break
            self._turn(target, max(1, round(min(turn, left))))
        self._say_sums()
        return sorted({one.name.removesuffix(".txt") for one in self.findings.iterdir()})

    @property
    def findings(self) -> Path:
        """The folder of findings."""
        return self.folder / "findings"

    def _corpus(self, target: Target) -> Path:
        return self.folder / "corpus" / target.name

    def _begin(self, target: Target) -> None:
        """Try the inputs to begin with, which imports what the target needs."""
        self._corpus(target).mkdir(parents=True, exist_ok=True)
        with instrumented():
            for seed in target.seeds():
                (self._corpus(target) / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
                self._try(target, seed)

    def _turn(self, target: Target, seconds: int) -> None:
        log = self.folder / f"{target.name}.log"
        self.seed += 1
        started = time.monotonic()
        with log.open("wb") as stream:
            pid = os.fork()
            if pid == 0:
                self._fuzz(target, seconds, stream)
            _, status = os.waitpid(pid, 0)
        sums = self.sums.setdefault(target.name, Sums())
        sums.seconds += (spent := time.monotonic() - started)
        sums.ends += status != 0
        states = _STATE.findall(log.read_text(errors="replace"))
        runs = 0
        if states:
            runs, *coverage = map(int, states[-1])
            sums.runs += runs
            sums.coverage = tuple(map(max, sums.coverage, coverage))  # type: ignore[assignment]
        if not runs:
            raise RuntimeError(f"{target.name} cannot be fuzzed:\n{log.read_text()[-3000:]}")
        self._say(
            f"{target.name:12}{spent:5.0f} s {runs:8,} runs  {_shown(sums.coverage)}  "
            f"{self._count()} findings" + (f"  ended with {status}" if status else "")
        )

    def _fuzz(self, target: Target, seconds: int, log: IO[bytes]) -> Never:
        """Be a process that fuzzes one target."""
        null = os.open(os.devnull, os.O_RDWR)
        for stream, number in ((null, 0), (null, 1), (log.fileno(), 2)):
            os.dup2(stream, number)
        try:
            options = [
                f"-max_total_time={seconds}",
                f"-rss_limit_mb={RSS_MEGABYTES}",
                f"-timeout={HANG_SECONDS}",
                f"-artifact_prefix={self.findings}/{target.name}-",
                f"-max_len={LONGEST_INPUT}",
                f"-seed={self.seed}",
            ]
            if target.words:
                words = self.folder / f"{target.name}.words"
                words.write_text("".join(f'"{_escaped(one)}"\n' for one in target.words))
                options.append(f"-dict={words}")
            change = {} if target.change is None else {"custom_mutator": _mutator(target)}
            command = [sys.argv[0], *options, str(self._corpus(target))]
            atheris.Setup(command, lambda data: self._try(target, data), **change)
            # It ends with C's `exit`, which joins threads that a forked process does not have.
            leave = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: os._exit(0))
            getattr(ctypes.CDLL(None), "__cxa_atexit")(leave, None, None)
            atheris.Fuzz()
        except BaseException:
            _end()
        os._exit(0)

    def _try(self, target: Target, data: bytes) -> None:
        found = tried(target, data)
        if found is None:
            return
        stem = f"{target.name}-{hashlib.sha256(str(found).encode()).hexdigest()[:12]}"
        if not (self.findings / stem).exists():
            (self.findings / stem).write_bytes(data)
            self._describe(stem, target, found)

    def _describe(self, stem: str, target: Target, found: Finding) -> None:
        text = f"{target.name}: {found}\n\n{found.text}"
        (self.findings / f"{stem}.txt").write_text(text, errors="replace")
        self._say(f"finding {stem}: {found}")

    def _count(self) -> int:
        return sum(1 for one in self.findings.iterdir() if one.suffix != ".txt")

    def _say(self, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {text}\n"
        with (self.folder / "run.log").open("a") as log:
            log.write(line)
        sys.stdout.write(line)
        sys.stdout.flush()

    def _say_sums(self) -> None:
        for name, one in self.sums.items():
            self._say(
                f"sum {name:12}{one.seconds:6.0f} s {one.runs:10,} runs  {_shown(one.coverage)}  "
                f"{one.ends} turns ended early"
            )
        seconds, runs = (
            sum(getattr(one, name) for one in self.sums.values()) for name in ("seconds", "runs")
        )
        self._say(f"in all {seconds:.0f} s, {runs:,} runs, {self._count()} findings")


def _mutator(target: Target):
    def change(data: bytes, max_size: int, seed: int) -> bytes:
        def mutate(part: bytes) -> bytes:
            return atheris.Mutate(part, max(2 * len(part), 64))

        assert target.change is not None
        try:
            return target.change(random.Random(seed), data, mutate)[:max_size]
        except Exception:
            _end()

    return change


def _end() -> Never:
    """End a process whose fuzzing itself has failed; atheris would wait for ever."""
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(70)


def _shown(coverage: tuple[int, int, int]) -> str:
    return "cov {:6,}  ft {:6,}  corpus {:5,}".format(*coverage)


def _escaped(word: str) -> str:
    return "".join(one if one.isalnum() else f"\\x{ord(one):02x}" for one in word)


def main() -> int:
    """Return 1 if there are findings, else 0."""
    seconds, folder, *names = sys.argv[1:]
    if unknown := [name for name in names if name not in TARGETS]:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
        return 2
    logging.disable(logging.CRITICAL)
    rotation = Rotation(Path(folder), [TARGETS[name] for name in names or TARGETS])
    findings = rotation.run(float(seconds))
    for name in findings:
        print(f"finding: {rotation.findings / name}")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
