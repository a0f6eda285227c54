"""What a SOURCE on the command line names: a model, and what is known of its input."""

from hybridx.sources.example import (
    arguments,
    axes_by_input,
    example_from_file,
    example_from_shapes,
)
from hybridx.sources.source import Source, found_source

__all__ = [
    "Source",
    "arguments",
    "axes_by_input",
    "example_from_file",
    "example_from_shapes",
    "found_source",
]
