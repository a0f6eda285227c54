"""The formats of a model file, and how each is chosen, checked and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from hybridx.api.options import DTYPES, check_choice
from hybridx.artifact import MANIFEST, OPSET, OPSETS, USUAL_MACHINE, is_bundle_file
from hybridx.errors import ConflictingOptionsError, OptionError, OptionNeedsError
from hybridx.lowering import MACHINE_NAMES, STRATEGY_NAMES
from hybridx.storage import check_folder_writable, check_writable, write_folder, write_whole

if TYPE_CHECKING:
    from hybridx.artifact import Content

Format: TypeAlias = Literal["onnx", "torchscript", "pt2", "bundle"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)


@dataclass(frozen=True)
class FileOptions:
    """How a file is made of a model; see the arguments of `export` with these names.

    Attributes:
        dtype: of the file, or None for that of the model.
        opset: version of the standard ONNX operators.
        atol: tolerance of the verification, or None for that of the dtype.
        strategy: that computes the circuits, or None for the cheapest.
        machine: for which the circuits are compiled.
        body: compile the circuits.
        inline: write the bodies of circuits in the place of their calls.
        aot: put machine code into a pt2 file.
        verify: compare with the eager model.
        embed_example: let the self-test hold rows of the example.
        self_test: put a self-test into the file.
    """

    dtype: str | None = None
    opset: int = OPSET
    atol: float | None = None
    strategy: str | None = None
    machine: str = USUAL_MACHINE
    body: bool = True
    inline: bool = False
    aot: bool = False
    verify: bool = True
    embed_example: bool = False
    self_test: bool = True

    def check(self, format: Format) -> None:
        """Refuse values that no file has, and options that only another format has.

        Raises:
            OptionError: a value is not one of the choices.
            OptionNeedsError: an option needs another format.
        """
        check_choice("dtype", self.dtype, (*DTYPES, None))
        check_choice("opset", self.opset, OPSETS)
        if self.strategy is not None:
            check_choice("strategy", self.strategy, STRATEGY_NAMES)
        check_choice("machine", self.machine, MACHINE_NAMES)
        is_torch = format in ("torchscript", "pt2")
        for option, is_given, needed in (
            ("--no-body", is_torch and not self.body, "--format onnx or bundle"),
            (f"--opset {self.opset}", is_torch and self.opset != OPSET, "--format onnx or bundle"),
            ("--inline", self.inline and format != "onnx", "--format onnx"),
            ("--aot", self.aot and format != "pt2", "--format pt2"),
        ):
            if is_given:
                raise OptionNeedsError(option, needed)

    def check_effects(self) -> None:
        """Refuse options that would have no effect beside another.

        Raises:
            ConflictingOptionsError: the message names both.
        """
        if self.embed_example and not self.self_test:
            raise ConflictingOptionsError("--embed-example", "--no-self-test")
        for option, is_given in (
            ("--strategy", self.strategy is not None),
            ("--machine", self.machine != USUAL_MACHINE),
            ("--atol", self.atol is not None),
            ("--embed-example", self.embed_example),
            ("--inline", self.inline),
        ):
            if is_given and not self.body:
                raise ConflictingOptionsError(option, "--no-body")


_SUFFIXES: Final[Mapping[str, Format]] = {
    ".onnx": "onnx",
    ".pt": "torchscript",
    ".ts": "torchscript",
    ".pt2": "pt2",
    ".bundle": "bundle",
}

MODEL_ENDINGS: Final = tuple(_SUFFIXES)
"""The endings of model files."""

NAMES: Final[Mapping[Format, str]] = {
    "onnx": "model.onnx",
    "torchscript": "model.pt",
    "pt2": "model.pt2",
    "bundle": "model.bundle",
}
"""The default names of files."""


def choose_format(path: Path, format: str | None, otherwise: Format) -> Format:
    """Return the format that an option names, or else that of the ending of a file name.

    Args:
        path: of the file.
        format: one of `FORMATS`, or None.
        otherwise: the format of a name without an ending.

    Raises:
        OptionError: there is no such format, or the name has an ending that says none.
    """
    for known in FORMATS:
        if format == known:
            return known
    check_choice("format", format, (None, *FORMATS))
    ending = path.suffix.lower()
    if ending and ending not in _SUFFIXES:
        known_endings = f"{', '.join(MODEL_ENDINGS)}, or another with --format"
        raise OptionError("the ending of a model file", path.name, known_endings)
    return _SUFFIXES.get(ending, otherwise)


def check_target(path: Path, format: Format, *, overwrite: bool) -> None:
    """Refuse a path to which a format cannot be written, before any work.

    Raises:
        ArtifactError: there is something else at `path`, or it cannot be written to.
    """
    if format == "bundle":
        check_folder_writable(path, MANIFEST, is_bundle_file, overwrite=overwrite)
    else:
        check_writable(path, overwrite=overwrite)


def write_model(path: Path, content: Content, *, overwrite: bool) -> None:
    """Write a model file, or the folder of a bundle, completely or not at all.

    Raises:
        ArtifactError: there is something at `path` already, or it cannot be written to.
    """
    if isinstance(content, bytes):
        write_whole(path, content, overwrite=overwrite)
    else:
        write_folder(path, content, MANIFEST, is_bundle_file, overwrite=overwrite)
