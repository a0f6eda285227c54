"""The entry of an inlined file: its circuits, and where in the graph each call was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from hybridx.artifact.contract import INLINED_VERSION, KEY_FORMAT
from hybridx.errors import BrokenArtifactError

KEY_INLINED: Final = "hybridx.inlined"


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call of a circuit whose body stands in its place.

    Attributes:
        node: the name of the node that the call was: where the quantum layer stands in the model.
        circuit: the name of its circuit in the entry.
        strategy: that made its body.
        parameters: the value that enters.
        results: the value that leaves.
        prefix: of the names of all values between them.
    """

    node: str
    circuit: str
    strategy: str
    parameters: str
    results: str
    prefix: str

    @property
    def layer(self) -> str:
        """What the call is named by in messages."""
        return self.node or self.circuit


class Inlined(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the entry says.

    Attributes:
        circuits: the JSON of each circuit, by its name.
        calls: in the order of the graph.
    """

    circuits: dict[str, str]
    calls: tuple[Call, ...]


def decode_inlined(entry: str) -> Inlined:
    """Return what an entry says.

    Raises:
        msgspec.MsgspecError: it is no JSON of this form.
        RecursionError: likewise.
    """
    return msgspec.json.decode(entry, type=Inlined)


def inlined_in(entries: Mapping[str, str], path: str) -> Inlined | None:
    """Return what the metadata of a file say of its inlined calls, or None if it has functions.

    Args:
        entries: of the file, which `decode_metadata` has read.
        path: for messages.

    Raises:
        BrokenArtifactError: the entry is missing, cannot be read, or contradicts itself.
    """
    is_inlined = int(entries[KEY_FORMAT]) == INLINED_VERSION
    if is_inlined != (KEY_INLINED in entries):
        has = "needs" if is_inlined else "has no entry"
        raise BrokenArtifactError(
            path, f"a file of format {entries[KEY_FORMAT]} {has} {KEY_INLINED}"
        )
    if not is_inlined:
        return None
    try:
        found = decode_inlined(entries[KEY_INLINED])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BrokenArtifactError(path, f"{KEY_INLINED} cannot be read: {error}") from error
    for call in found.calls:
        if call.circuit not in found.circuits:
            raise BrokenArtifactError(
                path, f"{call.node!r} calls {call.circuit!r}, which it does not have"
            )
    for what, names in (
        ("layers have the name", [call.node for call in found.calls if call.node]),
        ("layers give the value", [call.results for call in found.calls]),
    ):
        twice, times = next(iter(Counter(names).most_common(1)), ("", 0))
        if times > 1:
            raise BrokenArtifactError(path, f"two {what} {twice!r}")
    if found.circuits.keys() - {call.circuit for call in found.calls}:
        raise BrokenArtifactError(path, "no layer calls one of its circuits")
    return found
