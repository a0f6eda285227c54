"""A SOURCE on the command line: it names a model and may describe its input."""

from hybridx.sources.example import (
    as_arguments,
    axes_by_input,
    example_from_file,
    example_from_shapes,
)
from hybridx.sources.source import Source, found_source

__all__ = [
    "Source",
    "as_arguments",
    "axes_by_input",
    "example_from_file",
    "example_from_shapes",
    "found_source",
]
