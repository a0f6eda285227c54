"""Checkpoints as people save them: found inside what was saved, and loaded into a model."""

from __future__ import annotations

import argparse
import collections
import io
import pathlib
import pickle
import pickletools
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from hybridx.bounds import (
    CHECKPOINT_BYTES,
    CHECKPOINT_OPCODES,
    FILE_BYTES,
    JSON_BYTES,
    JSON_VALUES,
    refuse_above,
    refuse_more,
)
from hybridx.errors import CheckpointError, TooLargeError, first_line
from hybridx.storage import check_list, check_readable, open_file, read_bytes, read_weights

State = Mapping[str, Any]

_HYPER_PARAMETERS = "hyper_parameters"
_WRAPPERS = ("_orig_mod", "module")
_OUTER = frozenset({"model", "net", "network", "module", "_orig_mod", "ema", "ema_model"})
"""What people call the model inside a trainer or a wrapper: parts of a prefix of its weights."""

_AVERAGED = re.compile(r"ema|swa|averag|shadow", re.IGNORECASE)
_OPTIMIZER = re.compile(r"optim|sched|scaler|callback|loop", re.IGNORECASE)
_COUNTERS = frozenset({"n_averaged"})
_DEPTH = 3
_SHOWN = 5


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds.

    Attributes:
        path: of the file.
        content: what was saved.
    """

    path: str
    content: Any

    @property
    def hyper_parameters(self) -> Mapping[str, Any]:
        """The arguments with which Lightning's module was made, if they were saved."""
        found = self.content.get(_HYPER_PARAMETERS) if isinstance(self.content, Mapping) else None
        return found if isinstance(found, Mapping) else {}


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a `.safetensors` file or a file of `torch.save`; no code in it is run.

    The index of weights in several files, as Hugging Face saves large models, is read with them.

    Raises:
        FileMissingError: there is no such file.
        NotAFileError: it is a pipe, a device or a socket.
        CheckpointError: it is another file, or damaged, or holds Python objects, or a file that an
            index names is missing.
    """
    check_readable(path)
    if path.is_dir():
        names = sorted(one.name for one in path.iterdir())
        inside = [one for one in names if one.endswith(_INDEX)]
        inside += [one for one in names if one.endswith(_ENDINGS)]
        advice = f"give a file in it: {', '.join(inside[:_SHOWN])}" if inside else _GIVE_A_FILE
        raise CheckpointError(str(path), "cannot be read: it is a folder", advice)
    start = _start_of(path)
    is_index = path.name.endswith(_INDEX) or re.match(_INDEX_START, start)
    return Checkpoint(str(path), _read_shards(path) if is_index else _read_file(path, start))


def _start_of(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read(512)


def _read_file(path: Path, start: bytes) -> Any:
    _refuse_other_files(path, start)
    size = path.stat().st_size
    refuse_above(CHECKPOINT_BYTES, size, f"the size of {path}")
    if _is_safetensors(path, start, size):
        return read_weights(path)
    return _read_torch(path, start)


_ENDINGS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
_INDEX = ".index.json"
_INDEX_START = rb'\s*\{\s*"(metadata|weight_map)"'
_GIVE_A_FILE = "give the file that torch.save or safetensors wrote"
_AGAIN = "copy or download the file again, and compare its size"
_OTHER_FILES = (
    (rb"version https://git-lfs", "it is a pointer of Git LFS", "run git lfs pull first"),
    (
        rb"\s*<(!doctype|html|\?xml)",
        "it is a web page",
        "download the file itself; on a page of a repository that is the link called raw",
    ),
    (rb"\x89HDF", "it is an HDF5 file", "load it in your factory, and leave --checkpoint out"),
    (
        rb"\x93NUMPY",
        "it is an array of NumPy",
        "load it in your factory, and leave --checkpoint out",
    ),
)


def _refuse_other_files(path: Path, start: bytes) -> None:
    if not start:
        raise CheckpointError(str(path), "cannot be read: it is empty", _AGAIN)
    for pattern, problem, advice in _OTHER_FILES:
        if re.match(pattern, start, re.IGNORECASE):
            raise CheckpointError(str(path), f"cannot be read: {problem}", advice)


class _Index(msgspec.Struct, frozen=True):
    """Weights in several files.

    Attributes:
        weight_map: the name of the file, beside the index, that holds each weight.
    """

    weight_map: dict[str, str]


def _read_shards(path: Path) -> dict[str, Any]:
    """Return the weights in all files that an index names."""
    try:
        content = read_bytes(path, JSON_BYTES)
        refuse_above(JSON_VALUES, content.count(b","), f"the number of weights of {path}")
        files = msgspec.json.decode(content, type=_Index).weight_map
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        problem = f"cannot be read: it is no index of weights ({first_line(error)})"
        raise CheckpointError(str(path), problem, _GIVE_A_FILE) from error
    if not files:
        raise CheckpointError(str(path), "cannot be read: it names no weights", _GIVE_A_FILE)
    names: defaultdict[str, list[str]] = defaultdict(list)
    for weight, name in files.items():
        names[name].append(weight)
    together = f"put all files that the index names into its folder: {_names(sorted(names))}"
    beside = {one.name for one in path.parent.iterdir() if one.is_file()}
    state: dict[str, Any] = {}
    for name, weights in sorted(names.items()):
        if not name or Path(name).name != name or name.endswith(_INDEX):
            problem = f"cannot be read: {name!r}, which it names, is not a file beside it"
            raise CheckpointError(str(path), problem, together)
        if name not in beside:
            problem = f"cannot be read: {name}, with {len(weights)} of its weights, is not there"
            raise CheckpointError(str(path), problem, together)
        shard = path.parent / name
        content = _read_file(shard, _start_of(shard))
        held = content if isinstance(content, Mapping) else {}
        lacking = [one for one in weights if not isinstance(held.get(one), Tensor)]
        if lacking:
            problem = f"cannot be read: {name} does not hold {_names(lacking)}, as the index says"
            raise CheckpointError(str(path), problem, _AGAIN)
        state |= {one: held[one] for one in weights}
    return state


def _is_safetensors(path: Path, start: bytes, size: int) -> bool:
    """Return whether a file is in the format of safetensors, by its content.

    Raises:
        CheckpointError: it is, but damaged.
    """
    if start[8:9] != b"{":
        if path.suffix == ".safetensors" and start[:4] != b"PK\x03\x04":
            problem = "cannot be read: it is not in the format of safetensors"
            raise CheckpointError(str(path), problem, _GIVE_A_FILE)
        return False
    little, big = (int.from_bytes(start[:8], order) for order in ("little", "big"))
    if 8 + little > size >= 8 + big:
        problem = "cannot be read: its bytes are in the wrong order (big-endian)"
        raise CheckpointError(str(path), problem, "save it with safetensors.torch.save_file")
    if 8 + little > size:
        raise CheckpointError(str(path), f"cannot be read: it ends after {size:,} bytes", _AGAIN)
    return True


def _read_torch(path: Path, start: bytes) -> Any:
    is_archive = start[:4] == b"PK\x03\x04"
    is_pickle = start[:1] == b"\x80"
    if not (is_archive or is_pickle):
        problem = "cannot be read: it is neither a file of torch.save nor of safetensors"
        raise CheckpointError(str(path), problem, _GIVE_A_FILE)
    try:
        content = _loaded(path) if is_archive else _loaded_from_pickles(path)
    except (CheckpointError, TooLargeError):
        raise
    except pickle.UnpicklingError as error:
        classes = dict.fromkeys(re.findall(r"GLOBAL ([\w.]+)", str(error)))
        if not classes:
            problem = "cannot be read: it is no file of torch.save, or it is damaged"
            raise CheckpointError(str(path), problem, _AGAIN) from error
        raise _with_objects(path, classes) from error
    except Exception as error:
        # torch raises whatever its reader and zip raise on damaged files.
        problem = "cannot be read: it is cut off or damaged"
        raise CheckpointError(str(path), problem, _AGAIN) from error
    values = content.values() if isinstance(content, Mapping) else ()
    classes = {f"{one.__module__}.{one.__name__}": None for one in values if isinstance(one, type)}
    if classes:
        raise _with_objects(path, classes)
    return content


def _with_objects(path: Path, classes: Iterable[str]) -> CheckpointError:
    problem = f"cannot be read: it holds pickled Python objects ({', '.join(classes)})"
    return CheckpointError(str(path), problem, _SAVE_STATE)


def _loaded(path: Path) -> Any:
    """Return what an archive holds; of its tensors only what is used is read."""
    with open_file(path) as file:
        check_list(file)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if any("/code/" in member.filename for member in members):
                raise CheckpointError(str(path), "cannot be read: it is TorchScript", _SAVE_STATE)
            # torch writes members as they are. Packed ones could be of any size.
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                problem = "cannot be read: it was packed again after torch wrote it"
                raise CheckpointError(str(path), problem, _SAVE_STATE)
            tables = [one for one in members if one.filename.endswith("/data.pkl")]
            for table in tables:
                with archive.open(table) as pickled:
                    _check_opcodes(pickled, 1, path)
    return _load(path)


def _loaded_from_pickles(path: Path) -> Any:
    """Return what a file of torch before 1.6 holds: pickles, and the bytes of the tensors."""
    size = path.stat().st_size
    refuse_above(FILE_BYTES, size, f"the size of {path}")
    with open_file(path) as file:
        _check_opcodes(file, _PICKLES, path)
    with _Unmapped(io.FileIO(path)) as stream:
        content = _load(stream)
        if stream.tell() != size:
            raise CheckpointError(str(path), "cannot be read: something follows it", _AGAIN)
    return content


_PICKLES = 5  # a number that marks the format, its version, the system, what was saved, and keys


class _Unmapped(io.BufferedReader):
    """A file that torch reads through Python, so that it is known how far."""

    def fileno(self) -> int:
        """Return nothing."""
        raise io.UnsupportedOperation


def _check_opcodes(pickled: IO[bytes], count: int, path: Path) -> None:
    """Refuse pickles that would take long; nothing in them is made or called.

    Raises:
        TooLargeError: they have too many opcodes.
        ValueError: they are no pickles.
    """
    opcodes = chain.from_iterable(pickletools.genops(pickled) for _ in range(count))
    for number, _ in enumerate(opcodes, 1):
        if number > CHECKPOINT_OPCODES.limit:
            refuse_more(CHECKPOINT_OPCODES, f"the number of opcodes of {path}")


def _load(given: Path | IO[bytes]) -> Any:
    """Return what torch reads.

    An archive is mapped into memory: torch then refuses a tensor beyond its numbers, for which it
    otherwise lengthens a storage by whatever is in memory.
    """
    with torch.serialization.safe_globals(_harmless()):
        return torch.load(
            given, map_location="cpu", weights_only=True, mmap=isinstance(given, Path)
        )


_SAVE_STATE = (
    "save the weights alone, where the model is: torch.save(model.state_dict(), 'weights.pt'); "
    "hybridx runs no code of a checkpoint"
)


def _harmless() -> list[Any]:
    """Return classes that stand beside weights in many checkpoints and only hold data."""
    numbers = (np.float64, np.float32, np.float16, np.int64, np.int32, np.uint8, np.bool_)
    arrays = [np.float64(0).__reduce__()[0], np.zeros(1).__reduce__()[0], np.ndarray, np.dtype]
    dtypes = [type(np.dtype(number)) for number in numbers]
    paths = [pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath]
    return [*arrays, *dtypes, *paths, argparse.Namespace, collections.deque]


# --- into a model --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """Weights inside a checkpoint.

    Attributes:
        place: the keys that lead to them.
        state: the weights, by the names that the checkpoint gives them.
    """

    place: tuple[str, ...]
    state: State

    @property
    def is_averaged(self) -> bool:
        is_named = any(_AVERAGED.search(key) for key in self.place)
        return is_named or not _COUNTERS.isdisjoint(self.state)

    @property
    def called(self) -> str:
        return "".join(f"[{key!r}]" for key in self.place)


@dataclass(frozen=True)
class _Match:
    """Weights under the names that they have in a model.

    Attributes:
        found: where they were.
        state: by the model's names.
        prefix: what was taken off their names; with a `+`, what was added.
        wrappers: what wrappers of torch had put into their names.
        left: names that are not the model's.
    """

    found: _Found
    state: dict[str, Any]
    prefix: str
    wrappers: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def notes(self) -> Iterator[str]:
        averaged = "averaged (EMA) " if self.found.is_averaged else ""
        if self.found.place:
            yield f"the {averaged}weights are those in {self.found.called}"
        elif averaged:
            yield "its weights are averaged ones (EMA)"
        if self.prefix.startswith("+"):
            yield f"the prefix {self.prefix[1:]!r} was put before their names"
        elif self.prefix:
            yield f"the prefix {self.prefix!r} was taken off their names"
        if self.wrappers:
            yield f"their names are read without {' and '.join(map(repr, self.wrappers))}"
        if self.left:
            yield f"left out, as the model has no such weights: {_names(self.left)}"


def load_checkpoint(model: nn.Module, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Load the weights of a checkpoint into a model; return sentences on where they were.

    Raises:
        CheckpointError: they are not the weights of this model.
    """
    path = checkpoint.path
    choices = list(_weights_in(checkpoint.content))
    if not choices:
        raise CheckpointError(path, _without_weights(checkpoint.content))
    own = model.state_dict()
    matches = [match for one in choices if (match := _matched(one, own)) is not None]
    matches.sort(key=lambda match: match.found.is_averaged)
    if not matches:
        _load_as_saved(model, choices, own, path)
        return ()
    match = matches[0]
    notes = list(match.notes)
    others = [one.found.called for one in matches[1:] if one.found.is_averaged]
    if others and not match.found.is_averaged:
        notes.append(f"it also holds averaged (EMA) weights in {others[0]}, which were not taken")
    notes += _checked(match.state, own, path)
    try:
        model.load_state_dict(match.state)
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(path, _last_line(error)) from error
    return (f"checkpoint {path}: {'; '.join(notes)}",) if notes else ()


