"""What a form of data files is: how it is read slice by slice, and how it is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.bounds import Bound
from hybridx.errors import OptionError, TableError

Array: TypeAlias = NDArray[Any]

Kind: TypeAlias = type[float] | type[int] | type[bool] | type[str]
"""As what the cells of a column are read: float64, int64, bool, or Python strings."""

_ROWS_AT_A_TIME = 65536


_NAMES_SHOWN = 12
_LETTERS_SHOWN = 40


def listed(names: Sequence[str]) -> str:
    """Return names of arrays or columns for a message: not all of many, and not all of a long one.

    Example:
        >>> listed(["a", ""])
        'a, one without a name'
    """
    shown = [
        (name if len(name) <= _LETTERS_SHOWN else f"{name[:_LETTERS_SHOWN]}…")
        or "one without a name"
        for name in names[:_NAMES_SHOWN]
    ]
    more = [f"and {len(names) - _NAMES_SHOWN} more"] if len(names) > _NAMES_SHOWN else []
    return ", ".join([*shown, *more]) or "none"


def refuse_repeated(names: Sequence[str], many: str, one: str, path: str) -> None:
    """Refuse a file in which two arrays or columns have one name.

    Args:
        names: of which none may be there twice.
        many: what has the names, such as columns.
        one: one of them.
        path: of the file, for messages.

    Raises:
        TableError: it names the first name that is there twice.
    """
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        problem = f"two {many} are called {listed([repeated])!r}"
        raise TableError(path, problem, f"give every {one} a name of its own")


@dataclass(frozen=True, slots=True)
class Spec:
    """The shape and the dtype of an array that is not in memory."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def spec_of(array: Array) -> Spec:
    """Return the shape and the dtype of an array."""
    return Spec(array.shape, array.dtype)


# --- read ----------------------------------------------------------------------------------------


class ArrayData(ABC):
    """An open file of named arrays.

    Attributes:
        path: of the file, for messages.
        arrays: shape and dtype by name; an array without a name is called "".
    """

    path: str
    arrays: Mapping[str, Spec]

    @abstractmethod
    def slices(self, size: int, whole: Collection[str] = ()) -> Iterator[dict[str, Array]]:
        """Yield `size` rows of every array at a time; can be called once.

        Args:
            size: number of rows.
            whole: names of arrays that are given in full with every slice. All others have one
                length of the first axis. At least one slice comes, also if that length is 0.

        Raises:
            TableError: the content is broken.
        """


class GivenArrays(ArrayData):
    """Arrays that are in memory, of a file that was read whole or in the place of one."""

    def __init__(self, arrays: Mapping[str, Array], path: str = "the arrays") -> None:
        self.path = path
        self.arrays = {name: spec_of(array) for name, array in arrays.items()}
        self._given = arrays

    def slices(self, size: int, whole: Collection[str] = ()) -> Iterator[dict[str, Array]]:
        """Yield `size` rows of every array at a time."""
        sliced = self._given.keys() - whole
        count = max((len(self._given[name]) for name in sliced), default=0)
        for start in range(0, max(count, 1), size):
            yield {
                name: array[start : start + size] if name in sliced else array
                for name, array in self._given.items()
            }


class TableData(ABC):
    """An open table: named columns, each with one cell for every row.

    Attributes:
        path: of the file, for messages.
        columns: the names, no two alike; the numbers 0, 1, … if the table has no header.
        has_header: whether the names come from the file.
        rows: how many there are, or None if only reading tells.
    """

    path: str
    columns: tuple[str, ...]
    has_header: bool
    rows: int | None

    def check_columns(self, names: Sequence[str]) -> None:
        """Refuse names that no column has.

        Raises:
            TableError: the first such name, with the columns that there are.
        """
        known = frozenset(self.columns)
        for name in names:
            if name not in known:
                raise TableError(
                    self.path,
                    f"there is no column {listed([name])!r}",
                    f"its columns are: {listed(self.columns)}",
                )

    def only(self, start: int, stop: int) -> None:
        """Let `slices` yield some rows alone; `rows` is then their number.

        Args:
            start: the first of them.
            stop: the row behind the last one, at most `rows`.
        """
        raise NotImplementedError(f"{type(self).__name__} reads its rows from the first one on")

    @abstractmethod
    def slices(self, wanted: Sequence[tuple[str, Kind]], size: int) -> Iterator[list[Array]]:
        """Yield `size` rows of the wanted columns at a time; can be called once.

        Args:
            wanted: names of columns and how their cells are read, in any order.
            size: number of rows.

        Raises:
            TableError: a cell cannot be read so, or the content is broken.
        """


class GivenTable(TableData):
    """Columns that are in memory."""

    has_header = True

    def __init__(self, columns: Mapping[str, Array], path: str = "the columns") -> None:
        self.path = path
        self.columns = tuple(columns)
        self.rows = max((len(column) for column in columns.values()), default=0)
        self._given = columns

    def slices(self, wanted: Sequence[tuple[str, Kind]], size: int) -> Iterator[list[Array]]:
        """Yield `size` rows of the wanted columns at a time, as they are."""
        for start in range(0, max(self.rows or 0, 1), size):
            yield [self._given[name][start : start + size] for name, _ in wanted]


