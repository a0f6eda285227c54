"""A SOURCE on the command line: it names a model and may describe its input."""

from hybridx.sources.drawn import (
    Range,
    chooses_by_floats,
    draw,
    find_ranges,
    read_ranges,
)
from hybridx.sources.example import (
    Shapes,
    argument_names,
    as_arguments,
    axes_by_input,
    example_from_file,
    example_from_shapes,
    inputs_by_name,
)
from hybridx.sources.source import Source, found_source

__all__ = [
    "Range",
    "Shapes",
    "Source",
    "argument_names",
    "as_arguments",
    "axes_by_input",
    "chooses_by_floats",
    "draw",
    "example_from_file",
    "example_from_shapes",
    "find_ranges",
    "found_source",
    "inputs_by_name",
    "read_ranges",
]
