"""The models of the corpus as a section of `docs/support.md`."""

from __future__ import annotations

from tests.corpus import CASES
from tests.corpus.case import Case

BUNDLES = {
    "A": "TorchLayers on a batch",
    "B": "Encodings and arithmetic by hand",
    "C": "Python around the circuits: loops over rows, patches, time steps and heads",
    "D": "Amplitudes, probabilities, controlled rotations",
    "E": "Observables, templates, further gates",
    "F": "NumPy, Python numbers, buffers, vmap, autograd functions, complex tensors",
    "G": "Noise, density matrices, measurements on the way, shots, devices",
    "circuits": "Parameters, results and transforms of circuits",
    "branches": "Branches on data, rows by mask, whole numbers",
    "state": "What is kept between calls, constants of the model, seeds, names of parts",
    "signatures": "Arguments and outputs",
    "arguments": "Wrapped models, distributions, steps before rows",
    "sequences": "Sequences: packed, padded, masked",
    "graphs": "Graphs, and inputs with lengths of their own",
    "number_kinds": "Complex numbers, Fourier transforms, low precision",
    "derivatives": "Derivatives taken in forward: residuals, forces, saliency maps",
    "refusals": "What has no file, refused by name",
}


def models() -> str:
    """Return a table of models for each kind."""
    parts = [
        """\
## Models

These are small models as people write them. The tests export each model and run the file at several
batch sizes, in a process that has ONNX Runtime but neither torch nor PennyLane. They compare the
results with the eager model.
"""
    ]
    for bundle, title in BUNDLES.items():
        cases = [case for case in CASES if case.bundle == bundle]
        rows = [f"| `{case.name}` | {_what(case)} | {_result(case)} |" for case in cases]
        parts.append(
            f"### {title}\n\n| model | what | result |\n|---|---|---|\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(parts)


def _what(case: Case) -> str:
    lines = (case.make.__doc__ or "").strip().splitlines() or [""]
    return case.note or lines[0]


def _result(case: Case) -> str:
    if case.refused:
        return f"refused: {case.refused}"
    return {
        "dynamic": "dynamic batch",
        "fixed": "fixed batch",
        "none": "no batch",
        "own": "lengths of its own",
    }[case.batch]
