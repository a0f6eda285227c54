"""Random changes of JSON."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any


def nodes_of(value: Any) -> Iterator[Any]:
    """Yield every list and object of a JSON value."""
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from nodes_of(inner)


CHANGES = 300
# JavaScript cannot tell 1.0 from 1, which hybridx refuses where it wants a whole number.
OTHERS = [None, True, "X", "", -1, 0, 1, 2, 99, 0.5, 2e9 + 0.5, 2**53, [], [0], [0, 0], {}, "RX"]


def changed(document: Any, rng: random.Random) -> Any:
    """Return a JSON value with one change."""
    found = copy.deepcopy(document)
    place = rng.choice([one for one in nodes_of(found) if one])
    key = rng.choice([*place]) if isinstance(place, dict) else rng.randrange(len(place))
    match rng.randrange(5):
        case 0:
            del place[key]
        case 1 if isinstance(place, dict):
            place[rng.choice(["more", "base", "angle", "adjoint", "shots"])] = rng.choice(OTHERS)
        case 2 if isinstance(place, list):
            place.append(copy.deepcopy(place[key]))
        case _:
            place[key] = copy.deepcopy(rng.choice(OTHERS))
    return found
