"""Results of a device, kept in a file until the output of the run is written.

The first line of the file is JSON that identifies the run; each further line holds the results of
one submission. Lines are only appended, and each is forced to the disk, so that paid results
survive a crash; a last line that a crash cut short is dropped. Results are found by a hash of
everything that they depend on, so a resumed run starts at the beginning and finds them.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hybridx.errors import (
    BrokenResultsError,
    ForeignResultsError,
    NotWritableError,
    PartialResultsError,
)
from hybridx.storage import read_bytes

SUFFIX = ".partial"
FORMAT = 1


class RunIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What identifies a run; a hash where the value is long or private.

    Attributes:
        model: hash of the model file.
        device: the device that was used.
        shots: samples of each circuit.
        seed: of the device.
        options: hash of the device's options.
        data: hash of the inputs.
    """

    model: str
    device: str
    shots: int | None
    seed: int | None
    options: str
    data: str


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hybridx_results: int
    run: RunIdentity


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    rows: int
    columns: int
    values: bytes  # float64, little-endian; base64 in JSON


class Journal:
    """The results of a run so far.

    Attributes:
        path: of the file, which is created with the first result.
        run: the run that the results belong to.
    """

    def __init__(self, path: Path, run: RunIdentity, *, resume: bool = False) -> None:
        """Begin a journal, or continue an existing one.

        Args:
            path: of the file.
            run: the run that the results belong to.
            resume: read the results of an earlier run; otherwise an existing file is replaced.

        Raises:
            ForeignResultsError: the file belongs to another run.
            BrokenResultsError: the file cannot be read.
        """
        self.path = path
        self.run = run
        self._kept: dict[str, NDArray[np.float64]] = {}
        self._is_begun = False
        self._length = 0
        if resume and path.exists():
            self._read()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: str) -> NDArray[np.float64] | None:
        """Return the results under a key, or None."""
        return self._kept.get(key)

    def keep(self, key: str, results: NDArray[np.float64]) -> None:
        """Keep the results of one submission.

        Raises:
            NotWritableError: the file system refuses.
        """
        self._kept[key] = results
        rows, columns = results.shape
        values = np.ascontiguousarray(results, dtype="<f8").tobytes()
        line = _Line(key, rows, columns, values)
        content = msgspec.json.encode(line) + b"\n"
        if not self._is_begun:
            content = msgspec.json.encode(_Head(FORMAT, self.run)) + b"\n" + content
        try:
            with self.path.open("r+b" if self._is_begun else "wb") as file:
                file.seek(self._length)
                file.truncate()
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise NotWritableError(str(self.path), error.strerror or str(error)) from error
        self._is_begun = True
        self._length += len(content)

    def remove(self) -> None:
        """Remove the file, once the output that holds its results is written."""
        if self._is_begun:
            self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        whole, _, _ = read_bytes(self.path).rpartition(b"\n")
        head, *lines = whole.split(b"\n")
        try:
            if b"hybridx_rows" in head[:20]:
                raise ForeignResultsError(str(self.path), "device", "onnx", self.run.device)
            found = msgspec.json.decode(head, type=_Head)
            if found.hybridx_results != FORMAT:
                self._refuse(f"its format is {found.hybridx_results}, not {FORMAT}")
            self._check(found.run)
            for text in lines:
                line = msgspec.json.decode(text, type=_Line)
                values = np.frombuffer(line.values, dtype="<f8")
                self._kept[line.key] = values.reshape(line.rows, line.columns).astype(np.float64)
        except (msgspec.MsgspecError, ValueError) as error:
            raise BrokenResultsError(str(self.path), str(error)) from error
        self._is_begun = True
        self._length = len(whole) + 1

    def _refuse(self, problem: str) -> None:
        raise BrokenResultsError(str(self.path), problem)

    def _check(self, found: RunIdentity) -> None:
        for what in RunIdentity.__struct_fields__:
            theirs: Any = getattr(found, what)
            ours: Any = getattr(self.run, what)
            if theirs != ours:
                raise ForeignResultsError(str(self.path), what, _short(theirs), _short(ours))


def partial_path(output: Path) -> Path:
    """Return the path under which the results of a run are kept until its output is written."""
    return output.with_name(output.name + SUFFIX)


def check_no_partial(output: Path) -> None:
    """Refuse to run if an earlier run left results.

    Raises:
        PartialResultsError: there are results of an earlier run.
    """
    if partial_path(output).exists():
        raise PartialResultsError(str(partial_path(output)))


def _short(value: Any) -> str:
    # Twelve digits of a hash are enough to distinguish files.
    return value[:12] if isinstance(value, str) and len(value) == 64 else str(value)


def digest(*parts: bytes | str | object) -> str:
    """Return one SHA-256, in hexadecimal, of bytes, texts and values that JSON can hold."""
    total = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else msgspec.json.encode(part, order="sorted")
        total.update(len(content).to_bytes(8, "little") + content)
    return total.hexdigest()
