"""Which form a file has, and where it lies: a path, or `-` for a pipe."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, cast

from hybridx.bounds import UNPACKED_BYTES, refuse_above, refuse_more
from hybridx.errors import (
    FileMissingError,
    NotWritableError,
    OptionError,
    OptionNeedsError,
    printable,
)
from hybridx.storage.files import open_file, write_from
from hybridx.storage.forms.csv import Csv, TextTable, Tsv
from hybridx.storage.forms.form import Data, Form, Outputs
from hybridx.storage.forms.json import Json
from hybridx.storage.forms.names import PIPE, format_of, stdout
from hybridx.storage.forms.npy import Npy
from hybridx.storage.forms.npz import Npz
from hybridx.storage.forms.parquet import Parquet

_BYTES_AT_A_TIME = 2**20

FORMS: tuple[Form, ...] = (Npy(), Npz(), Csv(), Tsv(), Json(), Parquet())


def form_of(place: str | Path, format: str | None, what: str) -> Form:
    """Return the form of a file; arguments and errors as `format_of`."""
    name = format_of(place, format, what)
    return next(form for form in FORMS if form.name == name)


@contextmanager
def open_data(
    place: str | Path,
    *,
    format: str | None = None,
    header: bool = True,
    columns: Sequence[str] = (),
    what: str = "input",
) -> Iterator[Data]:
    """Open a data file, of which only the beginning is read before its slices are asked for.

    Args:
        place: a path, or `-` for stdin.
        format: the name of its form; by default the ending decides.
        header: the first line of a table of text has the names of the columns.
        columns: the columns that the user has named.
        what: the option that names the file, for messages.

    Raises:
        FileMissingError: the file cannot be read.
        NotAFileError: it is a pipe, a device or a socket.
        OptionError: there is no such form.
        OptionNeedsError: stdin without a form, or a file without a header that is not text.
        TableError: the content is not of this form.
        TooLargeError: it is over a bound on data.
        MissingExtraError: a package is missing.
    """
    form = form_of(place, format, what)
    if not (header or form.is_text_table):
        raise OptionNeedsError("--no-header", "a .csv or .tsv file")
    with ExitStack() as stack:
        label = "stdin" if str(place) == PIPE else str(place)
        if str(place) == PIPE and sys.stdin is None:
            raise FileMissingError(label, "it is closed")
        try:
            file = cast("IO[bytes]", sys.stdin.buffer)
            if str(place) != PIPE:
                file = stack.enter_context(open_file(Path(place)))
            if form.bound is not None and file.seekable():
                refuse_above(form.bound, os.fstat(file.fileno()).st_size, f"the size of {label}")
            if form.seeks and not file.seekable():
                spooled = stack.enter_context(tempfile.TemporaryFile())
                _spool(file, spooled)
                file = cast("IO[bytes]", spooled)
        except OSError as error:
            raise FileMissingError(label, error.strerror or str(error)) from error
        opened = form.open(file, label, header=header, chosen=columns)
        if isinstance(opened, TextTable):
            stack.callback(opened.detach)
        yield opened


def write_data(
    place: str | Path,
    outputs: Outputs,
    *,
    format: str | None = None,
    overwrite: bool,
    about: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Write named arrays to a file, which then holds all of them or is unchanged, or to stdout.

    Args:
        place: a path, or `-` for stdout.
        outputs: the arrays.
        format: the name of the form; by default the ending decides.
        overwrite: replace an existing file.
        about: what a JSON file says of the arrays beside them.

    Raises:
        OptionError: there is no such form, or it cannot hold these arrays.
        OutputExistsError: the file exists and may not be replaced.
        NotWritableError: the file system refuses.
    """
    form = form_of(place, format, "output")
    form.check(outputs.specs)
    if str(place) == PIPE:
        stream = stdout()
        if stream is None:
            raise NotWritableError("stdout", "it is closed")
        hidden = [name for name in outputs.specs if name != printable(name)]
        if hidden and stream.isatty():
            raise OptionError("the name of an output on a terminal", hidden[0], "--output FILE")
        stream.flush()
        _write_to(stream.buffer, form, outputs, about)
        return

    def fill(file: IO[bytes]) -> None:
        if not str(place).endswith(".gz"):
            form.write(file, outputs, about)
            return
        # Without the time and the name, so that equal arrays give equal bytes.
        with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            form.write(cast("IO[bytes]", packed), outputs, about)

    write_from(Path(place), fill, overwrite=overwrite)


def _spool(file: IO[bytes], spooled: IO[bytes]) -> None:
    """Copy what comes through a pipe into a file on the disk."""
    while part := file.read(_BYTES_AT_A_TIME):
        if spooled.tell() + len(part) > UNPACKED_BYTES.limit:
            refuse_more(UNPACKED_BYTES, "the size of what comes through the pipe")
        spooled.write(part)
    spooled.seek(0)


def _write_to(stream: IO[bytes], form: Form, outputs: Outputs, about: Mapping[str, object]) -> None:
    try:
        if form.seeks:
            with tempfile.TemporaryFile() as spooled:
                form.write(cast("IO[bytes]", spooled), outputs, about)
                spooled.seek(0)
                shutil.copyfileobj(spooled, stream)
        else:
            form.write(stream, outputs, about)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise NotWritableError("stdout", error.strerror or str(error)) from error
