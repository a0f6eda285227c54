"""Ray Data: a model as what `map_batches` takes, and a run of many files on a cluster.

    import ray
    from hybridx.integrations.ray import predictor

    rows = ray.data.read_parquet("data")
    rows.map_batches(predictor("model.onnx"), batch_format="numpy", batch_size=4096)

Ray pickles the predictor again for each actor and for many a block. It is therefore pickled as the
path of the file and its hash; an actor opens the file itself, once.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Unpack, assert_never

import msgspec

from hybridx import errors
from hybridx.api import (
    BATCH_SIZE,
    Done,
    Piece,
    Prediction,
    Stages,
    Work,
    absolute,
    batch_size_of,
    cut,
    input_files,
    run_batch,
    run_piece,
    shared,
    survey,
)
from hybridx.bounds import changed_limits
from hybridx.device_table import family_of
from hybridx.errors import (
    ClusterFailedError,
    ClusterNotReachedError,
    ConflictingOptionsError,
    HybridxError,
    MissingExtraError,
    OptionError,
    PaidOnClusterError,
    PieceFailedError,
    first_line,
)
from hybridx.report import counted
from hybridx.runtime import ONNX, Options, Session, Tally, Usage, load, model_digest
from hybridx.storage import (
    ENDINGS,
    Array,
    check_folder_writable,
    format_of,
    new_content,
)
from hybridx.version import __version__

LOCAL = "local"
"""The address that starts Ray on this machine, for one run."""

_SUMMARY = "_hybridx.json"  # readers of a folder of Parquet files leave out names with _
_OBJECT_STORE_BYTES = 150_000_000  # no rows pass through it
_SECONDS_TO_CONNECT = 10
_PORT_DIGITS = 5
_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",  # else Ray tells its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # as it will be, without a word about it
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # the rest is in Ray's own logs, and nothing for users
    "RAY_DATA_LOG_LEVEL": "ERROR",
}


class Predictor:
    """What `predictor` returns a class of: Ray makes an object of it in each actor.

    Attributes:
        path: of the model.
        digest: of its file.
        columns: as `predictor`.
        keep: as `predictor`.
        numbers: as `predictor`.
        execution: on what the model runs.
    """

    path: ClassVar[str]
    digest: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    keep: ClassVar[tuple[str, ...]]
    numbers: ClassVar[str | None]
    execution: ClassVar[Options]

    def __init__(self) -> None:
        # Ray takes an error here for one of its own, and makes the actor again and again.
        self._session: Session | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Array]:
        """Return the outputs for a batch of columns; raises as `run_batch` and `hybridx.load`."""
        if self._session is None:
            self._session = self._work().open()
        return run_batch(
            self._session, batch, columns=self.columns, keep=self.keep, numbers=self.numbers
        )

    def _work(self) -> Work:
        return Work(self.path, self.digest, _with_threads(self.execution))


def predictor(
    path: str | Path,
    *,
    columns: Sequence[str] = (),
    keep: Sequence[str] = (),
    numbers: str | None = None,
    **execution: Unpack[Options],
) -> type[Predictor]:
    """Return a class for `map_batches` of Ray Data, whose objects run a model file.

    Ray pickles it as the path, the hash and the options: each actor opens the file, which all
    machines must find under that path, and keeps its session. Operators use as many threads as the
    actor has CPUs, unless `threads` is given. An actor that finds another file refuses it.

    A batch is a mapping of names to arrays (`batch_format="numpy"`), with a column or an array for
    each input, as `hybridx run` takes them from a table. The outputs have the names and columns of
    a table that `hybridx run` writes. Ray keeps the order of rows only if its own option
    `preserve_order` says so.

    Args:
        path: of the model.
        columns: the columns of the inputs, in their order, where the file does not name them.
        keep: columns that the output has too.
        numbers: the column with the number of each row. A device with a seed needs it: each row
            then gets the same samples in whichever actor and batch it runs.
        **execution: on what the model runs; see `hybridx.load`.

    Raises:
        ArtifactError: the file cannot be read or breaks its contract.
        DeviceError: the device is not known, or may cost: Ray runs a batch again after a failure.
        UsageError: the options cannot be combined.

    Example:
        >>> run = predictor("model.onnx", keep=["id"])  # doctest: +SKIP
        >>> rows.map_batches(run, batch_format="numpy", batch_size=4096)  # doctest: +SKIP
    """
    _check_free(execution)
    session = load(path, **execution)
    found = {
        "path": absolute(path),
        "digest": model_digest(session),
        "columns": tuple(columns),
        "keep": tuple(keep),
        "numbers": numbers,
        "execution": execution,
        "__doc__": f"{Path(path).name}, for map_batches.",
    }
    session.close()
    return type("Predictor", (Predictor,), found)


def run(
    path: str | Path,
    data: str | Path,
    output: str | Path,
    *,
    address: str = LOCAL,
    columns: Sequence[str] = (),
    header: bool = True,
    input_format: str | None = None,
    output_format: str | None = None,
    batch_size: int | None = None,
    resume: bool = False,
    resend: bool = False,
    overwrite: bool = False,
    stages: Stages | None = None,
    **execution: Unpack[Options],
) -> Prediction:
    """Run a model file on the rows of many data files, with Ray Data.

    The rows are divided into pieces. An actor reads a piece, runs it and writes its outputs to a
    file of its own, slice by slice; no rows pass through Ray or through this process. The files are
    called by the order of rows: files sorted by name, rows as they stand. They are put in a
    temporary folder, which becomes `output` when all are there. A piece that is run again, as its
    actor was lost, writes the same file again.

    The model, the data and the output have to be at paths that all machines share. On a device that
    may cost there is a file beside the output, of what was sent and what came back, which all
    actors write; it is removed at the end. What may have been sent is not sent again unasked.

    Args:
        path: of the model.
        data: a data file, a pattern such as `data/*.parquet`, or a folder.
        output: the folder.
        address: `local` starts Ray on this machine for the time of the run; otherwise the address
            of a cluster that is running, or `auto`. Ray that this process has started is used.
        columns: as `hybridx.predict`.
        header: as `hybridx.predict`.
        input_format: as `hybridx.predict`.
        output_format: of the files in the folder; by default parquet.
        batch_size: rows at a time; by default a 32nd of all rows, at most `BATCH_SIZE`.
        resume: on a device that may cost, use the results that an interrupted run has kept.
        resend: send again what the device had when that run was stopped, and may have run already.
        overwrite: replace a folder that a run on a cluster has written.
        stages: is told how many rows are done; by default the log of `hybridx` is.
        **execution: on what the model runs; see `hybridx.load`. `threads` is the number of threads
            and of CPUs of each actor, by default 1.

    Raises:
        PieceFailedError: rows cannot be run; the error names them.
        NotDivisibleError: the rows of this model depend on each other.
        ClusterNotReachedError: Ray does not start or answer.
        ClusterFailedError: Ray lost what it cannot replace.
        HybridxError: as `hybridx.predict`.
    """
    stages = stages or Stages()
    form = output_format or "parquet"
    _check_run(output, form, batch_size, execution)
    check_folder_writable(Path(output), _SUMMARY, _is_ours, overwrite=overwrite)
    files = input_files(data, input_format)
    for name, package in (("ray", "ray"), ("pyarrow", "pyarrow")):
        if find_spec(name) is None:
            raise MissingExtraError("--ray", package, "ray")
    execution = {**execution, "threads": execution.get("threads") or 1}
    session = load(path, **execution)
    work = Work(
        absolute(path),
        model_digest(session),
        execution,
        tuple(columns),
        header,
        input_format,
        form,
        batch_size or BATCH_SIZE,
        changed_limits(),
    )
    found, notes = survey(session, work, files)  # refuses what no actor could run
    if batch_size is None:
        work = replace(work, batch_size=batch_size_of(found))
    with (
        shared(session, work, files, Path(output), resume=resume, resend=resend) as given,
        new_content(Path(output), _SUMMARY, _is_ours, overwrite=overwrite) as made,
        _cluster(address) as actors_with,
    ):
        actors = actors_with(execution["threads"] or 1)
        pieces = cut(found, actors, work.batch_size)
        started = time.perf_counter()
        with stages("run") as tell:
            done = _run_pieces(given, pieces, made.folder, actors, address, stages)
            tell(f"{counted(len(pieces), 'piece')}, {counted(actors, 'actor')}")
        seconds = time.perf_counter() - started
        summary = _summary(work, pieces, done)
        (made.folder / _SUMMARY).write_bytes(summary)
    return Prediction(
        path=str(path),
        device=session.device,
        rows=sum(one.rows for one in done),
        outputs={},
        written=str(output),
        seconds=seconds,
        usage=_usage(session, done),
        notes=(*notes, *_not_finite(pieces, done)),
    )


class _Actor:
    """Runs pieces; Ray makes one of these in each actor."""

    def __init__(self, work: Work, folder: str) -> None:
        self._work, self._folder = work, Path(folder)
        self._session: Session | None = None

    def __call__(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Run a piece and say what became of it; an error of ours is part of what is said."""
        piece = msgspec.json.decode(row["piece"], type=Piece)
        said: _Ran | _Failed
        try:
            if self._session is None:
                self._session = self._work.open()
            said = _Ran(run_piece(self._session, self._work, piece, self._folder))
        except HybridxError as error:
            said = _Failed(str(piece), type(error).__name__, error.facts())
        return {"done": msgspec.json.encode(said).decode()}


