"""The formats of a model file, and how each is chosen, checked and written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from hybridx.api.options import check_choice
from hybridx.artifact import MANIFEST, OPSET, is_bundle_file
from hybridx.errors import OptionNeedsError
from hybridx.storage import check_folder_writable, check_writable, write_folder, write_whole

if TYPE_CHECKING:
    from hybridx.artifact import Content

Format: TypeAlias = Literal["onnx", "torchscript", "pt2", "bundle"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)


def check_format(format: Format, *, opset: int, body: bool, aot: bool) -> None:
    """Refuse options that only another format has.

    Raises:
        OptionNeedsError: an option needs another format.
    """
    is_torch = format in ("torchscript", "pt2")
    for option, is_given, needed in (
        ("--no-body", is_torch and not body, "--format onnx or bundle"),
        (f"--opset {opset}", is_torch and opset != OPSET, "--format onnx or bundle"),
        ("--aot", aot and format != "pt2", "--format pt2"),
    ):
        if is_given:
            raise OptionNeedsError(option, needed)


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
        otherwise: the format for any other ending.

    Raises:
        OptionError: there is no such format.
    """
    for known in FORMATS:
        if format == known:
            return known
    check_choice("format", format, (None, *FORMATS))
    return _SUFFIXES.get(path.suffix, otherwise)


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
