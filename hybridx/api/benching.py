"""Measure how fast a file runs, beside its eager model and other devices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from hybridx.api.options import PICTURES, SourceOptions, check_ending, need
from hybridx.api.progress import Stages
from hybridx.device_table import DeviceName, family_of
from hybridx.errors import OptionError, OptionNeedsError
from hybridx.runtime import ONNX, Execution, check_execution
from hybridx.storage import check_readable, check_writable, write_whole
from hybridx.timing import BenchReport, Pace, Runner, pace_of, percentile, side_by_side

if TYPE_CHECKING:
    from torch import nn

    from hybridx.runtime import Session
    from hybridx.storage import Array

BATCHES: Final = (1, 32, 256, 1024)
"""Batch sizes that are measured, unless others are given."""

_EAGER = "eager"


def bench(
    path: str | Path,
    *,
    against: nn.Module | Callable[..., Any] | None = None,
    devices: Sequence[DeviceName | str] = (),
    batches: Sequence[int] | None = None,
    threads: int | None = None,
    provider: str = "auto",
    seconds: float = 1.0,
    plot: str | Path | None = None,
    overwrite: bool = False,
    clock: Callable[[], float] = time.perf_counter,
    stages: Stages | None = None,
) -> BenchReport:
    """Measure how long calls of a file take, on the inputs of its self-test.

    The file, the eager model and the devices take turns at each batch size, after a warm-up, so
    that their ratios hold on a machine that does other things as well.

    Args:
        path: of the file.
        against: the model it was exported from, which is measured too.
        devices: names of PennyLane devices of this machine, likewise.
        batches: numbers of rows; by default 1, 32, 256 and 1024, or the one that the file takes.
        threads: of each operator, in ONNX Runtime and torch.
        provider: of ONNX Runtime.
        seconds: for each of them at each batch size.
        plot: a picture of the throughput; ends in `.svg`, `.png` or `.pdf`.
        overwrite: replace an existing picture.
        clock: gives seconds.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        OptionError: an option has a value that it cannot have, or a device costs money.
        NoSelfTestError: the file has no self-test, whose inputs are used.
        ArtifactError: the file cannot be read.
        DeviceError: a device does not exist.
        MissingExtraError: a picture needs matplotlib, and it is not installed.
    """
    check_bench(devices, batches, threads, provider, seconds, plot, overwrite=overwrite)
    check_readable(Path(path))
    if against is not None:
        need("measuring the eager model", "torch", "pennylane")
    from hybridx.runtime import load

    told = Stages() if stages is None else stages
    sessions: dict[str, Session] = {}
    loads: dict[str, float] = {}
    for device in (ONNX, *devices):
        started = clock()
        session = load(path, device=device, threads=threads, provider=provider, accept_changes=True)
        sessions[session.device] = session
        loads[session.device] = clock() - started
    main = next(iter(sessions.values()))
    sizes, without = _sizes(main, batches), _without(sessions)
    paces: dict[str, list[Pace]] = {}
    notes: list[str] = []
    with _eager(main, against, threads) as eager:
        for size in sizes:
            inputs = _inputs(main, size)
            calls = {name: _call(session, inputs) for name, session in sessions.items()}
            parts = {name: call_on(inputs) for name, call_on in without.items()}
            if eager is not None:
                calls |= _tried(eager, inputs, size, notes)
            with told("measure") as tell:
                taken = side_by_side(calls | parts, seconds=seconds, clock=clock)
                first = taken[main.device]
                tell(f"batch {size}" if size is not None else "the model")
            for name in calls:
                found = pace_of(size, taken[name], first=first, circuits=_share(taken, name))
                paces.setdefault(name, []).append(found)
    runners = tuple(Runner(name, loads.get(name), tuple(found)) for name, found in paces.items())
    report = BenchReport(
        path=str(path),
        provider=main.usage.provider,
        threads=threads,
        seconds=seconds,
        runners=runners,
        plot=None if plot is None else str(plot),
        notes=tuple(notes),
    )
    if plot is not None:
        write_whole(Path(plot), _picture(report, Path(plot)), overwrite=overwrite)
    return report


def bench_source(
    path: str | Path, *, against: SourceOptions | None = None, **options: Any
) -> BenchReport:
    """Measure a file, and the model that a SOURCE names; see `bench`.

    Args:
        path: of the file.
        against: the model, if it is to be measured too.
        **options: passed to `bench`.
    """
    if against is None:
        return bench(path, **options)
    against.check()
    check_readable(Path(path))
    need("measuring a model", "torch", "pennylane", "safetensors")
    from hybridx.sources import found_source

    with found_source(against.source, against.checkpoint, against.arguments) as found:
        report = bench(path, against=found.model, **options)
    return replace(report, notes=found.notes + report.notes)


def check_bench(
    devices: Sequence[str],
    batches: Sequence[int] | None,
    threads: int | None,
    provider: str,
    seconds: float,
    plot: str | Path | None,
    *,
    overwrite: bool,
) -> None:
    """Refuse what cannot be measured, before anything is imported; see `bench`.

    Raises:
        OptionError: an option has a value that it cannot have, or a device costs money.
        OptionNeedsError: a picture is to be replaced, and none is asked for.
    """
    for size in batches or ():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise OptionError("--batch", str(size), "whole numbers from 1, such as 1,32")
    if batches is not None and (not batches or len({*batches}) < len(batches)):
        raise OptionError("--batch", ",".join(map(str, batches)), "different whole numbers")
    if not 0 < seconds < float("inf"):
        raise OptionError("--seconds", str(seconds), "a number larger than 0")
    check_execution(Execution(threads=threads, provider=provider))
    for device in devices:
        family = family_of(device)
        if device == ONNX or devices.count(device) > 1:
            raise OptionError("--device", device, "PennyLane devices, each once, beside onnx")
        if family is None or not family.is_local:
            # Hundreds of calls would be sent, each of which may cost money.
            raise OptionError("--device", device, "a device that runs on this machine")
    if plot is None:
        if overwrite:
            raise OptionNeedsError("--overwrite", "--plot")
        return
    check_ending("--plot", Path(plot), PICTURES)
    check_writable(Path(plot), overwrite=overwrite)


def _sizes(session: Session, batches: Sequence[int] | None) -> tuple[int | None, ...]:
    """Return the batch sizes that are measured; None alone for a model without an open batch."""
    from hybridx.api.work.reproducing import has_batch, self_test_of

    self_test_of(session)
    if has_batch(session):
        return tuple(BATCHES if batches is None else batches)
    if batches is not None:
        given = ",".join(map(str, batches))
        raise OptionError("--batch", given, "left out: the file takes one size only")
    return (None,)


def _inputs(session: Session, size: int | None) -> dict[str, Array]:
    """Return the inputs of the self-test, their rows repeated to a batch size."""
    from hybridx.api.work.reproducing import self_test_of
    from hybridx.circuit import BATCH
    from hybridx.parity import draw_inputs, open_axes

    test = self_test_of(session)
    lengths = {} if size is None else {BATCH: size}
    axes = open_axes(session.inputs)
    return draw_inputs(
        test.inputs, axes, lengths=lengths, distribution=None, seed=0, whole="within"
    )


def _call(session: Session, inputs: Mapping[str, Array]) -> Callable[[], object]:
    return lambda: session.run(inputs)


_ALONE: Final = "circuits of "  # before the name of a runner: its circuits and nothing else
_REST: Final = "classical parts of "  # likewise, without its circuits


def _without(
    sessions: Mapping[str, Session],
) -> dict[str, Callable[[Mapping[str, Array]], Callable[[], object]]]:
    """Return what makes calls of the circuits alone, or of all else, which show their share."""
    from hybridx.artifact import OnnxArtifact
    from hybridx.runtime import circuits_alone, probing_session, uses_device

    made: dict[str, Callable[[Mapping[str, Array]], Callable[[], object]]] = {}
    for name, session in sessions.items():
        if uses_device(session):
            made[_REST + name] = partial(_call, probing_session(session))
        elif isinstance(session.artifact, OnnxArtifact) and session.artifact.circuits:
            made[_ALONE + name] = circuits_alone(session)
    return made


def _share(taken: Mapping[str, Sequence[float]], name: str) -> float | None:
    """Return which part of its time a runner spends in circuits, if that was measured."""
    whole = percentile(taken[name], 50)
    if _ALONE + name in taken:
        return min(1.0, percentile(taken[_ALONE + name], 50) / whole)
    if _REST + name in taken:
        return max(0.0, 1.0 - percentile(taken[_REST + name], 50) / whole)
    return None


@contextmanager
def _eager(
    session: Session, model: nn.Module | Callable[..., Any] | None, threads: int | None
) -> Iterator[Callable[[Mapping[str, Array]], Callable[[], object]] | None]:
    """Yield what makes a call of the eager model from named arrays; None if there is no model.

    It is called as its user calls it for inference: in eval mode, and without gradients unless
    forward takes derivatives. The model is restored afterwards.
    """
    if model is None:
        yield None
        return
    import numpy as np
    import torch

    from hybridx import capture
    from hybridx.api.work.reproducing import flat_model

    read, flat, dtype = flat_model(session, model)

    def call(inputs: Mapping[str, Array]) -> Callable[[], object]:
        given = {
            name: torch.from_numpy(np.array(array)).to(flat.device)
            for name, array in inputs.items()
        }
        flat(*[given[name] for name in flat.call.names])
        args, kwargs = flat.call.filled(given)
        if not flat.differentiates:
            return lambda: read(*args, **kwargs)
        if flat.lends_gradients:
            for tensor in given.values():
                tensor.requires_grad_(tensor.is_floating_point())

        def with_gradients() -> object:
            with torch.enable_grad():
                return read(*args, **kwargs)

        return with_gradients

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before if threads is None else threads)
        with capture.as_exported(read, dtype), flat.restored(), torch.no_grad():
            yield call
    finally:
        torch.set_num_threads(before)


def _tried(
    eager: Callable[[Mapping[str, Array]], Callable[[], object]],
    inputs: Mapping[str, Array],
    size: int | None,
    notes: list[str],
) -> dict[str, Callable[[], object]]:
    """Return the call of the eager model, or note that it does not run at this batch size."""
    from hybridx.parity import reason_of

    try:
        call = eager(inputs)
        call()
    except Exception as error:
        # The model is the user's own code and may raise anything.
        at = "" if size is None else f" at batch {size}"
        notes.append(f"the eager model does not run{at}: {reason_of(error)}")
        return {}
    return {_EAGER: call}


def _picture(report: BenchReport, path: Path) -> bytes:
    from hybridx.drawing import draw_curves

    endings: dict[str, Literal["svg", "png", "pdf"]] = {
        ".svg": "svg",
        ".png": "png",
        ".pdf": "pdf",
    }
    curves = {
        one.name: [(float(pace.batch or 1), pace.rows_per_second) for pace in one.paces]
        for one in report.runners
    }
    return draw_curves(
        curves,
        endings[path.suffix.lower()],
        title=Path(report.path).name,
        x="rows of a call",
        y="rows per second",
    )
