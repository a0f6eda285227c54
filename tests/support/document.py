"""`docs/support.md`, generated from the tables that the tests use."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

import numpy as np
import pennylane as qml

from hybridx.circuit import GATES
from hybridx.circuit.gate import Gate, Matrix
from hybridx.circuit.gates import PAULIS
from tests.backbones.document import backbones
from tests.corpus.document import models
from tests.operators.document import torch_operators
from tests.support.agreement import DATA
from tests.support.examples import EXAMPLES
from tests.support.names import CHANNELS, MEASUREMENTS, NAMES, OPERATORS, TEMPLATES
from tests.support.reasons import PENDING, REASONS
from tests.support.transforms import CONTROL_FLOW, TRANSFORMED
from tests.support.transforms import REASONS as REASONS_OF_TRANSFORMS

PATH = Path(__file__).parents[2] / "docs" / "support.md"

MEASURED = {
    "ExpectationMP": ("`qml.expval`", "an expectation value", "one real number"),
    "VarianceMP": ("`qml.var`", "a variance", "one real number"),
    "ProbabilityMP": ("`qml.probs`", "of wires, or of an observable", "2^wires real numbers"),
    "StateMP": ("`qml.state`", "all amplitudes", "2^wires complex numbers"),
    "DensityMatrixMP": ("`qml.density_matrix`", "of some wires", "2^wires × 2^wires complex"),
    "PurityMP": ("`qml.purity`", "Tr(ρ²) of some wires", "one real number"),
    "VnEntropyMP": ("`qml.vn_entropy`", "−Tr(ρ log ρ) of some wires", "one real number"),
    "MutualInfoMP": ("`qml.mutual_info`", "between two sets of wires", "one real number"),
}
"""For each measurement: how users write it, what it is, what it returns."""


def title() -> str:
    """Return the heading and how to read the page."""
    return """\
# What hybridx supports

This page lists every operator, template, measurement and transform of PennyLane, as supported or
with the reason why it is not. The tests capture and lower each supported name and compare the
result with PennyLane. The page is generated from the tables of the tests.
"""


def measurements() -> str:
    """Return the table of measurements."""
    rows = [row for name, row in MEASURED.items() if name not in PENDING]
    return f"## Measurements\n\n{_table(('PennyLane', 'what', 'result'), rows)}"


def gates() -> str:
    """Return the rows of the gate table."""
    rows = [
        (f"`{gate.name}`{_aliases(gate.name)}", str(gate.wires), _formula(gate))
        for gate in GATES.values()
    ]
    return f"""\
## Gates

Each gate is one row of the gate table. The adjoint and every controlled version of a gate are
supported too. A, B and C are constant matrices. θ is the angle: a number, a weight or data.

{_table(("gate", "wires", "matrix"), rows)}"""


def others() -> str:
    """Return the operators without a row, the observables, and the channels."""
    supported = [n for n in OPERATORS if n in EXAMPLES and n not in PENDING and n not in TEMPLATES]
    observables = [name for name in supported if _is_observable(name)]
    noise = [name for name in supported if name in CHANNELS]
    listed = {*GATES, *observables, *noise}
    rest = [name for name in supported if name not in listed]
    return f"""\
## Operators that decompose

PennyLane's own rules decompose these operators into the gates above, or hybridx uses their
matrices.

{_listed(rest)}

## Observables

Products, sums and multiples of Pauli operators, and:

{_listed(observables)}

## Noise

hybridx uses the Kraus operators of a channel. A circuit with a channel is computed with a density
matrix.

{_listed(noise)}
"""


def templates() -> str:
    """Return the templates."""
    return (
        f"## Templates\n\n{_listed(n for n in TEMPLATES if n in EXAMPLES and n not in PENDING)}\n"
    )


def refused() -> str:
    """Return the table of names that are not supported, by reason."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name in PENDING:
        by_reason["not yet"].append(name)
    for name, reason in REASONS.items():
        by_reason[reason].append(name)
    rows = [(reason, _names(names)) for reason, names in by_reason.items()]
    return f"## Not supported\n\n{_table(('reason', 'names'), rows)}"


def transforms() -> str:
    """Return the transforms and the control flow of circuits."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, reason in REASONS_OF_TRANSFORMS.items():
        by_reason[reason].append(name)
    rows = [(reason, _names(names)) for reason, names in by_reason.items()]
    return f"""\
## Transforms

A transform acts before a circuit is captured. One that makes several circuits of one gives as many
circuits in the file, and what PennyLane computes of their results.

{_listed(TRANSFORMED)}

{_table(("not supported, because", "names"), rows)}
## Control flow in a circuit

{textwrap.fill(", ".join(CONTROL_FLOW), 100, break_long_words=False)}
"""


# The models are the second part of the page.
def number_kinds() -> str:
    """Return what becomes of complex numbers, Fourier transforms and low precision."""
    return """\
## Complex numbers, Fourier transforms, low precision

* Complex arguments, weights and results are computed as pairs of real tensors, in every format. An
  input or output has a last axis of 2 (see `file-format.md`). Arithmetic, elementary functions,
  products, `einsum`, `solve`, `inv`, layers, `polar`, `angle` and movement have rules. An operator
  without one is refused by name with HX134.
* `torch.fft` has all functions, norms, axes and lengths, padded or cut. `torch.stft` and
  `torch.istft` take any window, hop, padding and normalisation. The windows of torch may be made in
  forward.
* Models in bfloat16 or half precision, in part or under autocast, are exported in float32, or in
  float64 with `--dtype float64`. A note says so, and the model raised likewise is the comparison.
"""


SECTIONS: tuple[Callable[[], str], ...] = (
    title, measurements, gates, others, templates, refused, transforms, number_kinds,
    torch_operators, backbones, models,
)  # fmt: skip


def document() -> str:
    """Return the whole page."""
    return "\n".join(section() for section in SECTIONS)


def _is_observable(name: str) -> bool:
    with qml.queuing.AnnotatedQueue():
        done = EXAMPLES[name].apply(DATA)
    return isinstance(done, qml.measurements.MeasurementProcess)


def _formula(gate: Gate) -> str:
    """Return equation (1) of `docs/circuit.md` for a row."""
    if gate.cosine is None or gate.sine is None:
        return "constant"
    angle = {0.5: "θ/2", 1.0: "θ"}[gate.rate]
    word = _pauli_word(1j * gate.sine)
    if word is not None and np.array_equal(gate.cosine, np.eye(len(gate.cosine))):
        return f"cos({angle}) I − i sin({angle}) {word}"
    constant = "C + " if gate.constant.any() else ""
    return f"{constant}cos({angle}) A + sin({angle}) B"


def _pauli_word(matrix: Matrix) -> str | None:
    wires = len(matrix).bit_length() - 1
    for letters in product(PAULIS, repeat=wires):
        word: Matrix = np.eye(1, dtype=np.complex128)
        for letter in letters:
            word = np.kron(word, PAULIS[letter]).astype(np.complex128)
        if np.array_equal(word, matrix):
            return "".join(letters)
    return None


def _aliases(name: str) -> str:
    aliases = ", ".join(f"`{alias}`" for alias in sorted(NAMES.get(name, ())))
    return f" ({aliases})" if aliases else ""


def _names(names: Iterable[str]) -> str:
    shown = {name: name.removesuffix("MP") if name in MEASUREMENTS else name for name in names}
    return ", ".join(f"`{shown[name]}`{_aliases(name)}" for name in sorted(shown))


def _listed(names: Iterable[str]) -> str:
    return textwrap.fill(_names(names), 100, break_long_words=False)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
