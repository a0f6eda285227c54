"""Export a model of every operator and module in torch's own databases; see `make test-operators`.

What is done already is not done again: the outcomes stand in `build/operators.jsonl`.
"""

from __future__ import annotations

import argparse
from collections import Counter

import hybridx.capture
import hybridx.parity.eager
import hybridx.targets  # noqa: F401 - before the fork, so that workers start quickly
from tests.operators.outcomes import Expected, by_hash, write
from tests.operators.run import RESULTS, TIMEOUT, read_results, run_all, write_result
from tests.operators.samples import names
from tests.operators.trial import STATUSES, Outcome


def main() -> None:
    """Print one line for each sample, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=(), help="names of operators or of samples")
    parser.add_argument("--dtype", help="only the samples of this dtype")
    parser.add_argument("--sample", type=int, help="so many samples, chosen by hash")
    parser.add_argument("--again", nargs="+", default=(), help="repeat those with these statuses")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds for one sample")
    parser.add_argument("--write", action="store_true", help="keep the outcomes of a whole run")
    options = parser.parse_args()
    chosen = by_hash(names(), options.sample) if options.sample else names()
    if options.only:
        wanted = {*options.only}
        chosen = [n for n in chosen if {n, n.rpartition("/")[0]} & wanted]
    if options.dtype:
        chosen = [name for name in chosen if name.endswith(f"/{options.dtype}")]
    done = read_results()
    again = {*(options.again if not options.only or options.again else STATUSES)}
    missing = [n for n in chosen if n not in done or done[n].status in again]
    for outcome in run_all(missing, options.timeout):
        write_result(outcome)
        print(show(outcome), flush=True)
    done = read_results()
    counts = Counter(done[name].status for name in chosen if name in done)
    if options.write:
        write({name: Expected(done[name].status, done[name].code) for name in names()})
    print(", ".join(f"{counts[status]} {status}" for status in STATUSES), f"({RESULTS})")


def show(outcome: Outcome) -> str:
    """Return one line of the table."""
    return (
        f"{outcome.name:50} {outcome.seconds:6.1f}  {outcome.status:9} {outcome.code:5} "
        f"{outcome.detail}"
    )


if __name__ == "__main__":
    main()
