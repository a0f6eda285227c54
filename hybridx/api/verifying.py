"""Compare a file with the model it was exported from, or with its own self-test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from hybridx.api.options import SourceOptions, need
from hybridx.api.progress import Stages
from hybridx.runtime import Execution, check_execution
from hybridx.storage import check_readable

if TYPE_CHECKING:
    from torch import nn

    from hybridx.api.work.reproducing import VerifyReport
    from hybridx.runtime import Options


def verify(
    path: str | Path,
    *,
    against: nn.Module | Callable[..., Any] | None = None,
    atol: float | None = None,
    significance: float | None = None,
    **execution: Unpack[Options],
) -> VerifyReport:
    """Compare a file with the eager model, or, without one, with its own self-test.

    With shots, the file is computed exactly for the comparison, and its circuits are tested on the
    device as in `reproduce`.

    Args:
        path: of the file.
        against: the model it was exported from.
        atol: tolerance; by default the one that the file states.
        significance: with shots, the probability that a correct device is refused; by default
            `SIGNIFICANCE`.
        **execution: on what the file runs; see `hybridx.load`.

    Raises:
        MismatchError: they differ.
        InconsistentResultError: a sampled result is too far from its exact value for chance.
        NoSelfTestError: the file carries no self-test to take typical inputs from.
        NothingComparedError: the model does not take the inputs of the self-test.
    """
    check_execution(Execution(**execution))
    check_readable(Path(path))
    from hybridx.api.work.reproducing import compare_with_model, reproduce
    from hybridx.runtime import load

    session = load(path, **execution)
    if against is None:
        return reproduce(session, atol=atol, significance=significance)
    return compare_with_model(session, against, atol=atol, significance=significance)


def self_test(path: str | Path, **execution: Unpack[Options]) -> VerifyReport:
    """Load a file and run its self-test; arguments as `load`, errors as `verify`."""
    return verify(path, **execution)


def verify_source(
    path: str | Path,
    *,
    against: SourceOptions | None = None,
    atol: float | None = None,
    significance: float | None = None,
    stages: Stages | None = None,
    **execution: Unpack[Options],
) -> VerifyReport:
    """Compare a file with the model that a SOURCE names; see `verify`.

    Args:
        path: of the file.
        against: the model.
        atol: tolerance.
        significance: with shots, the probability that a correct device is refused.
        stages: is told what is being done; by default the log of `hybridx` is.
        **execution: on what the file runs; see `hybridx.load`.
    """
    if against is None:
        return verify(path, atol=atol, significance=significance, **execution)
    against.check()
    check_execution(Execution(**execution))
    check_readable(Path(path))
    need("comparing with a model", "torch", "pennylane", "safetensors")
    from hybridx.sources import found_source

    told = Stages() if stages is None else stages
    with ExitStack() as stack:
        with told("import"):
            found = stack.enter_context(
                found_source(against.source, against.checkpoint, against.arguments)
            )
        with told("verify") as tell:
            report = verify(
                path, against=found.model, atol=atol, significance=significance, **execution
            )
            tell(f"worst error {report.worst:.1e}, tolerance {report.tolerance:.0e}")
    return replace(report, notes=found.notes + report.notes)