def _run_pieces(
    work: Work, pieces: Sequence[Piece], folder: Path, actors: int, address: str, stages: Stages
) -> list[Done]:
    """Run all pieces on actors, and return what became of them in their order.

    Raises as `run`.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    total = sum(one.stop or 0 for one in pieces) - sum(one.start for one in pieces)
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    done: dict[int, Done] = {}
    rows = 0
    try:
        with DataContext.current(context):
            found = ray.data.from_items(
                [{"piece": msgspec.json.encode(one).decode()} for one in pieces],
                override_num_blocks=len(pieces),
            ).map(
                _Actor,
                fn_constructor_args=(work, str(folder)),
                # A second piece waits in each actor, so that none is idle between two.
                compute=ActorPoolStrategy(
                    min_size=1,
                    initial_size=actors,
                    max_size=actors,
                    max_tasks_in_flight_per_actor=2,
                ),
                num_cpus=work.execution["threads"],
            )
            for batch in found.iter_batches(
                batch_size=None, batch_format="numpy", prefetch_batches=0
            ):
                for one in map(_told, batch["done"]):
                    rows += 0 if one.index in done else one.rows
                    done[one.index] = one
                    stages.rows(rows, total if all(one.stop for one in pieces) else None)
    except ray.exceptions.RayTaskError:
        raise  # what our own code did not expect
    except ray.exceptions.RayError as error:
        raise ClusterFailedError(address, first_line(error)) from error
    missing = [one for one in pieces if one.index not in done]
    if missing:
        raise ClusterFailedError(address, f"nothing came back of {missing[0]}")
    return [done[one.index] for one in pieces]


class _Failed(msgspec.Struct, frozen=True, tag=True):
    """An error of ours in an actor, by its class and its facts."""

    rows: str
    kind: str
    facts: dict[str, Any]


class _Ran(msgspec.Struct, frozen=True, tag=True):
    """A piece that was run."""

    done: Done


def _told(text: str) -> Done:
    """Return what an actor says of a piece.

    Raises:
        PieceFailedError: it says that the piece cannot be run.
    """
    said: _Failed | _Ran = msgspec.json.decode(text, type=_Failed | _Ran)
    match said:
        case _Ran(done):
            return done
        case _Failed(rows, kind, facts):
            # Made again here, where it is known how the user calls the options.
            error: HybridxError = getattr(errors, kind)(**facts)
            raise PieceFailedError(rows, error.code, error.message, error.help) from error
        case _:
            assert_never(said)


@contextmanager
def _cluster(address: str) -> Iterator[Callable[[int], int]]:
    """Start or reach Ray, and yield the function from CPUs of an actor to how many actors it has.

    Raises:
        ClusterNotReachedError: it does not start or answer.
    """
    import ray

    if ray.is_initialized():
        yield partial(_actors, address)
        return
    _check_address(address)
    own: dict[str, Any] = {}
    if address == LOCAL:
        own = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    with _variables():
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
        except Exception as error:
            # Starting it runs programs and opens ports: what is raised depends on what fails.
            raise ClusterNotReachedError(address, first_line(error)) from error
        try:
            yield partial(_actors, address)
        finally:
            ray.shutdown()


@contextmanager
def _variables() -> Iterator[None]:
    """Set what Ray reads of the environment, where it is not set, and unset it at the end."""
    added = _VARIABLES.keys() - os.environ.keys()
    os.environ.update({name: _VARIABLES[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _check_address(address: str) -> None:
    """Refuse an address where nobody listens: Ray itself tries it for a quarter of an hour.

    Raises:
        ClusterNotReachedError: nobody listens there, or it is none.
    """
    if address in (LOCAL, "auto"):
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (host and colon and port.isdecimal() and len(port) <= _PORT_DIGITS):
        raise ClusterNotReachedError(address, "it is neither local, auto nor HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_CONNECT).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise ClusterNotReachedError(address, first_line(error)) from error


def _actors(address: str, cpus: int) -> int:
    """Return how many actors with some CPUs the machines of a cluster have room for.

    Raises:
        ClusterFailedError: no machine has so many CPUs.
    """
    import ray

    rooms = [int(one["Resources"].get("CPU", 0)) for one in ray.nodes() if one["Alive"]]
    actors = sum(room // cpus for room in rooms)
    if not actors:
        problem = f"no machine of it has {counted(cpus, 'CPU')} for an actor"
        raise ClusterFailedError(address, problem)
    return actors


def _check_run(output: str | Path, form: str, batch_size: int | None, execution: Options) -> None:
    """Refuse options that have no meaning for a run in pieces.

    Raises:
        OptionError: an option has a value that cannot be meant.
        ConflictingOptionsError: an option has no effect.
    """
    if batch_size is not None and batch_size < 1:
        raise OptionError("--batch-size", str(batch_size), "a whole number from 1")
    format_of("", form, "output")
    if str(output).lower().endswith(tuple(end for ends in ENDINGS.values() for end in ends)):
        raise OptionError("--output", str(output), "a folder, as each piece becomes a file in it")
    for option in ("fallback", "dry_run"):
        if execution.get(option):
            raise ConflictingOptionsError(f"--{option.replace('_', '-')}", "--ray")


def _check_free(execution: Options) -> None:
    """Refuse a device that may cost: Ray runs again what an actor had that is lost.

    Raises:
        PaidOnClusterError: it may.
    """
    device = execution.get("device", ONNX)
    if device == ONNX:
        return
    family = family_of(device) if isinstance(device, str) else None
    if family is None or not family.is_local:
        raise PaidOnClusterError(str(device))


def _with_threads(execution: Options) -> Options:
    """Return how an actor runs a file: with a thread for each of its CPUs, unless it is said.

    ONNX Runtime would start a thread for each core of the machine in every actor.
    """
    import ray

    if execution.get("threads") is not None or not ray.is_initialized():
        return execution
    cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
    return {**execution, "threads": max(int(cpus), 1)}


def _summary(work: Work, pieces: Sequence[Piece], done: Sequence[Done]) -> bytes:
    """Return what a folder says of itself: which file has the outputs of which rows, and so on."""
    parts = [
        {
            "file": work.output(piece),
            "rows": one.rows,
            "from": piece.path,
            "first_row": piece.start + 1,
            "machine": one.machine,
            "begun": one.begun,
            "seconds": one.seconds,
            "cpu_seconds": one.cpu_seconds,
        }
        for piece, one in zip(pieces, done, strict=True)
    ]
    said = {
        "hybridx": __version__,
        "model": work.digest,
        "rows": sum(one.rows for one in done),
        "parts": parts,
    }
    return msgspec.json.format(msgspec.json.encode(said)) + b"\n"


def _is_ours(name: str) -> bool:
    """Return whether a name is that of a file in a folder of a run on a cluster."""
    return name == _SUMMARY or re.fullmatch(r"part-\d{6}\.[a-z.]+", name, re.ASCII) is not None


def _usage(session: Session, done: Sequence[Done]) -> Usage:
    """Return where all actors ran, and what they sent."""
    sent = sum((one.sent for one in done), Tally())
    return replace(
        session.usage,
        provider=done[0].provider,
        submissions=sent.submissions,
        circuits=sent.circuits,
        total_shots=sent.shots,
    )


def _not_finite(pieces: Sequence[Piece], done: Sequence[Done]) -> Iterator[str]:
    """Yield one sentence for each output that holds NaN or infinity."""
    rows = sum(one.rows for one in done)
    for name in dict.fromkeys(name for one in done for name in one.not_finite):
        count = sum(one.not_finite[name][0] for one in done if name in one.not_finite)
        piece, first = next(
            (piece, one.not_finite[name][1])
            for piece, one in zip(pieces, done, strict=True)
            if name in one.not_finite
        )
        yield (
            f"output {name!r} holds NaN or infinity in {count:,} of {rows:,} rows; the first is "
            f"row {first + 1:,} of {piece.path}"
        )
