"""Files of weights in the format of safetensors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.bounds import CHECKPOINT_BYTES, CHECKPOINT_HEADER, refuse_above
from hybridx.errors import CheckpointError, first_line
from hybridx.storage.files import open_file

if TYPE_CHECKING:
    from torch import Tensor

_LENGTH = 8  # bytes, of the length of the header


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file in the format of safetensors; of a tensor only what is used is read.

    Raises:
        FileMissingError: the file does not exist or cannot be read.
        NotAFileError: it is a pipe, a device or a socket.
        CheckpointError: it is not in that format, or damaged.
        TooLargeError: it, or its header, is over a bound.
    """
    import safetensors
    import safetensors.torch

    with open_file(path) as file:
        refuse_above(CHECKPOINT_BYTES, os.fstat(file.fileno()).st_size, f"the size of {path}")
        header = int.from_bytes(file.read(_LENGTH), "little")
    try:
        if header <= path.stat().st_size:
            refuse_above(CHECKPOINT_HEADER, header, f"the header of {path}")
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError, OSError) as error:
        problem = f"cannot be read: it is cut off or damaged ({first_line(error)})"
        raise CheckpointError(
            str(path), problem, "copy or download the file again, and compare its size"
        ) from error
