"""Every error that hybridx raises on purpose, as one tree; each has a sentence and a remedy.

    HybridxError
    ├── UsageError      the call or its environment has to change     HX0xx
    ├── CaptureError    the model has to change                       HX1xx
    ├── LoweringError   the circuit cannot become a tensor program    HX2xx
    ├── ArtifactError   a file is wrong, missing or in the way        HX3xx
    ├── InputError      the data given to a model do not fit it       HX4xx
    ├── DeviceError     a quantum device is unknown or failed         HX5xx
    └── ParityError     two executions differ                         HX6xx

A leaf is one situation. Its fields hold the facts; `summary` and `remedy` hold its wording, which
stands nowhere else. Wording names options as the command line does; `spelled` turns them into
arguments of Python functions, unless the command line is what runs. An exception outside this tree
is a bug in hybridx and keeps its traceback.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, dataclass_transform

_FLAGS = (
    "accept-changes|accept-unchecked|aot|dry-run|embed-example|isolated|overwrite|resend|resume"
)
_CHOICES = "device|dtype|engine|format|machine|provider|strategy"
# In this order: the first that fits an option is taken.
_SPELLINGS: tuple[tuple[str, str], ...] = (
    (r"--shape(?: N\S+)?(?: \([^)]*\))? or --example(?: \S+\.npz)?", "args"),
    (r"--no-(?P<name>[a-z-]+)", "{name}=False"),
    (r"give --limit (?P<name>[\w<>]+)=(?P<value>[\w<>]+)", "use hybridx.limits({name}={value})"),
    (rf"--(?P<name>{_FLAGS})\b(?!-)", "{name}=True"),
    (
        rf"--(?P<name>{_CHOICES}) "
        r"(?!(?:and|as|at|cannot|for|has|in|is|needs|or|out|shows|the|to|with)\b)"
        r"(?P<value>[a-z][\w.]*\w)",
        '{name}="{value}"',
    ),
    (r"--(?P<name>max-[a-z]+|[a-z][a-z-]*) (?P<value>\d[\w.]*)", "{name}={value}"),
    # Not an option of pip's, nor of a command that the text names.
    (r"(?<!install )--(?!json|help)(?P<name>[a-z][a-z-]*)", "{name}"),
)
_is_command_line = False


@contextmanager
def for_command_line() -> Iterator[None]:
    """While active, errors name options as the command line has them."""
    global _is_command_line
    before, _is_command_line = _is_command_line, True
    try:
        yield
    finally:
        _is_command_line = before


def spelled(text: str) -> str:
    """Return a text with its options as those who read it give them.

    Example:
        >>> spelled("give --overwrite or --format onnx"), spelled("--no-body needs --max-shots 9")
        ('give overwrite=True or format="onnx"', 'body=False needs max_shots=9')
    """
    if _is_command_line:
        return text
    parts = text.split("`")  # every other one is a command, which stays as it is given
    for place in range(0, len(parts), 2):
        for pattern, form in _SPELLINGS:
            parts[place] = re.sub(pattern, partial(_filled, form), parts[place])
    return "`".join(parts)


def _filled(form: str, found: re.Match[str]) -> str:
    groups = {name: text.replace("-", "_") for name, text in found.groupdict().items()}
    return form.format(**groups)


@dataclass_transform(eq_default=False)
class HybridxError(Exception):
    """A known situation with a code, a summary and a remedy.

    A leaf lists its fields as a dataclass does, and takes them in this order or by name. Making
    each of them a dataclass would take longer than importing NumPy.
    """

    code: ClassVar[str] = "HX000"
    summary: ClassVar[str] = "an error without a description"
    remedy: ClassVar[str] = ""

    def __str__(self) -> str:
        """Return the summary and, on a second line, what to do."""
        text = f"{self.code} {self.message}"
        return f"{text}\n  help: {self.help}" if self.help else text

    @property
    def message(self) -> str:
        """What happened, in one line."""
        return self._said(self.summary)

    @property
    def help(self) -> str:
        """What to do, in one line; may be empty."""
        return self._said(self.remedy)

    def _said(self, text: str) -> str:
        facts = {name: _shortened(value) for name, value in self.facts().items()}
        return printable(spelled(text.format(**facts)))

    def __init__(self, *values: object, **named: object) -> None:
        names = [*self._fields()]
        given = dict(zip(names, values, strict=False)) | named
        defaults = {name: getattr(type(self), name) for name in names if hasattr(type(self), name)}
        if len(values) > len(names) or (defaults | given).keys() != set(names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names) or 'nothing'}")
        super().__init__(*values)
        self.__dict__.update(defaults | given)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception itself would give the fields by position, and those that have names are lost.
        return _again, (type(self), self.facts()), self.__dict__

    @classmethod
    def _fields(cls) -> dict[str, str]:
        """Return the types of the fields by name."""
        types = vars(cls).get("__annotations__", {})
        return {name: kind for name, kind in types.items() if not kind.startswith("ClassVar")}

    def facts(self) -> dict[str, object]:
        """Return the typed fields of this error, by name."""
        return {name: getattr(self, name) for name in self._fields()}


def _again(kind: type[HybridxError], facts: dict[str, Any]) -> HybridxError:
    """Return an error that was pickled."""
    return kind(**facts)


def printable(text: str, *, keeps: str = "") -> str:
    r"""Return a text that moves no cursor, hides nothing and ends no line where it is shown.

    Names and messages of a file may hold anything. What Python's `repr` escapes is escaped in the
    same way: control characters, line breaks, marks that turn the direction of text.

    Args:
        text: of any kind.
        keeps: characters that stay, such as line breaks.

    Example:
        >>> print(printable("\x1b[31mred\x1b[0m\n\u202etxt"))
        \x1b[31mred\x1b[0m\n\u202etxt
    """
    if text.isprintable():
        return text
    return "".join(
        one
        if one.isprintable() or one in keeps
        else one.encode("unicode_escape", "surrogatepass").decode("ascii")
        for one in text
    )


_MOST_LETTERS = 1_500  # of a fact in a message


def _shortened(value: object) -> object:
    """Return a text of a sentence's length; the middle of a longer one says nothing more."""
    if not isinstance(value, str) or len(value) <= _MOST_LETTERS:
        return value
    return f"{value[: _MOST_LETTERS - 300]} … {value[-300:]}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the name of its class if it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


class UsageError(HybridxError):
    """The call or its environment has to change."""


class CaptureError(HybridxError):
    """The model has to change."""


class LoweringError(HybridxError):
    """The circuit cannot become a tensor program."""


class ArtifactError(HybridxError):
    """A file is wrong, missing or in the way."""


class InputError(HybridxError):
    """The data given to a model do not fit it."""


class DeviceError(HybridxError):
    """A quantum device is unknown or failed."""


class ParityError(HybridxError):
    """Two executions differ by more than their tolerance."""


# --- usage ---------------------------------------------------------------------------------------


class MissingExtraError(UsageError):
    """An optional package is needed for what was asked."""

    code = "HX001"
    summary = "{purpose} needs the package {package!r}, which is not installed"
    remedy = "pip install 'hybridx[{extra}]'"
    purpose: str
    package: str
    extra: str


class CommandLineError(UsageError):
    """A command is called with what it does not take."""

    code = "HX002"
    summary = "{problem}"
    remedy = "{command} --help shows what it takes"
    problem: str
    command: str


class ConflictingOptionsError(UsageError):
    """Two options are given of which one has no effect beside the other."""

    code = "HX003"
    summary = "{option} has no effect beside {other}"
    remedy = "leave one of them out"
    option: str
    other: str


class RepeatedOptionError(UsageError):
    """An option that takes one value is given twice."""

    code = "HX004"
    summary = "{option} is given more than once"
    remedy = "give it once"
    option: str


class OutOfMemoryError(UsageError):
    """What was asked for does not fit into the memory of this machine."""

    code = "HX005"
    summary = "this machine has not enough memory: {reason}"
    remedy = "give smaller shapes, or fewer rows at a time, or use a machine with more memory"
    reason: str


class SourceNotFoundError(UsageError):
    """The text before the colon of a SOURCE leads to no module or file."""

    code = "HX010"
    summary = "source {source!r} cannot be imported: {reason}"
    remedy = "give file.py:attribute, package.module:attribute or a config.toml"
    source: str
    reason: str


class SourceAttributeError(UsageError):
    """The module of a SOURCE has no such attribute."""

    code = "HX011"
    summary = "{module!r} has no attribute {attribute!r}; nearest names: {nearest}"
    remedy = "name an nn.Module, a class or a factory; --arg gives its arguments"
    module: str
    attribute: str
    nearest: str


class SourceRaisesError(UsageError):
    """The user's code raises while it is imported."""

    code = "HX006"
    summary = "importing {source} raises {error}: {place}"
    remedy = "{advice}"
    source: str
    error: str
    place: str
    advice: str


class MadeByMainError(UsageError):
    """A name is set only where a file runs as a program."""

    code = "HX007"
    summary = "{module!r} sets {attribute!r} under if __name__ == '__main__', so an import lacks it"
    remedy = "move what makes the model into a function, and name the function"
    module: str
    attribute: str


class ModelEndsError(UsageError):
    """The user's code ends the program."""

    code = "HX008"
    summary = "the model's own code ends the program with sys.exit: {place}"
    remedy = "let it raise an error instead, or take the line out"
    place: str


class NotAModuleError(UsageError):
    """A SOURCE gives something that is not a torch.nn.Module."""

    code = "HX012"
    summary = "{source} is a {found}, not a torch.nn.Module"
    remedy = "name an nn.Module, a QNode, or a class or a factory; --arg gives its arguments"
    source: str
    found: str


class FactoryFailedError(UsageError):
    """Calling the class or factory of a SOURCE raised."""

    code = "HX013"
    summary = "calling {source} raised {reason}: {place}"
    remedy = "mend this line, or name a small function that makes the model"
    source: str
    reason: str
    place: str


class NoExampleError(UsageError):
    """A model comes without the shape of its input."""

    code = "HX014"
    summary = "the shape of the input of {source} is not known"
    remedy = "give --shape N,4 (N is the batch axis) or --example inputs.npz"
    source: str


class ShapeSyntaxError(UsageError):
    """A --shape cannot be read."""

    code = "HX015"
    summary = "--shape {text!r} cannot be read"
    remedy = (
        "write NAME=N,4 or N,T,4: whole numbers, N for the batch, a capital for any length (T=12 "
        "for one that is 12 in the example), and :int64 for another dtype"
    )
    text: str


class ConfigError(UsageError):
    """A configuration has a wrong or missing value."""

    code = "HX016"
    summary = "{path}: {problem}"
    remedy = "help(hybridx.models.ExperimentConfig) in Python shows every key and its meaning"
    path: str
    problem: str


class OptionError(UsageError):
    """An option has a value that is not offered."""

    code = "HX017"
    summary = "{option} cannot be {value!r}"
    remedy = "choose one of: {choices}"
    option: str
    value: str
    choices: str


class ArgumentError(UsageError):
    """An argument of forward is neither a tensor nor a constant."""

    code = "HX018"
    summary = "argument {name!r} of the model is a {found}"
    remedy = (
        "give tensors, arrays, None, booleans, numbers and strings, also in lists, tuples, dicts "
        "and objects with attributes; a file can keep only these"
    )
    name: str
    found: str


class NoTorchScriptError(UsageError):
    """TorchScript is requested on a version of Python on which torch does not support it."""

    code = "HX019"
    summary = "torch writes no TorchScript on Python {version}"
    remedy = "export with --format pt2, its successor, or with Python 3.13 or earlier"
    version: str


class NoCompilerError(UsageError):
    """The program cannot be compiled ahead of time on this machine."""

    code = "HX020"
    summary = "the program cannot be compiled ahead of time: {reason}"
    remedy = "install a C++ compiler (g++ or clang++), or export without --aot"
    reason: str


class OptionNeedsError(UsageError):
    """An option has no effect without another one."""

    code = "HX021"
    summary = "{option} needs {needed}"
    remedy = "add {needed}, or leave {option} out"
    option: str
    needed: str


class OptionSyntaxError(UsageError):
    """An --option cannot be read."""

    code = "HX022"
    summary = "--option {text!r} cannot be read"
    remedy = "write KEY=VALUE, where VALUE is JSON or a string, for example method=mps"
    text: str


class SecretOptionError(UsageError):
    """Credentials are given as an option of a device."""

    code = "HX023"
    summary = "option {option!r} of device {name!r} looks like a credential and is refused"
    remedy = "set {place} instead; shells store command lines, and other users can see them"
    option: str
    name: str
    place: str


class NotAModelError(UsageError):
    """What is given as the model cannot be called like one."""

    code = "HX024"
    summary = "the model is {found}, not a torch.nn.Module"
    remedy = "{advice}"
    found: str
    advice: str


class ArgumentsByNameError(UsageError):
    """The example arguments are a dict, and could be meant as one argument or as several."""

    code = "HX025"
    summary = "the example arguments are a {found}"
    remedy = "give () and kwargs=… for arguments by name, or (…,) for one argument that is a dict"
    found: str


class ArgumentsDoNotFitError(UsageError):
    """The example arguments are more, fewer or others than forward takes."""

    code = "HX033"
    summary = "forward({parameters}) does not take the example arguments: {reason}"
    remedy = "{advice}"
    parameters: str
    reason: str
    advice: str


class ShapeError(UsageError):
    """A --shape or a --range can be read, but not used."""

    code = "HX030"
    summary = "{option} {text!r} cannot be used: {reason}"
    remedy = "{advice}"
    option: str
    text: str
    reason: str
    advice: str


class FactoryArgumentError(UsageError):
    """An --arg does not fit the class or the factory of a SOURCE, or one is missing."""

    code = "HX026"
    summary = "{signature} cannot be called: {reason}"
    remedy = "give what it takes as --arg NAME=VALUE; lists and dicts are JSON"
    signature: str
    reason: str


class NamesError(UsageError):
    """Names that are given for a file do not fit its model."""

    code = "HX027"
    summary = "{what} cannot be {names}: {reason}"
    remedy = "{advice}"
    what: str
    names: str
    reason: str
    advice: str


class OwnMetadataError(UsageError):
    """An entry of the user's for the metadata of a file cannot be kept."""

    code = "HX028"
    summary = "metadata {entry!r} cannot be kept: {reason}"
    remedy = "give texts under names of your own, for example author=Ada; hybridx.* is reserved"
    entry: str
    reason: str


class OutputIsInputError(UsageError):
    """The output of a run would replace one of its own inputs."""

    code = "HX029"
    summary = "{path} is {what} of this run, and its output too"
    remedy = "give the output another name"
    path: str
    what: str


class SessionClosedError(UsageError):
    """A session is run or pickled after it was closed."""

    code = "HX031"
    summary = "the session of {path} is closed"
    remedy = "load the file again, or run it inside the with block"
    path: str


class SessionNotPickledError(UsageError):
    """A session is pickled, and its device or an option of it cannot be."""

    code = "HX034"
    summary = "the session of {path} cannot be pickled with its device {device}: {reason}"
    remedy = "give the device by its name, or load the file in the process that runs it"
    path: str
    device: str
    reason: str


class SigningKeyError(UsageError):
    """A file holds no key that can be used for a signature."""

    code = "HX035"
    summary = "{path} {problem}"
    remedy = "{advice}"
    path: str
    problem: str
    advice: str


class NoCudaDeviceError(UsageError):
    """A CUDA graph is wanted where torch finds no CUDA device."""

    code = "HX036"
    summary = "a CUDA graph needs a CUDA device, and torch finds none"
    remedy = "call the lowered model itself, or compile it: torch.compile(lowered)"


class NotOnCudaError(UsageError):
    """A CUDA graph is wanted of a model or an example that is not on one CUDA device."""

    code = "HX037"
    summary = "{what} is on {device}; a CUDA graph needs model and example on one CUDA device"
    remedy = 'move both there: lowered.to("cuda").graphed(example.to("cuda"))'
    what: str
    device: str


class UngraphableError(UsageError):
    """A step of a model cannot be part of a CUDA graph."""

    code = "HX038"
    summary = "CUDA cannot record this model as a graph: a step waits for results or for the CPU"
    remedy = "call the lowered model itself, or compile it: torch.compile(lowered)"


class ServerSettingError(UsageError):
    """A setting of a server is unknown or has a value that cannot be meant."""

    code = "HX043"
    summary = "the setting {name!r} of the server is {value}, not {expected}"
    remedy = (
        "mend it in the settings of the server, or in its environment variables HYBRIDX_SERVE_*"
    )
    name: str
    value: str
    expected: str


class NotReadyError(UsageError):
    """A request comes before the self-test of the file has passed, or while the server ends."""

    code = "HX044"
    summary = "the model is not ready: {reason}"
    remedy = "ask again when the server says that it is ready; its log says what it waits for"
    reason: str


class RequestTooLargeError(UsageError):
    """A request has more rows than a server takes."""

    code = "HX045"
    summary = "the request has {rows:,} rows, and this server takes {most:,} in one"
    remedy = "send them in several requests; who runs the server can raise its setting `rows`"
    rows: int
    most: int


class HubNameError(UsageError):
    """A licence or a task of a model card has characters that no identifier of the Hub has."""

    code = "HX050"
    summary = "{option} {value!r} is no identifier of the Hugging Face Hub"
    remedy = (
        "give small letters, digits, dots and hyphens, as in apache-2.0 or image-classification"
    )
    option: str
    value: str


class PageDataError(UsageError):
    """A page is to take the ranges of its sliders from data, and it has no sliders."""

    code = "HX039"
    summary = "--data gives the ranges of sliders, and {path} has no input that is a row of numbers"
    remedy = "leave --data out: the page has a field for each input"
    path: str


class ClusterNotReachedError(UsageError):
    """Ray does not start here, or does not answer at an address."""

    code = "HX066"
    summary = "Ray cannot be reached at {address!r}: {reason}"
    remedy = "give the word local for this machine, or the HOST:PORT of a cluster that runs"
    address: str
    reason: str


class ClusterFailedError(UsageError):
    """Ray stops a run, for a reason that is not in a file."""

    code = "HX067"
    summary = "Ray at {address!r} stopped the run: {reason}"
    remedy = "see whether its machines have memory and the same paths, and run the command again"
    address: str
    reason: str


class PaidOnClusterError(UsageError):
    """Batches would go to a service from a data library that may run some of them twice."""

    code = "HX068"
    summary = "{device!r} may cost, and Ray runs a batch again after its process was lost"
    remedy = "give files to hybridx.integrations.ray.run, which keeps what was sent and came back"
    device: str


class NotDivisibleError(UsageError):
    """The rows of a model cannot run in several processes."""

    code = "HX069"
    summary = "{path} cannot run in several processes: {problem}"
    remedy = "leave out --ray: one process gives the model all rows of a file"
    path: str
    problem: str


class SeveralFilesError(UsageError):
    """An input names a folder or several files, and the command reads one."""

    code = "HX070"
    summary = "{data} is {kind}, and a run without --ray reads one file"
    remedy = "name one file, or run all of them with Ray: --ray local and a folder as --output"
    data: str
    kind: str


class RequestFormError(UsageError):
    """The body of a request has another form than a server reads."""

    code = "HX051"
    summary = "the request cannot be read: {reason}"
    remedy = 'send the JSON {{"inputs": {{"name of an input": [[0.1, 0.2]]}}}}'
    reason: str


# --- capture -------------------------------------------------------------------------------------


class ExampleRejectedError(CaptureError):
    """The model cannot be called on the example inputs: their shape does not fit."""

    code = "HX101"
    summary = "the model does not run on example inputs of shape {shapes}: {reason}: {place}"
    remedy = "give the shape that the model's forward expects, with --shape or --example"
    shapes: str
    reason: str
    place: str


class ForwardRaisesError(CaptureError):
    """The model's forward raises, for another reason than the shape of its inputs."""

    code = "HX123"
    summary = "the model's forward raises {reason}: {place}"
    remedy = (
        "mend this line, and call the model by itself on inputs of shape {shapes}: hybridx "
        "exports what runs"
    )
    shapes: str
    reason: str
    place: str


class NoQuantumLayerError(CaptureError):
    """A model that is to be accelerated calls no QNode."""

    code = "HX124"
    summary = "the model calls no QNode on the example, so that there is nothing to accelerate"
    remedy = (
        "call accelerate with the module whose forward calls the QNode, and with arguments on "
        "which it does"
    )


class CompiledCallChangedError(CaptureError):
    """A QNode that torch.compile has traced reads or returns other tensors now."""

    code = "HX125"
    summary = "{layer} reads or returns other tensors than when torch.compile traced it"
    remedy = "call torch.compiler.reset(), and then the model again"
    layer: str


class NonFiniteWeightsError(CaptureError):
    """A weight is NaN or infinite."""

    code = "HX102"
    summary = "weight {name!r} holds {count} values that are NaN or infinite"
    remedy = "train again or load another checkpoint; such a model has no meaningful output"
    name: str
    count: int


class UnsupportedOperatorError(CaptureError):
    """A quantum layer uses an operator that has no rule."""

    code = "HX103"
    summary = "quantum layer {layer} uses {operator}, which hybridx cannot express"
    remedy = (
        "write it with operators that the documents list under What is supported, or give it a "
        "decomposition"
    )
    layer: str
    operator: str


class UnsupportedMeasurementError(CaptureError):
    """A quantum layer returns a measurement that has no rule."""

    code = "HX104"
    summary = "quantum layer {layer} returns {measurement}, which hybridx cannot express: {reason}"
    remedy = "return a measurement that the documents list under What is supported"
    layer: str
    measurement: str
    reason: str


class ClosedAxisError(CaptureError):
    """An axis is to have any length, and its length in the example was not given by the user."""

    code = "HX133"
    summary = "axis {axis} cannot have any length: {reason}"
    remedy = "give its length, for example --shape {example}; the file then has this length"
    axis: str
    reason: str
    example: str


class TraceError(CaptureError):
    """torch.export cannot follow the model's Python."""

    code = "HX105"
    summary = "the model cannot be traced: {reason}"
    remedy = "write {place} in another way, with operations of torch on whole tensors"
    reason: str
    place: str


class CheckpointError(CaptureError):
    """A checkpoint cannot be read, or does not belong to the model."""

    code = "HX106"
    summary = "checkpoint {path}: {problem}"
    remedy = "{advice}"
    path: str
    problem: str
    advice: str = "give the checkpoint that was saved from this model"


class UntranslatableError(CaptureError):
    """torch's exporter fails at the classical part as a whole."""

    code = "HX107"
    summary = "torch's ONNX exporter does not write the classical part of this model"
    remedy = "export with --format pt2, which keeps torch's own operators"


class NoTranslationError(CaptureError):
    """torch cannot write an operator of the classical part as ONNX."""

    code = "HX130"
    summary = "torch has no translation of {operator} to ONNX: {place}"
    remedy = (
        "write it with other operators of torch, or export with --format pt2, which keeps torch's"
    )
    operator: str
    place: str


class UnusableFileError(CaptureError):
    """The file that torch makes of an operator cannot be run."""

    code = "HX131"
    summary = "ONNX Runtime does not run {operator} as torch writes it: {place}"
    remedy = (
        "write it with other operators or dtypes, or export with --format pt2, which keeps torch's"
    )
    operator: str
    place: str


class ComplexOperatorError(CaptureError):
    """An operator of complex numbers has no form in real ones, which a file computes with."""

    code = "HX134"
    summary = "{operator} with complex numbers has no form in real ones: {place}"
    remedy = (
        "write it with other functions of complex numbers, which most of torch's are, or give it "
        "a real tensor, such as z.real, z.imag or z.abs()"
    )
    operator: str
    place: str


class UnwrittenMemoryError(CaptureError):
    """The model returns what happened to be in memory."""

    code = "HX132"
    summary = "the results depend on memory that nothing has written, of {operator}: {place}"
    remedy = "use torch.zeros or torch.full there, or write every element before it is read"
    operator: str
    place: str


class NoOutputError(CaptureError):
    """The model returns no tensor."""

    code = "HX108"
    summary = "the model returns no tensor: {returned}"
    remedy = (
        "return tensors or distributions, alone or in lists, tuples, dicts and objects with "
        "attributes"
    )
    returned: str


class UnscriptableError(CaptureError):
    """An operation of the classical part is not in TorchScript."""

    code = "HX109"
    summary = "the classical part cannot be written as TorchScript: {reason}"
    remedy = "replace the operation named above, or export with --format pt2"
    reason: str


class UnlistedOperatorError(CaptureError):
    """An operator is not among those that a file for torch may hold."""

    code = "HX144"
    summary = "a file for torch may not hold {operator}: {place}"
    remedy = "write it with other operators, or export with --format onnx"
    operator: str
    place: str


class RandomnessError(CaptureError):
    """Random numbers decide what the model returns."""

    code = "HX110"
    summary = "the model draws numbers from {source}, so two predictions differ: {place}"
    remedy = "draw once in __init__ and keep the result, or take it as an input"
    source: str
    place: str


class DataBranchError(CaptureError):
    """A Python branch or the length of a loop depends on a data value."""

    code = "HX111"
    summary = (
        "a Python branch or loop depends on a value that depends on the inputs: {place}; {reason}"
    )
    remedy = (
        "use torch.where and loops of a fixed length, because a file runs the same operations for "
        "every input"
    )
    place: str
    reason: str


class FreshModuleError(CaptureError):
    """A module with random weights is created in forward."""

    code = "HX112"
    summary = "forward creates {module} with new random weights in each call: {place}"
    remedy = "create it in __init__, so that its weights can be trained and saved"
    module: str
    place: str


class NoQubitsError(CaptureError):
    """A quantum layer runs on a device whose wires are not qubits."""

    code = "HX113"
    summary = "quantum layer {layer} runs on {device}, whose wires are {kind}"
    remedy = "use a device of qubits, for example default.qubit"
    layer: str
    device: str
    kind: str


class RemovedIdiomError(CaptureError):
    """A model uses what PennyLane has removed."""

    code = "HX114"
    summary = "{idiom} was removed from PennyLane {since}: {reason}"
    remedy = "write {instead}"
    idiom: str
    since: str
    reason: str
    instead: str


class GradientError(CaptureError):
    """Forward takes a derivative that cannot be followed."""

    code = "HX115"
    summary = "forward takes a derivative that cannot be followed: {reason}: {place}"
    remedy = (
        "take it by torch.autograd.grad or torch.func of operations that depend on no decision of "
        "the data, or export the model without it"
    )
    reason: str
    place: str


class UnorderedOutputError(CaptureError):
    """The model returns tensors in a set, whose order is not that of the model's code."""

    code = "HX116"
    summary = "output {name!r} is a set of tensors, which has no order"
    remedy = "return the tensors in a list, a tuple or a dict"
    name: str


class NoNumbersError(CaptureError):
    """A tensor of the model or of the example has a shape and no numbers."""

    code = "HX117"
    summary = "{what} has no numbers: {reason}"
    remedy = "{advice}"
    what: str
    reason: str
    advice: str


class EarlierCallsError(CaptureError):
    """What the model returns depends on the calls before."""

    code = "HX118"
    summary = "the outputs depend on earlier calls, by what the model keeps in {names}: {place}"
    remedy = (
        "take it as an input of forward and return its new value, or set it anew at the start of "
        "each call"
    )
    names: str
    place: str


class PackedSequenceError(CaptureError):
    """Python needs the length of the longest packed sequence."""

    code = "HX119"
    summary = (
        "Python needs the length of the longest packed sequence, and it depends on the inputs: "
        "{place}"
    )
    remedy = (
        "call pad_packed_sequence with total_length=x.shape[1] for packed sequences x (x.shape[0] "
        "without batch_first=True): so many steps are known, and those behind a sequence hold its "
        "padding_value"
    )
    place: str


class BitsOfTextError(CaptureError):
    """Python writes a number of the data as text or asks for its bits."""

    code = "HX120"
    summary = "{function} needs a Python number, and this one depends on the inputs: {place}"
    remedy = "take the bits with shifts, which a file has: (x >> k) & 1 is the bit k of x"
    function: str
    place: str


class ModelRaisesError(CaptureError):
    """The model's own code raises an error when it is traced."""

    code = "HX121"
    summary = "the model's own code raises {error} when it is traced: {place}"
    remedy = (
        "let it accept tensors that have a shape and no numbers: a file computes the same for "
        "every input"
    )
    error: str
    place: str


class WeightsTooLargeError(CaptureError):
    """The weights of a model alone are over the size of a file."""

    code = "HX122"
    summary = "the model's weights take {found} in {dtype}, and a file holds at most {limit}"
    remedy = (
        "export the large classical part by itself with torch.onnx.export(external_data=True), "
        "and with hybridx the rest of the model, which takes its results as inputs"
    )
    found: str
    dtype: str
    limit: str


class LengthFromDataError(CaptureError):
    """A loop runs over a tensor whose length depends on the numbers in the inputs."""

    code = "HX140"
    summary = "a loop runs over what {function} gives, whose length depends on the inputs: {place}"
    remedy = (
        "loop over a range of fixed length and use torch.where, or keep these values in a buffer "
        "of the model"
    )
    function: str
    place: str


class ListIndexError(CaptureError):
    """A list is indexed by a number that depends on the inputs."""

    code = "HX142"
    summary = "a list, or another container of Python, is indexed by a number of the data: {place}"
    remedy = (
        "index a tensor instead, as torch.stack(list(tensors))[number]; of modules, compute all "
        "and pick a result, as torch.stack([module(x) for module in modules])[number]"
    )
    place: str


class DrawError(CaptureError):
    """Numbers are drawn with a seed, but how many or from where depends on the inputs."""

    code = "HX141"
    summary = "{function} draws random numbers as the inputs say, which no file can repeat: {place}"
    remedy = "draw in __init__ as many numbers as are needed, or take them as an input"
    function: str
    place: str


class DroppedAxisError(CaptureError):
    """The rank of an output depends on the length of the batch."""

    code = "HX143"
    summary = (
        "output {name!r} has {found} axes at batch size {batch} and {usual} at others, because the "
        "model drops axes of length 1: a file gives results of one rank"
    )
    remedy = (
        "name the axis that is dropped, as squeeze(-1), or shape the result by the batch, as "
        "reshape(len(x), -1); or fix the batch with batch="
    )
    name: str
    batch: int
    found: int
    usual: int


# --- lowering ------------------------------------------------------------------------------------


class IllFormedCircuitError(LoweringError):
    """A circuit breaks its invariants (docs/circuit.md)."""

    code = "HX201"
    summary = "the circuit is ill-formed: {faults}"
    remedy = "export the model again; if the circuit came from hybridx itself, report it"
    faults: str


class IllFormedProgramError(LoweringError):
    """A tensor program breaks its invariants (docs/program.md)."""

    code = "HX203"
    summary = "the program of a circuit is ill-formed: {faults}"
    remedy = "report it with the circuit, as hybridx inspect shows it; --no-body exports without it"
    faults: str


class CircuitTooLargeError(LoweringError):
    """Simulating a circuit would need more memory than the limit."""

    code = "HX202"
    summary = "a circuit of {wires} wires needs {needed} to simulate, over the limit of {limit}"
    remedy = "give --no-body: the file then runs on devices only"
    wires: int
    needed: str
    limit: str


class LoopFreeTooLargeError(LoweringError):
    """A compiled circuit without a loop over rows would need more memory than the limit."""

    code = "HX204"
    summary = (
        "the compiled circuit of {layer}, {wires} wires, would hold {found} bytes for {rows} rows, "
        "over the limit of {limit} bytes: it has no loop that takes a few rows at a time"
    )
    remedy = "{instead}, or give --limit body_bytes={found}"
    layer: str
    wires: int
    found: int
    rows: int
    limit: int
    instead: str


class NoQasmError(LoweringError):
    """An operation has no form in OpenQASM 3."""

    code = "HX220"
    summary = "{operation} has no form in OpenQASM 3"
    remedy = "take the circuit as text or JSON, from hybridx inspect --json"
    operation: str


# --- artifact ------------------------------------------------------------------------------------


class OutputExistsError(ArtifactError):
    """An output file exists."""

    code = "HX301"
    summary = "{path} exists"
    remedy = "give --overwrite or another name"
    path: str


class NotWritableError(ArtifactError):
    """An output file cannot be written."""

    code = "HX302"
    summary = "{path} cannot be written: {reason}"
    remedy = "give another name, in a folder that you may write to and that has room for it"
    path: str
    reason: str


class FileMissingError(ArtifactError):
    """An input file does not exist or cannot be read."""

    code = "HX303"
    summary = "{path} cannot be read: {reason}"
    remedy = "check the name"
    path: str
    reason: str


class NotAFileError(ArtifactError):
    """Something that is no file is given as one."""

    code = "HX323"
    summary = "{path} is {kind}, and a file is needed"
    remedy = (
        "give the name of a file; only data may come through a pipe, and - is the name of standard "
        "input"
    )
    path: str
    kind: str


class ForeignFileError(ArtifactError):
    """A file is not one that hybridx wrote."""

    code = "HX304"
    summary = "{path} is not a model file of hybridx: {reason}"
    remedy = "give a file that hybridx export wrote"
    path: str
    reason: str


class BrokenArtifactError(ArtifactError):
    """A file breaks the contract of docs/file-format.md."""

    code = "HX305"
    summary = "{path} breaks the file contract: {problem}"
    remedy = "export the model again; the file was changed or damaged"
    path: str
    problem: str


class NewerFormatError(ArtifactError):
    """A file was written by a later format version."""

    code = "HX306"
    summary = "{path} has format version {found}; this hybridx reads up to {known}"
    remedy = "pip install --upgrade hybridx"
    path: str
    found: int
    known: int


class MissingDigestError(ArtifactError):
    """A file of a format whose files have a digest has none."""

    code = "HX320"
    summary = "{path} has format version {found} and lacks the digest that all such files have"
    remedy = "get the file again, or export the model again; its digest was removed"
    path: str
    found: int


class ChangedFileError(ArtifactError):
    """A file is not as hybridx wrote it, and is asked to vouch for itself."""

    code = "HX317"
    summary = "{path} was changed after hybridx wrote it: {parts}"
    remedy = "give --accept-changes if the change was meant, or get the file again"
    path: str
    parts: str


class LostCircuitError(ArtifactError):
    """A circuit of an inlined file is not found in its graph any more."""

    code = "HX330"
    summary = "the quantum layer {layer} is not found again in {path}: {reason}"
    remedy = (
        "run the file without a device, which needs no circuits, or use the file as it was before "
        "another tool changed it"
    )
    path: str
    layer: str
    reason: str


class NoSelfTestError(ArtifactError):
    """A file carries no self-test."""

    code = "HX307"
    summary = "{path} carries no self-test"
    remedy = (
        "export the model again without --no-self-test; `hybridx run {path} -i FILE` runs it on "
        "data of yours"
    )
    path: str


class TooLargeError(ArtifactError):
    """A file or a part of it is over a bound on what is read."""

    code = "HX308"
    summary = "{what} is {found}, over the limit of {limit}"
    remedy = "if you trust where it comes from, give --limit {name}={needed}"
    what: str
    found: str
    limit: str
    name: str
    needed: str


class BeyondReadingError(ArtifactError):
    """A file or a part of it is over what can be read with any limit."""

    code = "HX321"
    summary = "{what} is {found}, over the limit of {limit}, and no higher limit helps"
    remedy = "ask for the file in smaller parts, from whom it comes"
    what: str
    found: str
    limit: str


class NotSignedError(ArtifactError):
    """A signature is asked for, and there is none."""

    code = "HX322"
    summary = "{path} has no signature: {signature} cannot be read: {reason}"
    remedy = (
        "name the signature with --signature, or get it from whoever gave you the file; `hybridx "
        "sign` makes one with a key of yours"
    )
    path: str
    signature: str
    reason: str


class BrokenSignatureError(ArtifactError):
    """A signature file cannot be read as one that a key has made."""

    code = "HX324"
    summary = "{path} is no signature that was made with a key: {problem}"
    remedy = (
        "get the signature again, or make one: hybridx sign and `model_signing sign key` write "
        "such files"
    )
    path: str
    problem: str


class OtherKeyError(ArtifactError):
    """A signature was not made with the key in question."""

    code = "HX325"
    summary = "{signature} was made with another key than that of {key}, or was changed"
    remedy = (
        "do not use the file before you have the public key of whoever signed it, from them and "
        "not from where the file was"
    )
    signature: str
    key: str


class SignatureMismatchError(ArtifactError):
    """A file is not the one that was signed."""

    code = "HX326"
    summary = "{path} is not what was signed with {signature}: {difference}"
    remedy = (
        "get the file and its signature again; after a change of your own, sign it again with "
        "hybridx sign"
    )
    path: str
    signature: str
    difference: str


class TooMuchWorkError(ArtifactError):
    """Running a file takes more time than the limit."""

    code = "HX327"
    summary = "{path} computes for about {seconds} seconds, over the limit of {limit}"
    remedy = (
        "give --isolated --time-limit {needed}, or, if you trust where it comes from, "
        "give --limit run_seconds={needed}"
    )
    path: str
    seconds: str
    limit: str
    needed: str


class TooMuchMemoryError(ArtifactError):
    """Running a file takes more memory than the limit."""

    code = "HX328"
    summary = "{path} computes with about {bytes} bytes at a time, over the limit of {limit}"
    remedy = (
        "give --isolated, which ends it at --memory-limit, or, if you trust where it comes from, "
        "give --limit run_bytes={needed}"
    )
    path: str
    bytes: str
    limit: str
    needed: str


class UnboundedWorkError(ArtifactError):
    """Nobody can say how long a file computes before it does."""

    code = "HX329"
    summary = "{path} may compute for ever: {reason}"
    remedy = (
        "give --isolated --time-limit 60, which ends it after so many seconds, or, if you trust "
        "where it comes from, give --limit run_seconds=100000000, which asks for no estimate"
    )
    path: str
    reason: str


class NoKernelError(ArtifactError):
    """ONNX Runtime has no implementation of an operator of the model in its dtype."""

    code = "HX309"
    summary = "{path} cannot run on this ONNX Runtime: {reason}"
    remedy = "export with --dtype float32, or pip install --upgrade onnxruntime"
    path: str
    reason: str


class IsolatedRunError(ArtifactError):
    """The process of its own in which a file ran has ended without a result."""

    code = "HX316"
    summary = "{path} did not run in a process of its own: {reason}"
    remedy = (
        "this process and its files are as they were; run another file, or, if you trust this one, "
        "give it more with --time-limit or --memory-limit"
    )
    path: str
    reason: str


class NoBodyError(ArtifactError):
    """A file was exported for devices only."""

    code = "HX310"
    summary = "{path} holds circuits without a compiled body: {names}"
    remedy = "run it on a PennyLane device with --device, or export it again without --no-body"
    path: str
    names: str


class NoConversionError(ArtifactError):
    """A file is compiled for torch and does not contain its graph."""

    code = "HX311"
    summary = "{path} is a {format} file, which cannot be converted to another format"
    remedy = "export the model again, or convert an ONNX file or a bundle"
    path: str
    format: str


class NoTorchOperatorError(ArtifactError):
    """An operator of a file has no torch operator in `hybridx.to_torch`."""

    code = "HX312"
    summary = "{path} has the operator {operator}, which to_torch does not translate: {reason}"
    remedy = "run the file as it is, with hybridx.load"
    path: str
    operator: str
    reason: str


class PartialResultsError(ArtifactError):
    """A run would replace the results of an earlier run, which may have cost money."""

    code = "HX313"
    summary = "{path} holds results of an earlier run that did not finish"
    remedy = "give --resume to go on from there, or --overwrite to start over"
    path: str


class ForeignResultsError(ArtifactError):
    """The stored results belong to another run."""

    code = "HX314"
    summary = "{path} holds results of another run: its {what} is {found}, not {expected}"
    remedy = "repeat that run to resume it, or give --overwrite to start over"
    path: str
    what: str
    found: str
    expected: str


class BrokenResultsError(ArtifactError):
    """Results of an earlier run cannot be read."""

    code = "HX315"
    summary = "{path} cannot be read: {problem}"
    remedy = "give --overwrite to start over"
    path: str
    problem: str


class UnansweredError(ArtifactError):
    """A run stopped while a device that may cost money had its circuits."""

    code = "HX318"
    summary = (
        "{path}: the run stopped while device {device!r} had {sent} of it, and may have run them; "
        "their results never came"
    )
    remedy = "give --resume and --resend to send them again; what is kept is not sent again"
    path: str
    device: str
    sent: str


class ResultsInUseError(ArtifactError):
    """Another run keeps its results in the same file."""

    code = "HX319"
    summary = "another run keeps its results in {path} at this moment"
    remedy = "wait until it has ended, or give this run another output"
    path: str


class PageFormatError(ArtifactError):
    """A page is to run a file that is compiled for torch."""

    code = "HX331"
    summary = "{path} is a {format} file, and a page runs ONNX"
    remedy = "export the model again with --format onnx"
    path: str
    format: str


class PageDtypeError(ArtifactError):
    """A page is to run a file with an input or an output that a browser has no numbers for."""

    code = "HX332"
    summary = "{kind} {name!r} of {path} is {dtype}, which a page does not take"
    remedy = "make the page of the file as hybridx exported it, in float32 or float64"
    path: str
    kind: str
    name: str
    dtype: str


class PageOperatorError(ArtifactError):
    """A page is to run a file that another tool has given operators of its own."""

    code = "HX333"
    summary = "{path} has the operator {operator}, which is not of the ONNX standard"
    remedy = "make the page of the file as hybridx exported it"
    path: str
    operator: str


class NotServedError(ArtifactError):
    """A server does not run a file of its kind."""

    code = "HX337"
    summary = "{server} does not run {path}: {reason}"
    remedy = "{advice}"
    server: str
    path: str
    reason: str
    advice: str


class WorkersEndedError(ArtifactError):
    """Each process that ran some rows was ended."""

    code = "HX342"
    summary = "each of {count} workers that ran {rows} of {path} was ended: {reason}"
    remedy = (
        "if memory ran out (SIGKILL), give a smaller --batch-size or fewer --workers; otherwise "
        "run these rows alone, with --isolated if no device runs them"
    )
    count: int
    rows: str
    path: str
    reason: str


class WorkerNotStartedError(ArtifactError):
    """A process that is to run rows ends before it gets any."""

    code = "HX343"
    summary = "a worker for {path} does not start: {reason}"
    remedy = "run without --workers"
    path: str
    reason: str


class NotLockedError(ArtifactError):
    """Several processes are to write to one file where the system locks no files."""

    code = "HX344"
    summary = "files in {folder} cannot be locked, so that processes cannot share results there"
    remedy = "give an output on a disk of this machine, or run without --workers"
    folder: str


class OtherModelError(ArtifactError):
    """A process finds another file under the path of the model than the one that began the run."""

    code = "HX345"
    summary = "{path} is another file here: its hash is {found}, not {expected}"
    remedy = "put the model where all machines see the same file"
    path: str
    found: str
    expected: str


class PieceFailedError(ArtifactError):
    """Rows of a file cannot be run, and with them the whole run ends."""

    code = "HX346"
    summary = "{rows}: {code_of} {said}"
    remedy = "{advice}"
    rows: str
    code_of: str
    said: str
    advice: str


class OtherDataError(ArtifactError):
    """A process finds another data file than the one that was divided into pieces."""

    code = "HX347"
    summary = "{path} has {found:,} bytes here, and had {expected:,} when the run began"
    remedy = "put the data where all machines see the same files, and let nobody change them"
    path: str
    found: int
    expected: int


# --- input ---------------------------------------------------------------------------------------


class InputNamesError(InputError):
    """The names of the arrays are not the names of the model's inputs."""

    code = "HX401"
    summary = "inputs {given} do not match the model's inputs {expected}"
    remedy = (
        "name arrays as the model does; of a table, --columns chooses the columns in the order in "
        "which the model takes them"
    )
    given: str
    expected: str


class InputShapeError(InputError):
    """An array has a shape that the model does not take."""

    code = "HX402"
    summary = "input {name!r} has shape {found}; the model takes {expected}"
    remedy = "reshape the data, or choose columns with --columns"
    name: str
    found: str
    expected: str


class InputDtypeError(InputError):
    """An array has a dtype that cannot be converted without loss of meaning."""

    code = "HX403"
    summary = "input {name!r} has dtype {found}; the model takes {expected}"
    remedy = "convert the data first"
    name: str
    found: str
    expected: str


class TableError(InputError):
    """A data file cannot be read as numbers."""

    code = "HX404"
    summary = "{path}: {problem}"
    remedy = "{advice}"
    path: str
    problem: str
    advice: str


class FixedArgumentError(InputError):
    """A lowered model is called with a constant that differs from the one it was made with."""

    code = "HX405"
    summary = "argument {name!r} is {found}; the model was lowered with {fixed}"
    remedy = "call hybridx.lower again with that value, or give the one it was made with"
    name: str
    found: str
    fixed: str


class UnequalAxesError(InputError):
    """Two inputs differ in the length of an axis that is one and the same for the model."""

    code = "HX406"
    summary = "inputs differ in the length of axis {axis!r}: {lengths}"
    remedy = "give all of them the same length there"
    axis: str
    lengths: str


class InputRangeError(InputError):
    """A number cannot be converted to the dtype of the model; the first row is row 1."""

    code = "HX407"
    summary = "input {name!r} holds {value} in row {row}; the model's {dtype} takes {taken}"
    remedy = "give such numbers, or leave out the row"
    name: str
    value: str
    row: int
    dtype: str
    taken: str


class OutputRowsError(InputError):
    """The output that is scored does not have a row for each row of the data."""

    code = "HX409"
    summary = "the output {output!r} is of shape {shape}, and {rows} rows are to be scored"
    remedy = (
        "export a model whose first output has the batch as its first axis; hybridx run gives the "
        "outputs as they are"
    )
    output: str
    shape: str
    rows: int


class StoppedRunError(InputError):
    """ONNX Runtime stops while it runs a model, mostly because of what it was given."""

    code = "HX408"
    summary = "ONNX Runtime stopped on these inputs, at {place}: {reason}"
    remedy = (
        "give numbers and lengths that the model takes: ids that its embedding has, sequences that "
        "are not too long; the self-test shows that the file itself runs: `hybridx run model.onnx`"
    )
    place: str
    reason: str


class GraphedInputError(InputError):
    """A CUDA graph of a model is called with an input of another kind."""

    code = "HX410"
    summary = "input {name!r} is {found}; the CUDA graph was made for {expected}"
    remedy = "give such a one, call the lowered model itself, or make a graph of another example"
    name: str
    found: str
    expected: str


class GradientOfGraphError(InputError):
    """A CUDA graph of a model is called with an input that requires a gradient."""

    code = "HX411"
    summary = "input {name!r} requires a gradient, and gradients do not pass through a CUDA graph"
    remedy = "call it under torch.no_grad(), or call the lowered model itself"
    name: str


# --- device --------------------------------------------------------------------------------------


class UnknownDeviceError(DeviceError):
    """No device has that name."""

    code = "HX501"
    summary = "no device is called {name!r}; nearest names: {nearest}"
    remedy = "use onnx or a PennyLane device name"
    name: str
    nearest: str


class MissingPluginError(DeviceError):
    """A known device needs a plug-in that is not installed; `source` is what pip is asked for."""

    code = "HX502"
    summary = "device {name!r} needs the plug-in {plugin}, which is not installed"
    remedy = "pip install {source}"
    name: str
    plugin: str
    source: str


class DeviceFailedError(DeviceError):
    """A device could not be opened or did not finish."""

    code = "HX503"
    summary = "device {name!r} failed: {reason}"
    remedy = "check its options and whether its service is up, or choose another with --device"
    name: str
    reason: str


class NoNoiseError(DeviceError):
    """A circuit has a noise channel, and the device cannot run one."""

    code = "HX504"
    summary = "device {name!r} cannot run a circuit with a noise channel: {reason}"
    remedy = "choose --device default.mixed, or onnx"
    name: str
    reason: str


class CompiledInError(DeviceError):
    """A device is asked for, and a file of this format holds its circuits compiled only."""

    code = "HX505"
    summary = "{path} is a {format} file: its circuits cannot run on device {name!r}"
    remedy = "export the model with --format onnx or bundle, which keep the circuits as nodes"
    path: str
    format: str
    name: str


class MissingCredentialsError(DeviceError):
    """A service has no credentials of the user, or accepts none of them."""

    code = "HX506"
    summary = "device {name!r} has no valid credentials: {reason}"
    remedy = "set {place}"
    name: str
    reason: str
    place: str


class MissingOptionError(DeviceError):
    """A device does not open without one of its own options."""

    code = "HX507"
    summary = "device {name!r} does not open without its option {option}"
    remedy = "give --option {option}={example}"
    name: str
    option: str
    example: str


class OverBudgetError(DeviceError):
    """A run would send more to a device than a bound allows."""

    code = "HX508"
    summary = "{count} {unit} would go to device {name!r}, over the limit of {limit}"
    remedy = "raise --max-{unit}, or run fewer rows; this submission was not sent"
    name: str
    count: int
    unit: str
    limit: int


class ProviderFailedError(DeviceError):
    """A provider of ONNX Runtime was asked for by name, and did not start."""

    code = "HX509"
    summary = "provider {provider!r} of ONNX Runtime does not start on this machine"
    remedy = "install what it needs (see hybridx doctor), or give --provider auto"
    provider: str


class ForkedDeviceError(DeviceError):
    """A device is used in a process that was forked after it was opened."""

    code = "HX510"
    summary = "device {name!r} was opened before this process was forked"
    remedy = (
        "start the process with the method spawn or forkserver of multiprocessing, and load the "
        "file in it"
    )
    name: str


class NoShiftError(DeviceError):
    """A device is asked for a derivative that shifted parameters do not give."""

    code = "HX511"
    summary = (
        "{node} is a derivative by an amplitude or an entry of a matrix, which no device computes"
    )
    remedy = "run the file without --device: ONNX Runtime computes it exactly"
    node: str


class QueueFullError(DeviceError):
    """A server has as many requests waiting as it may."""

    code = "HX512"
    summary = "{waiting:,} requests wait already, and no more may"
    remedy = "ask again later; who runs the server can raise its setting `queue`"
    waiting: int


class TooLateError(DeviceError):
    """A request to a server took longer than it may."""

    code = "HX513"
    summary = "no result within {seconds:g} seconds; {sent}"
    remedy = "send fewer rows, or ask again later; who runs the server can raise its `seconds`"
    seconds: float
    sent: str


# --- parity --------------------------------------------------------------------------------------


class MismatchError(ParityError):
    """Two executions of the same model differ."""

    code = "HX601"
    summary = (
        "{left} and {right} differ on output {output!r} at batch {batch}: "
        "worst error {worst:.3g} ({where}), tolerance {tolerance:.3g}"
    )
    remedy = (
        "see that both were made with the same arguments and have the same weights; if the model "
        "magnifies rounding, export it with --dtype float64; set --atol if the difference is "
        "acceptable; hybridx verify --save worst.npz keeps an input that shows it; an export that "
        "ends so writes nothing"
    )
    left: str
    right: str
    output: str
    batch: int
    worst: float
    where: str
    tolerance: float


class LayerMismatchError(ParityError):
    """A quantum layer gives other results in two executions."""

    code = "HX605"
    summary = (
        "{left} and {right} differ first at layer {layer}, number {number} of {layers}: worst "
        "error {worst:.3g} ({where}), tolerance {tolerance:.3g}"
    )
    remedy = "look at the circuit with hybridx inspect; set --atol if the difference is acceptable"
    left: str
    right: str
    layer: str
    number: int
    layers: int
    worst: float
    where: str
    tolerance: float


class OtherSignatureError(ParityError):
    """Two files cannot be compared, because they have other inputs or outputs."""

    code = "HX606"
    summary = "{left} has {what} {mine}, and {right} has {theirs}"
    remedy = "compare files whose inputs have the same names and shapes, and as many outputs"
    left: str
    what: str
    mine: str
    right: str
    theirs: str


class InconsistentResultError(ParityError):
    """A sampled result is farther from the exact value than chance explains."""

    code = "HX603"
    summary = (
        "device {device!r} gives {measured:.4g} for result {result} of {circuit} in row {row} "
        "instead of the exact {exact:.4g}: with {shots} shots a correct device differs this much "
        "with probability {p_value:.2g} (corrected for {tests} results), less than {significance:g}"
    )
    remedy = (
        "the device is noisy or wrong; a smaller --significance demands stronger evidence, and "
        "--device default.qubit with the same shots shows the effect of chance alone"
    )
    device: str
    circuit: str
    result: int
    row: int
    measured: float
    exact: float
    shots: int
    p_value: float
    tests: int
    significance: float


class NoFiniteInputError(ParityError):
    """Neither drawn inputs nor the example give the eager model finite outputs."""

    code = "HX602"
    summary = "the eager model gives NaN or infinite outputs on every drawn input and the example"
    remedy = "give --example with data on which all its outputs are finite"


class NothingComparedError(ParityError):
    """There is no output of two executions that could be compared."""

    code = "HX604"
    summary = "nothing of {left} can be compared with {right}: {reason}"
    remedy = (
        "give the model that the file comes from, and an --example on which it returns numbers; "
        "with --embed-example it is the self-test"
    )
    left: str
    right: str
    reason: str


class BodyMismatchError(ParityError):
    """The compiled body of a circuit computes something else than the circuit."""

    code = "HX607"
    summary = "in {path} the compiled body of {circuit} does not compute its circuit: {problem}"
    remedy = (
        "do not use the file: somebody changed its circuit or its body; export the model again, or "
        "ask who gave you the file for the original"
    )
    path: str
    circuit: str
    problem: str


class UncheckedBodyError(ParityError):
    """Nothing shows whether the compiled body of a circuit computes the circuit."""

    code = "HX608"
    summary = (
        "in {path} it is not checked whether the compiled body of {circuit} computes its circuit: "
        "{reason}"
    )
    remedy = (
        "{instead}; or, if you trust the file, give --accept-unchecked, or --key with the public "
        "key of somebody you trust who has signed it"
    )
    path: str
    circuit: str
    reason: str
    instead: str
