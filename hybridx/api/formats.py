"""The formats of a model file, and how each is put in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hybridx.api.options import check_choice
from hybridx.artifact import MANIFEST, Content, is_bundle_file
from hybridx.storage import check_folder_writable, check_writable, write_folder, write_whole

FORMATS: Final = ("onnx", "bundle")


def check_target(path: Path, format: str, *, overwrite: bool) -> None:
    """Refuse an unknown format, or a place that it cannot be written to, before any work.

    Raises:
        OptionError: there is no such format.
        ArtifactError: there is something else at `path`, or it cannot be written to.
    """
    check_choice("format", format, FORMATS)
    if format == "bundle":
        check_folder_writable(path, MANIFEST, is_bundle_file, overwrite=overwrite)
    else:
        check_writable(path, overwrite=overwrite)


def write_model(path: Path, content: Content, *, overwrite: bool) -> None:
    """Write a model file, or the folder of a bundle, whole or not at all.

    Raises:
        ArtifactError: there is something at `path` already, or it cannot be written to.
    """
    if isinstance(content, bytes):
        write_whole(path, content, overwrite=overwrite)
    else:
        write_folder(path, content, MANIFEST, is_bundle_file, overwrite=overwrite)
