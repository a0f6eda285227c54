"""An archive checked before torch reads it, so that torch can do nothing but arithmetic.

`torch.export.load` unpickles, evaluates expressions as Python, imports modules by name and writes
names of nodes into Python source; TorchScript can read and write files, and takes lengths of
storages on trust. Every member, tensor, operator, expression and name is therefore compared with
what hybridx writes, and anything else is refused. The checked members are packed again, so that
torch reads exactly what was checked.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from hybridx.artifact.contract import ARCHIVE_MEMBER
from hybridx.artifact.guard.program import CONFIGS, PROGRAM, check_program
from hybridx.artifact.guard.refusal import Foreign, require
from hybridx.artifact.guard.script import check_script
from hybridx.artifact.guard.tensors import attributes_of
from hybridx.errors import BrokenArtifactError
from hybridx.storage import rezip, stored_members

_PLAIN: Final = ("byteorder", "version", ".data/version", "archive_format", "archive_version")
_PLAIN_CONTENT: Final = re.compile(rb"little|pt2|\d{1,9}\n?")
_MACHINE_CODE: Final = "data/aotinductor/"
SAMPLE_INPUTS: Final = "data/sample_inputs/model.pt"
NO_SAMPLE_INPUTS: Final = (
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch's magic number
    b"\x80\x02M\xe9\x03."  # the version of its protocol, 1001
    # What the machine is like: {"protocol_version": 1001, "little_endian": True, "type_sizes":
    # {"short": 2, "int": 4, "long": 4}}.
    b"\x80\x02}q\x00(X\x10\x00\x00\x00protocol_versionq\x01M\xe9\x03X\r\x00\x00\x00"
    b"little_endianq\x02\x88X\n\x00\x00\x00type_sizesq\x03}q\x04(X\x05\x00\x00\x00shortq\x05"
    b"K\x02X\x03\x00\x00\x00intq\x06K\x04X\x04\x00\x00\x00longq\x07K\x04uu."
    b"\x80\x02}q\x00."  # the inputs: an empty dict
    b"\x80\x02]q\x00."  # the keys of its tensors: none
)
"""What stands in a PT2 file for example inputs: none, as `torch.save` writes them in its old form.

torch asks for a member with them. An empty one would do, but scanners take it for a broken archive,
and torch's new form is a zip archive inside a zip archive, which they do not read. A file that is
read may have either, and torch is given the empty one, so that nothing is unpickled.
"""
_CODE: Final = "code/__torch__/hybridx.py"
_EMPTY_TUPLE: Final = b"\x80\x02)."

# What json, pickletools and ast, and the checks of their results, raise for damaged bytes.
_UNREADABLE: Final = (
    *(ValueError, KeyError, IndexError, TypeError, AttributeError, SyntaxError),
    *(RecursionError, MemoryError, EOFError, zlib.error),
)


@dataclass(frozen=True)
class Checked:
    """An archive that torch may read.

    Attributes:
        members: as torch may read them, by name.
        inputs: how many tensors the program takes.
        outputs: how many it returns.
        bodies: what a compiled circuit in it may be called: the methods that the program calls, or
            the values of its graph.
        nodes: how many operators it calls, with every call replaced by its method.
    """

    members: Mapping[str, bytes]
    inputs: int
    outputs: int
    bodies: frozenset[str]
    nodes: int

    @property
    def content(self) -> bytes:
        """The bytes of the archive."""
        return rezip(self.members)


def checked(content: bytes, format: Literal["torchscript", "pt2"], path: str) -> Checked:
    """Return the archive as torch may read it.

    Args:
        content: the archive.
        format: torchscript or pt2.
        path: of the file, for messages.

    Raises:
        BrokenArtifactError: it holds something that hybridx does not write.
        TooLargeError: its program is longer than the limit.
    """
    check = {"torchscript": _torchscript, "pt2": _pt2}[format]
    try:
        # hybridx does not run machine code; it is for users who load the file with torch.
        members = {
            name: data
            for name, data in stored_members(content)
            if not name.startswith(_MACHINE_CODE)
        }
        for name in _PLAIN:
            require(_PLAIN_CONTENT.fullmatch(members.get(name, b"1")), f"{name} of other content")
        return check(members)
    except Foreign as error:
        raise BrokenArtifactError(path, f"hybridx writes no such thing: {error}") from error
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise BrokenArtifactError(path, f"it is no sound zip archive: {error}") from error
    except _UNREADABLE as error:
        problem = f"its program cannot be read: {type(error).__name__}: {str(error)[:200]}"
        raise BrokenArtifactError(path, problem) from error


def _check_members(members: Mapping[str, bytes], *patterns: str) -> None:
    known = re.compile("|".join([*map(re.escape, (*_PLAIN, ARCHIVE_MEMBER)), *patterns]))
    for name in members:
        require(known.fullmatch(name), f"the member {name}")


def _torchscript(members: Mapping[str, bytes]) -> Checked:
    _check_members(members, r"data/\d{1,9}", r"data\.pkl", r"constants\.pkl", re.escape(_CODE))
    require(members["constants.pkl"] == _EMPTY_TUPLE, "constants.pkl with constants")
    kinds = attributes_of(members["data.pkl"], members)
    script = check_script(members[_CODE], kinds)
    written = {**members, _CODE: script.source}
    return Checked(written, script.inputs, script.outputs, script.called, script.nodes)


def _pt2(members: Mapping[str, bytes]) -> Checked:
    _check_members(
        members,
        r"data/weights/weight_\d{1,9}",
        r"data/constants/tensor_\d{1,9}",
        *map(re.escape, (PROGRAM, SAMPLE_INPUTS, *CONFIGS)),
    )
    require(members[SAMPLE_INPUTS] in (b"", NO_SAMPLE_INPUTS), "pickled inputs")
    program = check_program(members)
    written = {**members, **program.written, SAMPLE_INPUTS: b""}
    return Checked(written, program.inputs, program.outputs, program.values, program.nodes)
