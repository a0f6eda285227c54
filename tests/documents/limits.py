"""`docs/limits.md`, generated from the table of bounds."""

from __future__ import annotations

from hybridx.bounds import BOUNDS

HEAD = """\
# Limits

A file may come from anybody, and a small one can say that it is large. hybridx compares what a file
says with these limits before it takes memory for it, and before ONNX Runtime or torch see it. What
is larger is refused with HX308, which names the limit.

Whoever trusts a file raises a limit, for one command:

<!-- first:
import torch, hybridx
model = torch.nn.Sequential(torch.nn.Linear(4, 2))
hybridx.export(model, (torch.randn(2, 4),), "model.onnx")
-->
```sh
hybridx inspect model.onnx --limit wires=2000 --limit gates=1000000
```

or in Python, for what is read inside the `with`:

```python
import hybridx

with hybridx.limits(wires=2000, gates=1_000_000):
    session = hybridx.load("model.onnx")
```

A lower number refuses what is larger than that. A limit holds in the process of its own of
`--isolated`, too, and in this thread only.

This page is written by `make documents`.

| name | default | can be raised to | of what, and why |
|---|---|---|---|
"""


def limits() -> str:
    """Return the page: each bound with its name, default and reason."""
    rows = [
        f"| `{one.name}` | {one.default:,} {one.unit} | {_most(one.most)} | {one.reason} |\n"
        for one in BOUNDS.values()
    ]
    return HEAD + "".join(rows)


def _most(number: int) -> str:
    return "any number" if number >= 2**62 else f"{number:,}"
