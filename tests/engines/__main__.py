"""Run files of every strategy and dtype on other engines, and write what came of it.

`python -m tests.engines` takes every row of `engines.toml`, `python -m tests.engines NAME …` the
named ones; the results of the others stay. It fails, and keeps the former results of an engine, if
a file that must run or that ran before does not. `--accept` takes the new results all the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.documents.engines import PAGE, page
from tests.engines.engine import Attempt, Engine, NotTriedError, engines
from tests.engines.files import case, file
from tests.engines.host import Host, RefusedError
from tests.engines.outcome import Outcome, compared, refused
from tests.engines.results import KEPT, Key, Result, complaints, keys, read, write
from tests.fresh_machine import fresh


def main() -> int:
    """Return 1 if an engine does worse than it must or did, else 0."""
    known = engines()
    parser = argparse.ArgumentParser(prog="python -m tests.engines")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--accept", action="store_true", help="keep results that are worse")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    is_worse = False
    with tempfile.TemporaryDirectory() as folder:
        for name in given.names or known:
            result = _tried(known[name], Path(folder))
            kept = read() if KEPT.exists() else {}
            ran = sum(map(result.runs, result.outcomes))
            print(f"{name} {result.version}: {result.not_tried or f'{ran} of {len(keys())} run'}")
            found = complaints(known[name], result, kept.get(name))
            for complaint in found:
                print(f"  WORSE: {complaint}")
            if found and not given.accept:
                is_worse = True
                continue
            kept[name] = result
            write({one: kept[one] for one in known if one in kept})
    PAGE.write_text(page(), encoding="utf-8")
    return int(is_worse)


def _tried(engine: Engine, folder: Path) -> Result:
    """Return what comes of every file on an engine."""
    result = Result(datetime.now(UTC).strftime("%Y-%m-%d"), engine.pinned)
    try:
        command = engine.command()
        result = replace(result, on=engine.on())
    except NotTriedError as error:
        return replace(result, not_tried=str(error))
    outcomes: dict[Key, tuple[Outcome, ...]] = {}
    with Host(command, fresh(os.environ, folder)) as host:
        for key in keys():
            outcomes[key] = _attempts(engine, host, folder, key)
            print(engine.name, *key, *(one.status for one in outcomes[key]), sep="  ", flush=True)
    return replace(result, outcomes=outcomes)


def _attempts(engine: Engine, host: Host, folder: Path, key: Key) -> tuple[Outcome, ...]:
    """Return what comes of a file, tried in one way after another until one is right."""
    done: list[Outcome] = []
    for attempt in engine.attempts:
        done.append(_attempted(host, folder, key, attempt))
        # No other file helps an engine that knows no functions.
        if done[-1].status in ("right", "narrow") or done[-1].kind == "no functions":
            break
    return tuple(done)


def _attempted(host: Host, folder: Path, key: Key, attempt: Attempt) -> Outcome:
    name, dtype, form = key
    given = case(name, dtype)
    count = 1 if attempt == "fixed" else len(given.inputs)
    path = file(folder, name, dtype, form, attempt)
    try:
        found = host.run(path, given.inputs[:count], alone=attempt == "alone")
    except RefusedError as error:
        return refused(attempt, str(error))
    return compared(attempt, dtype, found, given.expected[:count])


if __name__ == "__main__":
    sys.exit(main())
