"""The golden files: where they lie, and how those of today's format are written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import hybridx
from hybridx import api
from hybridx.artifact import MANIFEST, read_artifact
from hybridx.artifact.contract import ARCHIVE_VERSION, FORMAT_VERSION, INLINED_VERSION
from tests.golden import models
from tests.golden.layout import layout

GOLDEN = Path(__file__).parents[2] / "exported" / "golden"
SUMS = GOLDEN / "SHA256SUMS"
# By the name of a format: its newest version, the ending of its files, and whose files are kept.
FORMATS: dict[str, tuple[int, str, tuple[Callable[[], models.Case], ...]]] = {
    "onnx": (FORMAT_VERSION, ".onnx", models.MODELS),
    "bundle": (FORMAT_VERSION, ".bundle", models.IN_BUNDLES),
    "torchscript": (ARCHIVE_VERSION, ".pt", models.IN_TORCHSCRIPT),
    "pt2": (ARCHIVE_VERSION, ".pt2", models.IN_PT2),
}


class LayoutChangedError(AssertionError):
    """What is written has another layout than the golden file of the same format version."""


def every() -> Iterator[Path]:
    """Yield all golden files, bundles as folders."""
    for folder in sorted(one for one in GOLDEN.iterdir() if one.is_dir()):
        yield from sorted(folder.iterdir())


def newest() -> dict[str, Path]:
    """Return the golden files of today's formats, by a name such as `onnx classifier`."""
    found = {
        f"{format} {of.__name__}": GOLDEN / f"{format}-{version}" / f"{of.__name__}{ending}"
        for format, (version, ending, kept) in FORMATS.items()
        for of in kept
    }
    found |= {
        f"inlined {of.__name__}": GOLDEN / f"onnx-{INLINED_VERSION}" / f"{of.__name__}.onnx"
        for of in models.INLINED
    }
    return found | {"onnx small": GOLDEN / f"onnx-{FORMAT_VERSION}" / "small.onnx"}


def write(name: str, path: Path) -> None:
    """Export the model of a golden file to a path."""
    format, _, of = name.partition(" ")
    if of == "small":
        source = api.SourceOptions(models.SOURCE, shapes=(models.SOURCE_SHAPE,))
        api.export_source(source, path, overwrite=True)
        return
    case = models.make(getattr(models, of))
    how = {"inline": True} if format == "inlined" else {"format": format}
    hybridx.export(case.model, case.args, path, overwrite=True, **how, **case.options)


def layout_of(path: Path) -> list[str]:
    """Return the layout of a file."""
    manifest = path / MANIFEST
    return layout(read_artifact(path), manifest.read_bytes() if manifest.is_file() else None)


def check_layout(name: str, new: Path, golden: Path) -> None:
    """Refuse a new file whose layout is not that of the golden file of its version.

    Raises:
        LayoutChangedError: it says which lines differ.
    """
    old, found = {*layout_of(golden)}, {*layout_of(new)}
    if old != found:
        lines = [f"- {one}" for one in sorted(old - found)]
        lines += [f"+ {one}" for one in sorted(found - old)]
        raise LayoutChangedError(
            f"the format of {name} has changed without a new version number:\n"
            + "\n".join(lines)
            + "\nraise FORMAT_VERSION or ARCHIVE_VERSION in hybridx/artifact/contract.py, keep the "
            "golden files of the old version, then make golden. Of a version that was never "
            f"released, delete {golden} first."
        )


def sums() -> str:
    """Return the SHA-256 of every golden file, as sha256sum writes them."""
    files = sorted(one for one in GOLDEN.rglob("*") if one.is_file() and one.suffix)
    files.remove(GOLDEN / "README.md")
    lines = [
        f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.relative_to(GOLDEN).as_posix()}\n"
        for one in files
    ]
    return "".join(lines)