Data: TypeAlias = ArrayData | TableData


# --- written -------------------------------------------------------------------------------------


class Outputs(ABC):
    """Named arrays that are written, of which not all need be in memory.

    Attributes:
        specs: shape and dtype by name, in order.
    """

    specs: Mapping[str, Spec]

    def parts(self, name: str) -> Iterator[Array]:
        """Yield the pieces of one array that follow each other along its first axis."""
        yield from (rows[name] for rows in self.rows())

    @abstractmethod
    def rows(self) -> Iterator[Mapping[str, Array]]:
        """Yield some rows of all arrays at a time; they have one length of the first axis."""


class InMemory(Outputs):
    """Arrays that are in memory."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.specs = {name: spec_of(array) for name, array in arrays.items()}
        self._arrays = arrays

    def parts(self, name: str) -> Iterator[Array]:
        """Yield the array."""
        yield self._arrays[name]

    def rows(self) -> Iterator[Mapping[str, Array]]:
        """Yield some rows of all arrays at a time."""
        count = max((len(array) for array in self._arrays.values()), default=0)
        for start in range(0, count, _ROWS_AT_A_TIME):
            stop = start + _ROWS_AT_A_TIME
            yield {name: array[start:stop] for name, array in self._arrays.items()}


class Passing(Outputs):
    """Rows that are written while they are computed, and kept nowhere; they come once."""

    def __init__(self, slices: Iterable[Mapping[str, Array]]) -> None:
        rest = iter(slices)
        first = next(rest)
        self.specs = {name: spec_of(array) for name, array in first.items()}
        self._first, self._rest = first, rest

    def rows(self) -> Iterator[Mapping[str, Array]]:
        """Yield the slices as they come."""
        yield self._first
        yield from self._rest


class Form(ABC):
    """A form of data files.

    Attributes:
        name: one of the names in `names.py`.
        is_text_table: its files may have no header, and may be compressed by gzip.
        seeks: reading needs a file in which any place can be reached.
        passes: rows can be written before their number is known.
        skips: rows can be read without those before them, by `TableData.only`.
        bound: on the bytes of a file on the disk, if its length says what reading it costs.
    """

    name: ClassVar[str]
    is_text_table: ClassVar[bool] = False
    seeks: ClassVar[bool] = False
    passes: ClassVar[bool] = False
    skips: ClassVar[bool] = False
    bound: ClassVar[Bound | None] = None

    @abstractmethod
    def open(
        self, file: IO[bytes], path: str, *, header: bool = True, chosen: Sequence[str] = ()
    ) -> Data:
        """Read what stands before the rows, and return the open file.

        Args:
            file: is read from its beginning.
            path: for messages.
            header: the first line of a table has the names of its columns.
            chosen: columns that the user has named.

        Raises:
            TableError: the content is not of this form.
            MissingExtraError: a package is missing.
        """

    @abstractmethod
    def check(self, specs: Mapping[str, Spec]) -> None:
        """Refuse arrays that a file of this form cannot hold.

        Raises:
            OptionError: it cannot.
            MissingExtraError: a package is missing.
        """

    @abstractmethod
    def write(self, file: IO[bytes], outputs: Outputs, about: Mapping[str, object]) -> None:
        """Write arrays that `check` has passed.

        Args:
            file: is written from its beginning.
            outputs: the arrays.
            about: what is said of the arrays, for which only JSON has a place; under the name of an
                array it is left out.
        """


def column_names(specs: Mapping[str, Spec], form: str) -> dict[str, tuple[str, ...]]:
    """Return the columns of a table in which arrays stand side by side, by the array's name.

    An array of one axis is a column of its own name. A row of several elements is laid out in
    columns `name_0`, `name_1` and so on, the last axis fastest.

    Raises:
        OptionError: the arrays have no common number of rows, or two columns one name.
    """
    lengths = {spec.shape[0] if spec.shape else None for spec in specs.values()}
    if len(lengths) != 1 or None in lengths:
        others = ".npz, .json"
        raise OptionError(f"a {form} file for outputs without a common batch axis", "", others)
    names: dict[str, tuple[str, ...]] = {}
    for name, spec in specs.items():
        width = int(np.prod(spec.shape[1:]))
        is_column = len(spec.shape) == 1
        names[name] = (name,) if is_column else tuple(f"{name}_{i}" for i in range(width))
    found = [column for columns in names.values() for column in columns]
    if not found:
        raise OptionError(f"a {form} file for outputs without elements", "", ".npz, .json")
    repeated = next((name for name, count in Counter(found).items() if count > 1), None)
    if repeated is not None:
        raise OptionError(f"the name of a column in a {form} file", repeated[:60], ".npz, .json")
    return names
