"""Every bound on what is read, once: its name, its default, and why it is that.

A bound is compared with what a file says, before memory is taken for it. Whoever trusts a file
raises it by its name: `hybridx.limits(wires=2000)`, or `--limit wires=2000` on the command line.

To add one, define it here and call `refuse_above` where the number is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hybridx.errors import BeyondReadingError, OptionError, TooLargeError

_LARGEST: Final = 2**62


@dataclass(frozen=True, slots=True)
class Bound:
    """The largest number of something that is read.

    Attributes:
        name: by which it is raised.
        default: the number itself.
        unit: what it counts.
        reason: why it is this number.
        most: to which it can be raised.
    """

    name: str
    default: int
    unit: str
    reason: str
    most: int = _LARGEST

    @property
    def limit(self) -> int:
        """The number that holds here: the default, or what `limits` has set."""
        return _CHANGED.get().get(self.name, self.default)


FILE_BYTES: Final = Bound(
    "file_bytes",
    1_500_000_000,
    "bytes",
    "of a file, of an archive unpacked, or of the files of a bundle together; a protobuf holds "
    "less than 2 GiB",
    most=2**31 - 1,
)
FUNCTIONS: Final = Bound(
    "functions", 10_000, "functions", "of an ONNX file; exported networks have some hundred"
)
EXPANDED_NODES: Final = Bound(
    "expanded_nodes",
    200_000,
    "nodes",
    "of an ONNX file with every function call replaced by its body; ONNX Runtime loads 25,000 in a "
    "second",
)
EXPANDED_BYTES: Final = Bound(
    "expanded_bytes",
    4_000_000_000,
    "bytes",
    "of an ONNX file with every function call replaced by its body, whose constants are copied "
    "each time",
)
TENSOR_NUMBERS: Final = Bound(
    "tensor_numbers",
    2**28,
    "numbers",
    "of a tensor that is not in the file and whose lengths the file says: a GiB in float32",
)
RUN_SECONDS: Final = Bound(
    "run_seconds",
    10,
    "seconds",
    "that a file takes, estimated from its shapes: to load it and to run its self-test on "
    "one core; 100,000,000 asks for no estimate",
    most=10**8,
)
RUN_BYTES: Final = Bound(
    "run_bytes",
    1_000_000_000,
    "bytes",
    "of the values that a file computes in its self-test and that are there at one time, "
    "estimated from its shapes",
)
TENSOR_AXES: Final = Bound(
    "tensor_axes", 64, "axes", "of a tensor; NumPy and torch take no more", most=64
)
TORCH_NODES: Final = Bound(
    "torch_nodes",
    20_000,
    "operators",
    "of a program for torch with every call replaced by its method; torch loads some thousand in "
    "a second",
)
MEMBERS: Final = Bound(
    "members", 20_000, "members", "of an archive; each is a tensor, and a few are not"
)
DESCRIPTION_BYTES: Final = Bound(
    "description_bytes",
    128_000_000,
    "bytes",
    "of an ONNX file beside the numbers of its tensors: nodes, names, circuits and metadata, which "
    "take several times as much memory",
)
EXPRESSION_TERMS: Final = Bound(
    "expression_terms", 200, "terms", "of an expression in lengths: names, numbers and calls"
)
EXPRESSION_DEPTH: Final = Bound(
    "expression_depth",
    40,
    "levels",
    "of an expression in lengths; hybridx writes a few",
    most=200,
)
PROGRAM_DEPTH: Final = Bound(
    "program_depth",
    100,
    "levels",
    "of brackets in a program for torch, which Python reads by calling itself",
    most=150,
)
CIRCUIT_CHARACTERS: Final = Bound(
    "circuit_characters",
    32_000_000,
    "characters",
    "of the JSON of a circuit: about 300,000 gates, or the amplitudes of 20 wires; decoded it "
    "takes ten times the memory",
)
CIRCUIT_DEPTH: Final = Bound(
    "circuit_depth",
    16,
    "levels",
    "of the JSON of a circuit; hybridx writes 7: the wires of a term",
    most=900,
)
WIRES: Final = Bound(
    "wires",
    1_000,
    "wires",
    "of a circuit, an operation or a measurement; far above what is compiled or run, and 2 to "
    "this power is soon computed",
)
DERIVATIVES: Final = Bound(
    "derivatives",
    4,
    "derivatives",
    "of a circuit, one of the other; each makes the program three times as long, and a device "
    "needs twice as many circuits for each gate",
    most=6,
)
GATES: Final = Bound(
    "gates", 100_000, "gates", "of a circuit; a dozen passes visit each in seconds, not minutes"
)
PARAMETERS: Final = Bound(
    "parameters", 100_000, "parameters", "of a circuit: the columns that it takes at run time"
)
BUNDLE_STEPS: Final = Bound(
    "bundle_steps", 10_000, "steps", "of a bundle; each becomes a node or a part of a graph"
)
CIRCUIT_NUMBERS: Final = Bound(
    "circuit_numbers",
    2**21,
    "numbers",
    "of all matrices, channels and prepared states of a circuit: the amplitudes of 20 wires",
)
MEASUREMENTS: Final = Bound(
    "measurements", 10_000, "measurements", "of a circuit; each is a column of its results or more"
)
LETTERS: Final = Bound(
    "letters", 500_000, "letters", "of all Pauli words of a circuit: 25,000 words on 20 wires"
)
RESULTS: Final = Bound(
    "results",
    2**26,
    "results",
    "of a circuit in a row: probabilities, amplitudes and entries of density matrices",
)
BODY_BYTES: Final = Bound(
    "body_bytes",
    2_000_000_000,
    "bytes",
    "of the values that a compiled circuit without a loop over rows holds at one time for "
    "256 rows; each further wire doubles them",
)
PLANNED_GATES: Final = Bound(
    "planned_gates",
    4_000,
    "gates",
    "of the circuits of a file for which inspect compares all strategies, and which are compiled "
    "again to see that a file computes them",
)
CHECKED_AMPLITUDES: Final = Bound(
    "checked_amplitudes",
    2**28,
    "amplitudes",
    "that the simulation of a circuit may visit, to see whether its compiled body computes it: "
    "some seconds",
)
SHOTS: Final = Bound(
    "shots",
    10**9,
    "shots",
    "that a circuit says a device should take; a device of today takes some thousand in a second",
)
TERMS: Final = Bound(
    "terms",
    100_000,
    "terms",
    "of all measurements of a circuit; a molecule on 20 wires has 10,000",
)
DATA_ROWS: Final = Bound(
    "data_rows",
    1_000_000,
    "rows",
    "of a data file; a small model reads and computes so many in five seconds",
)
DATA_FILES: Final = Bound(
    "data_files",
    100_000,
    "files",
    "of a run on a cluster; a millisecond each is spent on looking at them before it begins",
)
TABLE_COLUMNS: Final = Bound(
    "table_columns", 100_000, "columns", "of a table, of which a model takes a few"
)
TABLE_BYTES: Final = Bound(
    "table_bytes",
    256_000_000,
    "bytes",
    "of a table as text, unpacked; some ten million numbers are read in a second",
)
ROW_CHARACTERS: Final = Bound(
    "row_characters",
    16_000_000,
    "characters",
    "of a row of a table as text; it may have several lines inside quotes",
)
UNPACKED_BYTES: Final = Bound(
    "unpacked_bytes",
    1_000_000_000,
    "bytes",
    "of the compressed arrays of a data file, or of data from a pipe that are kept on the disk",
)
HELD_BYTES: Final = Bound(
    "held_bytes",
    400_000_000,
    "bytes",
    "of data that are in memory at once: all rows for `evaluate` and for a device, else a slice, "
    "and arrays in Fortran order",
)
EXAMPLE_BYTES: Final = Bound(
    "example_bytes",
    20_000_000,
    "bytes",
    "of example inputs, which a model computes many times while it is exported",
)
JSON_BYTES: Final = Bound(
    "json_bytes", 64_000_000, "bytes", "of data as JSON, which take up to ten times that in memory"
)
JSON_VALUES: Final = Bound(
    "json_values", 5_000_000, "values", "of data as JSON: numbers, texts, lists and objects"
)
JOURNAL_BYTES: Final = Bound(
    "journal_bytes",
    200_000_000,
    "bytes",
    "of the results of a device that are kept; they are in memory three times when a run goes on",
)
CONFIG_BYTES: Final = Bound(
    "config_bytes", 1_000_000, "bytes", "of a config as TOML; a long one has some thousand"
)
CONFIG_DEPTH: Final = Bound(
    "config_depth",
    16,
    "levels",
    "of brackets in a config, and parts of a name with dots; hybridx writes 3",
    most=100,
)
CONFIG_LAYERS: Final = Bound(
    "config_layers", 200, "layers", "of the classical part of the model of a config"
)
CONFIG_WEIGHTS: Final = Bound(
    "config_weights",
    20_000_000,
    "weights",
    "of the model of a config; training keeps five copies of them",
)
CONFIG_GATES: Final = Bound(
    "config_gates",
    10_000,
    "gates",
    "of the circuit of a config, which the eager model simulates at every step",
)
SIMULATED_WIRES: Final = Bound(
    "simulated_wires",
    20,
    "wires",
    "of the circuit of a config, which the eager model simulates: 2 to this power numbers in a row",
    most=30,
)
CONFIG_SHOTS: Final = Bound(
    "config_shots", 100_000, "shots", "of the circuit of a config, which are in memory for all rows"
)
CONFIG_EPOCHS: Final = Bound(
    "config_epochs", 10_000, "epochs", "of a training; a few hundred are usual"
)
CHECKPOINT_BYTES: Final = Bound(
    "checkpoint_bytes",
    8_000_000_000,
    "bytes",
    "of a file of weights, of which those that the model has are read",
)
CHECKPOINT_OPCODES: Final = Bound(
    "checkpoint_opcodes",
    2_000_000,
    "opcodes",
    "of the pickle in a checkpoint of torch; ten thousand tensors take 300,000",
)
CHECKPOINT_HEADER: Final = Bound(
    "checkpoint_header",
    10_000_000,
    "bytes",
    "of the header of a safetensors file; ten thousand tensors take one million",
    most=100_000_000,
)

SIGNATURE_BYTES: Final = Bound(
    "signature_bytes",
    16_000_000,
    "bytes",
    "of a signature file: a bundle of 50,000 files; one of a single file has 2,000",
)
KEY_BYTES: Final = Bound(
    "key_bytes", 100_000, "bytes", "of a file with a key, which has some hundred"
)
SIGNED_FILES: Final = Bound(
    "signed_files",
    50_000,
    "files",
    "of a folder that is signed or verified; a bundle has three for each circuit",
)
PAGE_BYTES: Final = Bound(
    "page_bytes",
    200_000_000,
    "bytes",
    "of a model in a page, which browsers hold as a text a third longer, of at most half a GiB",
    most=380_000_000,
)

BOUNDS: Final[Mapping[str, Bound]] = {
    one.name: one for one in tuple(globals().values()) if isinstance(one, Bound)
}
"""All bounds by name, in the order in which they stand here."""

_CHANGED: Final[ContextVar[Mapping[str, int]]] = ContextVar(
    "changed limits", default=MappingProxyType({})
)


@contextmanager
def limits(**numbers: int) -> Iterator[None]:
    """Read what is larger, or refuse what is smaller, than the usual limits.

    It holds for everything that is read inside the `with` in this thread, and in the process of
    its own that a file with `isolated=True` gets. The page "Limits" of the documents lists the
    names.

    Args:
        numbers: limits by name.

    Raises:
        OptionError: there is no limit of a name, or it cannot be that number.

    Example:
        >>> import hybridx
        >>> with hybridx.limits(wires=2000, gates=1_000_000):
        ...     pass
    """
    for name, number in numbers.items():
        bound = BOUNDS.get(name)
        if bound is None:
            raise OptionError("--limit", name, ", ".join(BOUNDS))
        if isinstance(number, bool) or not isinstance(number, int):
            raise OptionError(f"--limit {name}", str(number), "whole numbers")
        if not 0 <= number <= bound.most:
            raise OptionError(f"--limit {name}", str(number), f"0 to {bound.most}")
    token = _CHANGED.set({**_CHANGED.get(), **numbers})
    try:
        yield
    finally:
        _CHANGED.reset(token)


def changed_limits() -> dict[str, int]:
    """Return the limits that `limits` has set here, to set them elsewhere."""
    return dict(_CHANGED.get())


def refuse_above(bound: Bound, found: int, what: str) -> None:
    """Refuse what is over a bound.

    Args:
        bound: from this file.
        found: the number of units.
        what: is that large, for the message: "the number of wires of a circuit".

    Raises:
        TooLargeError: it is over the bound; it names the limit that lets it pass.
        BeyondReadingError: no limit lets it pass.
    """
    if found <= bound.limit:
        return
    unit = "" if bound.unit in what else f" {bound.unit}"
    if found > bound.most:
        raise BeyondReadingError(what, f"{shown(found)}{unit}", f"{bound.limit}{unit}")
    raise TooLargeError(
        what, f"{shown(found)}{unit}", f"{bound.limit}{unit}", bound.name, str(found)
    )


def refuse_more(bound: Bound, what: str) -> None:
    """Refuse what was found to be over a bound, and was not counted to its end.

    Args:
        bound: from this file.
        what: is larger, for the message.

    Raises:
        TooLargeError: always; it names a limit ten times as high.
        BeyondReadingError: the bound cannot be raised.
    """
    limit = bound.limit
    unit = "" if bound.unit in what else f" {bound.unit}"
    if limit >= bound.most:
        raise BeyondReadingError(what, f"more than {limit}{unit}", f"{limit}{unit}")
    higher = min(max(10 * limit, 10), bound.most)
    raise TooLargeError(what, f"more than {limit}{unit}", f"{limit}{unit}", bound.name, str(higher))


def shown(count: int) -> str:
    """Return a number for people; one of thousands of digits by its order of magnitude."""
    if count < 10**15:
        return str(count)
    return f"over 1e{int((count.bit_length() - 1) * math.log10(2))}"
