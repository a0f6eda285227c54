"""A file compared with the model it came from, or with its own self-test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hybridx.api.options import need
from hybridx.artifact import SelfTest
from hybridx.errors import NoFiniteInputError, NoSelfTestError
from hybridx.parity import DISTRIBUTIONS, compare, draw
from hybridx.runtime import ONNX, Array, Session, load

if TYPE_CHECKING:
    from torch import nn

Expected: TypeAlias = Callable[[Mapping[str, Array]], dict[str, Array]]

VERIFIED_BATCHES = (1, 2, 5, 16)
"""Batch sizes that are tried; none of them is the one that an export traces."""

SEED = 2026
"""Of every drawn input, so that exports repeat byte for byte."""


@dataclass(frozen=True)
class VerifyReport:
    """A comparison that passed.

    Attributes:
        path: of the file.
        device: that ran the circuits.
        against: what it was compared with.
        batches: batch sizes that were tried.
        worst: largest error seen.
        tolerance: largest error allowed.
    """

    path: str
    device: str
    against: str
    batches: tuple[int, ...]
    worst: float
    tolerance: float


def reproduce(session: Session, *, atol: float | None = None) -> VerifyReport:
    """Run the self-test of a loaded file.

    Args:
        session: the file on the device in question.
        atol: tolerance; by default the one that the file states.

    Raises:
        NoSelfTestError: the file carries none.
        MismatchError: the outputs are not the recorded ones.
    """
    test = _self_test(session)
    path, rows = session.artifact.path, _rows(test.inputs)
    tolerance = test.tolerance if atol is None else atol
    worst = compare(
        session.run(test.inputs),
        test.outputs,
        tolerance=tolerance,
        left=f"{path} on {session.device}",
        right="its self-test",
        batch=rows,
    )
    return VerifyReport(path, session.device, "its self-test", (rows,), worst, tolerance)


def verify(
    path: str | Path,
    *,
    against: nn.Module | None = None,
    device: str = ONNX,
    atol: float | None = None,
) -> VerifyReport:
    """Compare a file with the eager model, or, without one, with its own self-test.

    Args:
        path: of the file.
        against: the model it was exported from.
        device: that runs the circuits.
        atol: tolerance; by default the one that the file states.

    Raises:
        MismatchError: they differ.
        NoSelfTestError: the file carries no self-test to take typical inputs from.
    """
    session = load(path, device=device)
    if against is None:
        return reproduce(session, atol=atol)
    from hybridx import capture
    from hybridx.parity.eager import run_eager

    examples = _self_test(session).inputs
    is_wide = any(signature.dtype.name == "float64" for signature in session.inputs)
    dtype = "float64" if is_wide else "float32"
    tolerance = _self_test(session).tolerance if atol is None else atol
    is_dynamic = any(isinstance(s.shape[0], str) for s in session.inputs if s.shape)
    batches = VERIFIED_BATCHES if is_dynamic else (_rows(examples),)
    with capture.in_eval_mode(against), capture.as_dtype(against, dtype):

        def expected(inputs: Mapping[str, Array]) -> dict[str, Array]:
            return run_eager(against, inputs, session.output_names)

        distribution = choose_distribution(examples, expected)
        worst = agree(session, examples, expected, batches, distribution, tolerance)
    return VerifyReport(str(path), device, "the eager model", batches, worst, tolerance)


def agree(
    session: Session,
    examples: Mapping[str, Array],
    expected: Expected,
    batches: Sequence[int],
    distribution: str,
    tolerance: float,
) -> float:
    """Return the worst error of a session over drawn inputs of several batch sizes.

    Raises:
        MismatchError: an error is above the tolerance.
    """
    worst = 0.0
    for batch in batches:
        inputs = draw(examples, batch=batch, distribution=distribution, seed=SEED + batch)
        error = compare(
            session.run(inputs),
            expected(inputs),
            tolerance=tolerance,
            left=f"the file on {session.device}",
            right="the eager model",
            batch=batch,
        )
        worst = max(worst, error)
    return worst


def choose_distribution(examples: Mapping[str, Array], expected: Expected) -> str:
    """Return the first distribution on which the eager model gives finite outputs.

    Raises:
        NoFiniteInputError: there is none.
    """
    for distribution in DISTRIBUTIONS:
        inputs = draw(examples, batch=None, distribution=distribution, seed=SEED)
        if all(np.isfinite(output).all() for output in expected(inputs).values()):
            return distribution
    raise NoFiniteInputError


def _self_test(session: Session) -> SelfTest:
    if session.artifact.self_test is None:
        raise NoSelfTestError(session.artifact.path)
    return session.artifact.self_test


def _rows(arrays: Mapping[str, Array]) -> int:
    return max((len(array) for array in arrays.values() if array.ndim), default=1)


def self_test(
    path: str | Path,
    *,
    device: str = ONNX,
    shots: int | None = None,
    seed: int | None = None,
    provider: str = "auto",
) -> VerifyReport:
    """Load a file and run its self-test; arguments as `load`, errors as `reproduce`."""
    return reproduce(load(path, device=device, shots=shots, seed=seed, provider=provider))


def verify_source(
    path: str | Path,
    *,
    against: str | None = None,
    checkpoint: str | Path | None = None,
    device: str = ONNX,
    atol: float | None = None,
) -> VerifyReport:
    """Compare a file with the model that a text names; see `verify`.

    Args:
        path: of the file.
        against: file.py:attribute, package.module:attribute or a config.toml.
        checkpoint: weights to load into that model first.
        device: that runs the circuits.
        atol: tolerance.
    """
    if against is None:
        return verify(path, device=device, atol=atol)
    need("comparing with a model", "torch", "pennylane", "safetensors")
    from hybridx.sources import find_source

    model = find_source(against, None if checkpoint is None else Path(checkpoint)).model
    return verify(path, against=model, device=device, atol=atol)
