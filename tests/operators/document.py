"""The operators and modules of torch as a section of `docs/support.md`."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict

from tests.operators.outcomes import read
from tests.operators.reasons import EXCEPTIONS, REASONS

DTYPES = ("float32", "int64", "bool", "complex64")
SHOWN = ("right", "refused", *EXCEPTIONS, "no sample")


def torch_operators() -> str:
    """Return the counts, the exceptions, and what is refused."""
    outcomes = read()
    modules = [name for name in outcomes if name.startswith("nn.")]
    kinds = {
        **{
            f"operators on {dtype}": [
                n for n in outcomes if n.endswith(f"/{dtype}") and n not in modules
            ]
            for dtype in DTYPES
        },
        "modules": modules,
        "all": list(outcomes),
    }
    rows = []
    for kind, names in kinds.items():
        counts = Counter(outcomes[name].status for name in names)
        rows.append((kind, *(str(counts[status]) for status in SHOWN), str(len(names))))
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name in outcomes:
        if name in REASONS:
            by_reason[REASONS[name]].append(name)
    reasons = [(reason, _listed(names)) for reason, names in sorted(by_reason.items())]
    refused: dict[str, list[str]] = defaultdict(list)
    for name, outcome in outcomes.items():
        if outcome.status == "refused":
            called, _, dtype = name.rpartition("/")
            refused[called].append(dtype)
    listed = ", ".join(f"`{name}` ({', '.join(dtypes)})" for name, dtypes in refused.items())
    return f"""\
## Operators and modules of torch

torch's own tests draw samples of its operators, for each dtype, and of its modules. For each of
them a model is exported in which a circuit takes the first numbers of the result, and the file is
compared with the eager model (`make test-operators`). Where there is no right file, the classical
twin, with a linear layer in place of the circuit, goes through `torch.onnx.export`.

* right: the file agrees with the eager model.
* refused: hybridx refuses the model by the name of the operator; its twin has no right file either.
* twin only: hybridx refuses the model, and the twin has a right file.
* wrong: the file differs from the eager model. crash: any other exception.
* no sample: torch draws none, its own operator refuses it, or the results are what is in memory.

{_table(("", *SHOWN, "in all"), rows)}
What is twin only, wrong or crash, and why:

{_table(("reason", "samples"), reasons)}
Refused:

{textwrap.fill(listed, 100, break_long_words=False, break_on_hyphens=False)}
"""


def _listed(names: list[str]) -> str:
    by_operator: dict[str, list[str]] = defaultdict(list)
    for name in names:
        called, _, dtype = name.rpartition("/")
        by_operator[called].append(dtype)
    return ", ".join(f"`{name}` ({', '.join(dtypes)})" for name, dtypes in by_operator.items())


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
