"""The smallest input that fails, kept in a file for whoever looks for the reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hybridx.artifact import Signature
from hybridx.errors import MismatchError
from hybridx.parity import Differs, smallest_rows
from hybridx.storage import Array, InMemory, write_data

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saving:
    """Where the smallest input that fails is written, and whether a file there is replaced."""

    path: Path
    overwrite: bool


@contextmanager
def saving(
    save: Saving | None,
    signatures: Sequence[Signature],
    tried: Callable[[], Mapping[str, Array]],
    differs: Differs,
) -> Iterator[None]:
    """If a comparison inside fails, write the fewest rows that show it.

    Args:
        save: where; None writes nothing.
        signatures: of the inputs.
        tried: returns the inputs of the last comparison.
        differs: tells of some of their rows.

    Raises:
        NotWritableError: the file system refuses.
    """
    try:
        yield
    except MismatchError:
        if save is not None:
            found = smallest_rows(tried(), signatures, differs)
            write_data(save.path, InMemory(found), overwrite=save.overwrite)
            log.info("the smallest input that shows a difference is in %s", save.path)
        raise


def fails(compared: Callable[[], object]) -> bool:
    """Return whether a comparison finds a difference, and not whether it can be made."""
    try:
        compared()
    except MismatchError:
        return True
    except Exception:
        # The model is the user's own code, and may refuse fewer rows in any way.
        return False
    return False