def _load_as_saved(model: nn.Module, choices: Sequence[_Found], own: State, path: str) -> None:
    """Load the weights that come nearest; the model may itself know how to read other names.

    Raises:
        CheckpointError: it does not.
    """
    nearest = max(choices, key=lambda one: len(own.keys() & one.state.keys()))
    try:
        model.load_state_dict(nearest.state)
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(path, _differences(nearest.state, own), _OTHER_MODEL) from error


def _weights_in(content: Any, place: tuple[str, ...] = ()) -> Iterator[_Found]:
    """Yield every mapping of names to tensors in what was saved, but those of optimizers."""
    if not isinstance(content, Mapping) or len(place) > _DEPTH:
        return
    if _is_state(content):
        yield _Found(place, content)
        return
    for key, value in content.items():
        if isinstance(key, str) and not _OPTIMIZER.search(key):
            yield from _weights_in(value, (*place, key))


def _is_state(content: Mapping[Any, Any]) -> bool:
    named = all(isinstance(key, str) for key in content)
    tensors = [isinstance(value, Tensor) for key, value in content.items()
               if not str(key).endswith("_extra_state")]  # fmt: skip
    return named and bool(tensors) and all(tensors)


def _without_weights(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"it holds a {type(content).__name__}, not a state_dict"
    keys = _names([str(key) for key in content])
    return f"it holds no weights, only {keys}" if content else "it holds an empty dict, no weights"


def _matched(found: _Found, own: State) -> _Match | None:
    """Return weights under the model's names, or None if they are not all the model's."""
    counters = _COUNTERS - own.keys()
    kept = {key: value for key, value in found.state.items() if key not in counters}
    names, state = _by_plain_name(own), _by_plain_name(kept)
    inside = {part for key in kept.keys() - own.keys() for part in key.split(".")}
    wrappers = tuple(f"{part}." for part in _WRAPPERS if part in inside)
    for prefix in _prefixes(state, names):
        added = prefix.removeprefix("+")
        if prefix.startswith("+"):
            under = {added + plain: key for plain, key in state.items()}
            left = []
        else:
            under = {p[len(prefix) :]: key for p, key in state.items() if p.startswith(prefix)}
            left = [p for p in state if not p.startswith(prefix)]
        if under.keys() - names.keys():
            continue
        there = {names[plain] for plain in under}
        # Tied weights are saved once, under one of their names.
        spares = {plain: _spare(own, names[plain]) for plain in names.keys() - under.keys()}
        if not all(spare & there for spare in spares.values()):
            continue
        if left and not set(prefix.rstrip(".").split(".")) <= _OUTER:
            continue
        matched = {names[plain]: found.state[key] for plain, key in under.items()}
        for plain, spare in spares.items():
            matched[names[plain]] = matched[next(iter(spare & there))]
        return _Match(found, matched, prefix, wrappers, tuple(left))
    return None


def _by_plain_name(state: State) -> dict[str, str]:
    """Return names by what is left without what wrappers of torch put between."""
    plain = {
        ".".join(part for part in key.split(".") if part not in _WRAPPERS): key for key in state
    }
    return plain if len(plain) == len(state) else {key: key for key in state}


def _prefixes(state: Mapping[str, str], names: Mapping[str, str]) -> Iterator[str]:
    """Yield what may stand before the names of the model: nothing, a prefix, or one too few."""
    yield ""
    if not names:
        return
    first = min(names)
    ends = [key[: -len(first)] for key in state if key.endswith(f".{first}")]
    yield from sorted(ends, key=len)
    if state:
        first = min(state)
        yield from (f"+{key[: -len(first)]}" for key in names if key.endswith(f".{first}"))


def _spare(own: State, key: str) -> set[str]:
    """Return the other names of a weight that has several, of which safetensors keeps one."""
    tensor = own[key]
    if not isinstance(tensor, Tensor) or is_lazy(tensor):
        return set()
    return {
        other
        for other, value in own.items()
        if other != key
        and isinstance(value, Tensor)
        and not is_lazy(value)
        and value.numel()
        and (value.data_ptr(), value.shape) == (tensor.data_ptr(), tensor.shape)
    }


def _checked(state: State, own: State, path: str) -> list[str]:
    """Return a sentence on weights of another dtype.

    Raises:
        CheckpointError: a weight has another shape, or its numbers do not fit.
    """
    cast: dict[tuple[str, str], int] = defaultdict(int)
    shapes: list[str] = []
    for key, value in state.items():
        target = own[key]
        if not (isinstance(value, Tensor) and isinstance(target, Tensor)) or is_lazy(target):
            continue
        if value.is_nested or value.is_quantized or value.is_meta:
            kind = "nested" if value.is_nested else "quantized" if value.is_quantized else "meta"
            raise CheckpointError(
                path, f"{key} is a {kind} tensor, not one of numbers", _SAVE_STATE
            )
        if value.shape != target.shape:
            shapes.append(f"{key} has shape {[*value.shape]}, in the model {[*target.shape]}")
            continue
        if value.dtype != target.dtype:
            if _loses(value, target.dtype):
                problem = f"{key} is {_dtype(value)}, which {_dtype(target)} of the model loses"
                raise CheckpointError(path, problem)
            cast[_dtype(value), _dtype(target)] += 1
    if shapes:
        more = f" and {len(shapes) - 3} more" if len(shapes) > 3 else ""
        raise CheckpointError(path, "; ".join(shapes[:3]) + more, _OTHER_SIZES)
    return [f"{count} weights in {left} became {right}" for (left, right), count in cast.items()]


def _loses(value: Tensor, dtype: torch.dtype) -> bool:
    """Return whether numbers would become others, but for rounding."""
    if torch.can_cast(value.dtype, dtype):
        return False
    return value.is_complex() or not torch.equal(value.to(dtype).to(value.dtype), value)


_OTHER_MODEL = (
    "give the checkpoint that was saved from this model, or make the model as it was made then, "
    "for example with --arg"
)
_OTHER_SIZES = (
    "make the model as large as the checkpoint, for example with --arg, or give the checkpoint "
    "that was saved from this model"
)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _outer_prefixes(names: Iterable[str]) -> list[str]:
    """Return the prefixes of names that stand for a model inside a trainer, the shortest first."""
    prefixes = {""}
    for name in names:
        parts = name.split(".")
        for count, part in enumerate(parts, 1):
            if part not in _OUTER:
                break
            prefixes.add(".".join(parts[:count]) + ".")
    return sorted(prefixes, key=len)


def _without(prefix: str, names: Iterable[str]) -> set[str]:
    return {name.removeprefix(prefix) for name in names}


def _differences(state: State, own: State) -> str:
    names, found = _by_plain_name(own).keys(), set(_by_plain_name(state))
    prefix = max(_outer_prefixes(found), key=lambda one: len(names & _without(one, found)))
    found = _without(prefix, found)
    missing, unexpected = sorted(names - found), sorted(found - names)
    near = [
        f"{key} may be {match[0]}"
        for key in unexpected[:_SHOWN]
        if (match := get_close_matches(key, missing, n=1, cutoff=0.8))
    ]
    told = f"missing keys: {_names(missing)}; unexpected keys: {_names(unexpected)}"
    return f"{told}; {', '.join(near[:2])}" if near else told


def _names(keys: Sequence[str]) -> str:
    """Return some names; many that begin alike are counted."""
    if len(keys) <= _SHOWN:
        return ", ".join(keys) or "none"
    groups: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        groups[key.partition(".")[0]].append(key)
    shown = [
        names[0] if len(names) == 1 else f"{_shared(names)}.* ({len(names)} keys)"
        for names in groups.values()
    ]
    rest = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _shared(names: Sequence[str]) -> str:
    """Return the parts with which all of some names begin."""
    shared = []
    for parts in zip(*(name.split(".")[:-1] for name in names), strict=False):
        if len({*parts}) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
