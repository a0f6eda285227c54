"""Targets: data, experiments, checkpoints, and what is kept of a run."""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from hybridx.models import load_config, save_config
from hybridx.runtime.submission.journal import Journal, RunIdentity
from hybridx.runtime.submission.tally import Tally
from hybridx.sources.checkpoints import load_checkpoint, read_checkpoint
from hybridx.storage import Array, InMemory, KeptRows, TableData, open_data, read_arrays, write_data
from tests.fuzzing.changes import change_archive, change_document, change_npy, change_tokens
from tests.fuzzing.target import HERE, Mutate, Target

EXPORTED = HERE.parents[1] / "exported"
RUN = RunIdentity("m", "some.service", 10, None, "o", "d")
MOST_SLICES = 200


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="hybridx-fuzzing-"))


def _placed(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


# --- data ----------------------------------------------------------------------------------------


def _reader(ending: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        path = _placed(f"data{ending}", data)
        whole = read_arrays(path)
        _check_slices(path, whole)
        _check_numpy(path, whole)
        _check_written(whole)

    return read


def _check_slices(path: Path, whole: dict[str, Array]) -> None:
    """Compare the rows in slices with the whole arrays."""
    with open_data(path) as data:
        if isinstance(data, TableData):
            wanted = [(name, float) for name in data.columns]
            blocks = [np.stack(block, axis=-1) for block in data.slices(wanted, 3)]
            found = {"": np.concatenate(blocks)} if blocks else {}
        else:
            lengths = {len(one) for one in whole.values() if one.ndim}
            if len(lengths) != 1 or any(one.ndim == 0 for one in whole.values()):
                return
            rows = max(1, lengths.pop() // MOST_SLICES)
            slices = list(data.slices(rows))
            found = {name: np.concatenate([one[name] for one in slices]) for name in whole}
    for name, array in found.items():
        np.testing.assert_array_equal(array, whole[name], "slices are other numbers")


def _check_numpy(path: Path, whole: dict[str, Array]) -> None:
    """Compare with what NumPy reads, where it is its format and NumPy takes it."""
    if path.suffix not in (".npy", ".npz"):
        return
    for name, array in whole.items():
        try:
            loaded = np.load(path, allow_pickle=False)
            theirs = loaded if isinstance(loaded, np.ndarray) else loaded[name]
        except Exception:
            continue  # bytes before an archive, odd spaces in a header
        np.testing.assert_array_equal(array, theirs, "NumPy reads other numbers")


def _check_written(whole: dict[str, Array]) -> None:
    """Write arrays and read them again."""
    if not all(one.dtype.kind in "fiub" for one in whole.values()):
        return
    path = _folder() / "again.npz"
    outputs = InMemory({name or "array": one for name, one in whole.items()})
    write_data(path, outputs, overwrite=True)
    again = read_arrays(path)
    for name, array in whole.items():
        np.testing.assert_array_equal(again[name or "array"], array, "other numbers come back")


def _arrays() -> dict[str, Array]:
    return {
        "x": np.arange(12, dtype="float32").reshape(4, 3),
        "k": np.array([[1, -2]] * 4, "int64"),
        "f": np.asfortranarray(np.ones((4, 2))),
        "b": np.array([True, False, True, True]),
        "big": np.arange(4, dtype=">f8"),
    }


def _npy() -> Iterator[bytes]:
    for array in [*_arrays().values(), np.zeros(()), np.zeros((0, 3)), np.array(["a", "bc"])]:
        content = io.BytesIO()
        np.save(content, array)
        yield content.getvalue()


def _npz() -> Iterator[bytes]:
    for write in (np.savez, np.savez_compressed):
        content = io.BytesIO()
        write(content, **_arrays())
        yield content.getvalue()


def _csv() -> Iterator[bytes]:
    yield (EXPORTED / "iris.csv").read_bytes()[:400]
    yield b"a,b\n1,2\n3,nan\n"
    yield b'"a","b c"\r\n1e3,"2"\r\n'
    yield "größe,b\n1,2\n".encode("utf-8-sig")


def _json() -> Iterator[bytes]:
    yield b'{"x": [[1, 2], [3, 4]], "y": [true]}'
    yield b'[{"a": 1, "b": 2.5}, {"a": 3, "b": null}]'


# --- experiments ---------------------------------------------------------------------------------


def read_experiment(data: bytes) -> None:
    config = load_config(_placed("experiment.toml", data))
    save_config(config, _folder() / "again.toml", overwrite=True)
    assert load_config(_folder() / "again.toml") == config, "another experiment comes back"


def _experiments() -> Iterator[bytes]:
    yield (EXPORTED / "iris.toml").read_bytes()


# --- checkpoints ---------------------------------------------------------------------------------


def read_weights(data: bytes) -> None:
    ending = "pt" if data.startswith((b"PK", b"\x80")) else "safetensors"
    checkpoint = read_checkpoint(_placed(f"weights.{ending}", data))
    model = torch.nn.Linear(3, 2)
    load_checkpoint(model, checkpoint)
    with torch.no_grad():
        assert model(torch.zeros(1, 3)).shape == (1, 2), "another model comes of it"


def _checkpoints() -> Iterator[bytes]:
    state = torch.nn.Linear(3, 2).state_dict()
    yield save({name: one.numpy() for name, one in state.items()})
    for saved in (state, {"model": state, "epoch": 3}):
        content = io.BytesIO()
        torch.save(saved, content)
        yield content.getvalue()


def change_checkpoint(rng: random.Random, data: bytes, mutate: Mutate) -> bytes:
    """Change a checkpoint of either kind."""
    if data.startswith(b"PK"):
        return change_archive(rng, data, mutate)
    if rng.random() < 0.3 or len(data) < 8:
        return mutate(data)
    end = 8 + int.from_bytes(data[:8], "little")
    header = change_document(rng, data[8:end], mutate)
    return len(header).to_bytes(8, "little") + header + data[end:]


# --- what is kept of a run -----------------------------------------------------------------------


def read_journal(data: bytes) -> None:
    path = _placed("y.npz.partial", data)
    journal = Journal(path, RUN, resume=True, resend=True)
    kept = len(journal)
    journal.keep("fuzzing", np.arange(6.0).reshape(2, 3))
    journal.close()
    again = Journal(path, RUN, resume=True, resend=True)
    again.close()
    found = again.find("fuzzing", (2, 3))
    assert found is not None
    assert found.shape == (2, 3), "what was kept is lost"
    assert len(again) in (kept, kept + 1), "what was kept before is lost"


def _journals() -> Iterator[bytes]:
    path = _folder() / "seed.partial"
    path.unlink(missing_ok=True)
    journal = Journal(path, RUN)
    journal.begin("a", Tally(1, 2, 20))
    journal.keep("a", np.arange(6.0).reshape(2, 3))
    journal.begin("b", Tally(1, 2, 20))
    journal.fail("b")
    journal.begin("c", Tally(1, 2, 20))
    journal.close()
    yield path.read_bytes()


def read_rows(data: bytes) -> None:
    path = _placed("rows.partial", data)
    kept = KeptRows(path, {"model": "m"}, resume=True)
    count, specs = kept.count, dict(kept.specs)
    for rows in kept.rows():
        for name, array in rows.items():
            assert array.dtype == specs[name].dtype
    if count:
        assert all(len(np.concatenate([*kept.parts(name)])) == count for name in specs)
    kept.close()


def _rows() -> Iterator[bytes]:
    path = _folder() / "seed.rows"
    kept = KeptRows(path, {"model": "m"}, resume=False)
    for start in range(2):
        arrays = {"y": np.full((3, 2), start, "float32"), "z": np.arange(3)}
        kept.keep(arrays, str(start))
    kept.close()
    yield path.read_bytes()


def change_journal(rng: random.Random, data: bytes, mutate: Mutate) -> bytes:
    """Change a line of JSON, or drop, repeat or exchange lines."""
    lines = data.split(b"\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(8):
        case 0:
            lines[at] = lines[other]
        case 1:
            del lines[at]
        case 2:
            return mutate(data)
        case _:
            lines[at] = change_document(rng, lines[at], mutate)
    return b"\n".join(lines)


TARGETS = (
    Target("npy", _reader(".npy"), _npy, change_npy),
    Target("npz", _reader(".npz"), _npz, change_archive),
    Target("csv", _reader(".csv"), _csv, words=(",", "\r\n", '"', "nan", "1e400", "\t", ";")),
    Target("json", _reader(".json"), _json, change_document),
    Target("toml", read_experiment, _experiments, change_tokens),
    Target("checkpoint", read_weights, _checkpoints, change_checkpoint),
    Target("journal", read_journal, _journals, change_journal),
    Target("rows", read_rows, _rows, change_journal),
)
