"""What the user says of a new file: names, metadata, and what is known of its weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hybridx.artifact.contract import RESERVED
from hybridx.errors import NamesError, OwnMetadataError

if TYPE_CHECKING:
    from hybridx.artifact.signature import Signature


@dataclass(frozen=True)
class Said:
    """What is said of a new file, beside what its model is.

    Attributes:
        input_names: of the inputs in order; empty for the names of `forward`.
        output_names: of the outputs in order; empty for the names that the model gives.
        columns: names of the input's columns in a table; may be empty.
        classes: names of the logits in order; may be empty.
        metadata: texts by key.
        weights: a phrase on where the weights come from.
    """

    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""

    def check(self) -> None:
        """Refuse what fits no model.

        Raises:
            NamesError: a name is empty, or given twice.
            OwnMetadataError: a key is reserved, or an entry is no text.
        """
        for what, names in (
            ("input_names", self.input_names),
            ("output_names", self.output_names),
            ("columns", self.columns),
            ("classes", self.classes),
        ):
            _check_distinct(what, names)
        both = sorted({*self.input_names} & {*self.output_names})
        if both:
            reason = f"{both[0]!r} is the name of an input too"
            raise NamesError("output_names", _listed(self.output_names), reason, _ANOTHER)
        for key, value in self.metadata.items():
            _check_entry(key, value)

    def check_names(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Refuse names of inputs and outputs that are not as many as the model has.

        Args:
            inputs: the model's own names.
            outputs: likewise.

        Raises:
            NamesError: they are more or fewer, or an output is called like an input.
        """
        for what, names, own in (
            ("input_names", self.input_names, inputs),
            ("output_names", self.output_names, outputs),
        ):
            if names and len(names) != len(own):
                reason = f"the model has {len(own)} {what.partition('_')[0]}s: {_listed(own)}"
                advice = f"name all {len(own)} in this order" if len(own) > 1 else "give one name"
                raise NamesError(what, _listed(names), reason, advice)
        both = sorted({*(self.input_names or inputs)} & {*(self.output_names or outputs)})
        if both:
            what = "output_names" if self.output_names else "input_names"
            reason = f"{both[0]!r} would be an input and an output"
            raise NamesError(what, _listed(getattr(self, what)), reason, _ANOTHER)

    def check_table(self, inputs: Sequence[Signature], outputs: Sequence[Signature]) -> None:
        """Refuse columns and classes that are not those of the model.

        Args:
            inputs: of the file.
            outputs: of the file.

        Raises:
            NamesError: the axis that they name has another length.
        """
        if self.columns:
            names = ", ".join(one.name for one in inputs)
            if len(inputs) != 1:
                reason = f"a table is one input, the model has {len(inputs)}: {names}"
                raise NamesError("columns", _listed(self.columns), reason, "leave columns out")
            _check_axis("columns", self.columns, inputs[0], "input")
        if self.classes:
            _check_axis("classes", self.classes, outputs[0], "output")


_ANOTHER = "choose another name"


def _check_distinct(what: str, names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        if not isinstance(name, str) or not name.strip() or "\0" in name or not _is_text(name):
            reason = f"number {place + 1} is {name!r}, no name"
            raise NamesError(what, _listed(names), reason, "give each a name")
    for name, count in Counter(names).items():
        if count > 1:
            raise NamesError(what, _listed(names), f"{name!r} is there twice", _ANOTHER)


def _is_text(name: str) -> bool:
    """Return whether a text has no bytes that are none, as a command line may have."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_entry(key: object, value: object) -> None:
    if not isinstance(key, str) or not key.strip():
        raise OwnMetadataError(str(key), "its name is empty" if key == "" else "it has no name")
    entry = f"{key}={value}"
    if key.lower().startswith(RESERVED):
        raise OwnMetadataError(entry, f"names that begin with {RESERVED} are hybridx's own")
    if not isinstance(value, str):
        raise OwnMetadataError(entry, f"its value is a {type(value).__name__}, no text")
    if not _is_text(entry):
        raise OwnMetadataError(entry, "it is no text in Unicode")


def _check_axis(what: str, names: Sequence[str], tensor: Signature, kind: str) -> None:
    """Refuse names of an axis of a table `(rows, names)` of another form or length."""
    described = f"{kind} {tensor.name!r} has the shape {tensor.axes}"
    if len(tensor.shape) == 1 and isinstance(tensor.shape[0], str):
        reason = f"{kind} {tensor.name!r} is one number for each row"
        raise NamesError(what, _listed(names), reason, f"leave {what} out")
    is_row = len(tensor.shape) == 1 and isinstance(tensor.shape[0], int)
    if len(tensor.shape) != 2 and not is_row:
        reason = f"{described}, which is no row of numbers for each row of a table"
        raise NamesError(what, _listed(names), reason, f"leave {what} out")
    axis = len(tensor.shape) - 1
    length = tensor.shape[axis]
    if isinstance(length, str):
        reason = f"{described}: axis {axis} has any length"
        raise NamesError(what, _listed(names), reason, f"leave {what} out")
    if length != len(names):
        count = f"{len(names)} names" if len(names) > 1 else "one name"
        reason = f"these are {count}, but {described}: axis {axis} has {length}"
        order = f"give {length}, one for each number on axis {axis}, in their order"
        raise NamesError(what, _listed(names), reason, f"{order}, or leave {what} out")


def _listed(names: Sequence[object]) -> str:
    shown = ", ".join(map(str, names[:8]))
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
