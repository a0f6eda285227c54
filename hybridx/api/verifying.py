"""Compare a file with the model it was exported from, another file, or its own self-test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from hybridx.api.options import SourceOptions, check_ending, check_run, need
from hybridx.api.progress import Stages
from hybridx.errors import ConflictingOptionsError, OptionNeedsError
from hybridx.report import counted
from hybridx.runtime import Execution, check_execution
from hybridx.storage import check_readable, check_writable

if TYPE_CHECKING:
    from torch import nn

    from hybridx.api.work.reproducing import VerifyReport
    from hybridx.parity import OutputDifference
    from hybridx.runtime import Options


def verify(
    path: str | Path,
    *,
    against: nn.Module | Callable[..., Any] | str | Path | None = None,
    atol: float | None = None,
    significance: float | None = None,
    layers: bool = False,
    save: str | Path | None = None,
    overwrite: bool = False,
    stages: Stages | None = None,
    **execution: Unpack[Options],
) -> VerifyReport:
    """Compare a file with the eager model or another file, or else with its own self-test.

    In each case the compiled circuits of the file are compared with the circuits that it carries.
    With shots, the file is computed exactly for the comparison, and its circuits are
    tested on the device as in `reproduce`.

    With `key` the signature of the file is verified first. If `key` is all that is given, nothing
    else is done, which needs no torch and runs nothing.

    Args:
        path: of the file.
        against: the model it was exported from, or the path of another file: any ONNX file with the
            same inputs and as many outputs.
        atol: tolerance; by default the one that the file states.
        significance: with shots, the probability that a correct device is refused; by default
            `SIGNIFICANCE`.
        layers: first compare the results of each quantum layer, compiled and on the device
            (`default.qubit` if none is given), or in the other file.
        save: an `.npz` file for the smallest input that fails, if one does.
        overwrite: replace that file.
        stages: is told what is being done; by default the log of `hybridx` is.
        **execution: on what the file runs; see `hybridx.load`.

    Raises:
        ChangedFileError: the file was changed after hybridx wrote it, and `accept_changes` is not
            given.
        MismatchError: they differ.
        BodyMismatchError: a compiled circuit is another one than the file carries.
        UncheckedBodyError: a circuit is too wide for that comparison.
        LayerMismatchError: the results of a quantum layer differ.
        OtherSignatureError: the other file has other inputs or outputs.
        InconsistentResultError: a sampled result is too far from its exact value for chance.
        NoSelfTestError: the file carries no self-test to take typical inputs from.
        NothingComparedError: the model does not take the inputs of the self-test.
        OutputExistsError: the file of `save` exists.
        ArtifactError: with `key`, the file is not what was signed with it.
    """
    chosen = Execution(**execution)
    check_execution(chosen)
    other = Path(against) if isinstance(against, str | Path) else None
    has_shots = execution.get("shots") is not None
    for option, is_asked in (("--layers", layers), (f"--against {other}", other is not None)):
        if is_asked and has_shots:
            raise ConflictingOptionsError("--shots", option)
    if overwrite and save is None:
        raise OptionNeedsError("--overwrite", "--save")
    check_readable(Path(path))
    if other is not None:
        check_readable(other)
    if save is not None:
        check_ending("--save", Path(save), (".npz",))
        check_writable(Path(save), overwrite=overwrite)
    told = Stages() if stages is None else stages
    is_plain = chosen == Execution(key=chosen.key, signature=chosen.signature) and not layers
    asked = (against, atol, significance, save)
    if chosen.key is not None and is_plain and all(one is None for one in asked):
        return _signature_alone(path, chosen, told)
    from hybridx.api.work.against_file import compare_with_file
    from hybridx.api.work.layers import compare_layers
    from hybridx.api.work.reproducing import compare_with_model, reproduce
    from hybridx.api.work.saving import Saving
    from hybridx.runtime import agreements_of, load, load_other, load_vouching

    with told("load"):
        session = load_vouching(path, **execution)
        # Layers are those of a file of hybridx; without them, any ONNX file will do.
        layered = load(other) if layers and other is not None else None
        reference = load_other(other) if layered is None and other is not None else layered
    saving = None if save is None else Saving(Path(save), overwrite)
    compared: tuple[OutputDifference, ...] = ()
    if layers:
        with told("layers") as tell:
            compared = compare_layers(session, layered, atol, execution)
            tell(counted(len(compared), "quantum layer"))
    with told("verify") as tell:
        if reference is not None:
            report = compare_with_file(session, reference, str(other), atol=atol, save=saving)
        elif against is None:
            report = reproduce(session, atol=atol, significance=significance, save=saving)
        else:
            assert callable(against)
            report = compare_with_model(
                session, against, atol=atol, significance=significance, save=saving
            )
        tell(f"worst error {report.worst:.1e}, tolerance {report.tolerance:.0e}")
    with told("circuits") as tell:
        agreements = agreements_of(session)
        tell(f"{counted(len(agreements), 'compiled circuit')} compared")
    return replace(report, layers=compared, circuits=agreements, signature=session.signed)


def _signature_alone(path: str | Path, chosen: Execution, told: Stages) -> VerifyReport:
    from hybridx.api.work.reproducing import VerifyReport
    from hybridx.signing import check_signature

    assert chosen.key is not None
    signature = None if chosen.signature is None else Path(chosen.signature)
    with told("verify") as tell:
        signed = check_signature(Path(path), Path(chosen.key), signature)
        tell(counted(len(signed.files), "file"))
    nothing = float("nan")
    return VerifyReport(str(path), "none", signed.signature, (), nothing, nothing, signature=signed)


def self_test(
    path: str | Path, *, stages: Stages | None = None, **execution: Unpack[Options]
) -> VerifyReport:
    """Load a file and run its self-test; arguments as `load`, errors as `verify`."""
    check_run(Execution(**execution))
    check_readable(Path(path))
    from hybridx.api.work.reproducing import reproduce
    from hybridx.runtime import load_vouching

    told = Stages() if stages is None else stages
    with told("load"):
        session = load_vouching(path, **execution)
    with told("verify") as tell:
        report = replace(reproduce(session), signature=session.signed)
        tell(f"worst error {report.worst:.1e}, tolerance {report.tolerance:.0e}")
    return report


def verify_source(
    path: str | Path,
    *,
    against: SourceOptions | Path | None = None,
    atol: float | None = None,
    significance: float | None = None,
    stages: Stages | None = None,
    layers: bool = False,
    save: Path | None = None,
    overwrite: bool = False,
    **execution: Unpack[Options],
) -> VerifyReport:
    """Compare a file with the model that a SOURCE names, or with another file; see `verify`.

    Args:
        path: of the file.
        against: the model, or the other file.
        atol: tolerance.
        significance: with shots, the probability that a correct device is refused.
        stages: is told what is being done; by default the log of `hybridx` is.
        layers: compare the quantum layers, too.
        save: a file for the smallest input that fails.
        overwrite: replace that file.
        **execution: on what the file runs; see `hybridx.load`.
    """
    told = Stages() if stages is None else stages

    def compared(reference: nn.Module | Callable[..., Any] | Path | None) -> VerifyReport:
        return verify(
            path,
            against=reference,
            atol=atol,
            significance=significance,
            layers=layers,
            save=save,
            overwrite=overwrite,
            stages=told,
            **execution,
        )

    if against is None or isinstance(against, Path):
        return compared(against)
    against.check()
    check_execution(Execution(**execution))
    check_readable(Path(path))
    need("comparing with a model", "torch", "pennylane", "safetensors")
    from hybridx.sources import found_source

    with ExitStack() as stack:
        with told("import"):
            found = stack.enter_context(
                found_source(against.source, against.checkpoint, against.arguments)
            )
        report = compared(found.model)
    return replace(report, notes=found.notes + report.notes)
