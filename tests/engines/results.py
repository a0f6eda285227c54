"""What came of each file on each engine, kept in `results.json` beside this file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.engines.engine import Engine
from tests.engines.files import DTYPES, FORMS, Dtype, Form
from tests.engines.models import MODELS
from tests.engines.outcome import Outcome

KEPT = Path(__file__).with_name("results.json")
Key = tuple[str, Dtype, Form]


@dataclass(frozen=True)
class Result:
    """What came of an engine.

    Attributes:
        date: of the run.
        version: of the engine.
        on: what ran it, and its version.
        not_tried: why it cannot be had; empty if it ran.
        outcomes: of each model, dtype and form, all attempts in order.
    """

    date: str
    version: str
    on: str = ""
    not_tried: str = ""
    outcomes: Mapping[Key, tuple[Outcome, ...]] = field(default_factory=dict)

    def best(self, key: Key) -> Outcome:
        """Return the attempt that tells most of a file: one that runs, else a wrong one."""
        rank = ["right", "narrow", "wrong", "refused"]
        return min(reversed(self.outcomes[key]), key=lambda one: rank.index(one.status))

    def runs(self, key: Key) -> bool:
        """Return whether the engine gives right numbers, if only in float32."""
        return self.best(key).status in ("right", "narrow")

    def wrong(self) -> Iterator[tuple[Key, Outcome]]:
        """Yield each attempt that gives wrong numbers, also if another is right."""
        for key, tried in self.outcomes.items():
            yield from ((key, one) for one in tried if one.status == "wrong")


def keys() -> list[Key]:
    """Return each model, dtype and form."""
    return [(name, dtype, form) for form in FORMS for dtype in DTYPES for name in MODELS]


def complaints(engine: Engine, new: Result, old: Result | None) -> list[str]:
    """Return what is worse than it must be: a file that must run, or ran before, does not."""
    if new.not_tried:
        must = engine.must or (old is not None and not old.not_tried)
        return [f"it is not tried: {new.not_tried}"] if must else []
    found = []
    for key in keys():
        name, dtype, form = key
        must = engine.must in ("all", dtype)
        ran = old is not None and key in old.outcomes and old.runs(key)
        best = new.best(key)
        if (must or ran) and not new.runs(key):
            error = "" if best.error is None else f" by {best.error:.1e}"
            said = f"{best.status}{error} {best.reason}".rstrip()
            found.append(f"{name} {dtype} {form}: {said}")
    return found


def read(path: Path = KEPT) -> dict[str, Result]:
    """Return the results of the engines by their names."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Result(
            **one
            | {
                "outcomes": {
                    tuple(key.split("/")): tuple(Outcome(**attempt) for attempt in tried)
                    for key, tried in one["outcomes"].items()
                }
            }
        )
        for name, one in kept.items()
    }


def write(results: Mapping[str, Result], path: Path = KEPT) -> None:
    """Keep results, each file on a line of its own."""
    path.write_text(
        "{\n"
        + ",\n".join(f"{json.dumps(name)}: {_text(one)}" for name, one in results.items())
        + "\n}\n",
        encoding="utf-8",
    )


def _text(result: Result) -> str:
    said = {name: value for name, value in vars(result).items() if name != "outcomes"}
    lines = [f" {json.dumps(name)}: {json.dumps(value)}," for name, value in said.items()]
    outcomes = ",\n".join(
        f"  {json.dumps('/'.join(key))}: {json.dumps(list(map(asdict, tried)), allow_nan=False)}"
        for key, tried in result.outcomes.items()
    )
    return "\n".join(["{", *lines, ' "outcomes": {', outcomes, " }", "}"])
