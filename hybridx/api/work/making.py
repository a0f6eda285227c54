"""Make a model file in memory: capture, compile, emit, compare."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

from hybridx.api.formats import FileOptions, Format
from hybridx.api.progress import Stages
from hybridx.api.work.building import (
    Draft,
    describe_inputs,
    describe_outputs,
    draft_onnx,
    draft_pt2,
    draft_torchscript,
    plan_circuits,
)
from hybridx.api.work.comparing import build_and_compare
from hybridx.artifact import (
    Content,
    Metadata,
    Said,
    Signature,
    Verification,
    decode_artifact,
    record,
)
from hybridx.bounds import FILE_BYTES, RUN_SECONDS, limits
from hybridx.circuit import Circuit
from hybridx.errors import (
    BrokenArtifactError,
    CaptureError,
    NoKernelError,
    StoppedRunError,
    UnusableFileError,
)
from hybridx.lowering import Choice
from hybridx.runtime import Session, start_session
from hybridx.storage import Array
from hybridx.version import __version__

if TYPE_CHECKING:
    from torch import nn

    from hybridx.capture import Capture, Example, OpenAxes


_NOTHING = Said()


@dataclass(frozen=True, eq=False)
class Made:
    """A model file that is not written yet.

    Attributes:
        content: of the file.
        dtype: of the model.
        is_dynamic: True if an axis of an input may have any length.
        choices: how its circuits are computed.
        verification: what was compared with the eager model, or None if nothing was.
        notes: what the user should know.
    """

    content: Content
    dtype: str
    is_dynamic: bool
    choices: Mapping[Circuit, Choice]
    verification: Verification | None
    notes: tuple[str, ...]


def make_file(
    model: nn.Module | Callable[..., Any],
    args: Any,
    kwargs: Mapping[str, Any],
    target: Format,
    options: FileOptions,
    *,
    open_axes: OpenAxes,
    is_drawn: bool = False,
    said: Said = _NOTHING,
    stages: Stages | None = None,
) -> Made:
    """Return the file that `export` writes; the arguments and errors are those of `export`."""
    from hybridx import capture

    told = Stages() if stages is None else stages
    model, remarks = capture.read_model(model)
    args = capture.narrowed(model, capture.read_arguments(args), options.dtype)
    kwargs = capture.narrowed(model, dict(kwargs), options.dtype)
    call, tensors = capture.describe_call(model, args, kwargs)
    if said.input_names:
        own_names = call.names
        said.check_names(own_names, said.output_names)
        call = call.renamed(said.input_names)
        tensors = dict(zip(call.names, tensors.values(), strict=True))
        open_axes = open_axes.renamed(dict(zip(own_names, call.names, strict=True)))
    chosen = options.dtype or capture.choose_dtype(model, tensors.values())
    capture.check_weight_size(model, dtype=chosen, limit=FILE_BYTES.limit)
    flat = capture.Flat(model, call, chosen, said.output_names)
    training = capture.training_note(model)
    choices: dict[Circuit, Choice] = {}

    def build(captured: Capture, example: Example) -> Draft:
        said.check_names(captured.input_names, captured.output_names)
        said.check_table(describe_inputs(captured, example), describe_outputs(captured))
        if options.body:
            plan_circuits(captured, options.strategy, options.machine, choices)
        match target:
            case "onnx" | "bundle":
                return draft_onnx(
                    captured,
                    example,
                    choices,
                    dtype=chosen,
                    opset=options.opset,
                    bundled=target == "bundle",
                    inlined=options.inline,
                )
            case "torchscript":
                returned = flat.answer_to(example.tensors)
                return draft_torchscript(captured, example, choices, returned, dtype=chosen)
            case "pt2":
                returned = flat.answer_to(example.tensors)
                return draft_pt2(
                    captured, example, choices, returned, dtype=chosen, aot=options.aot
                )
            case _:
                assert_never(target)

    with (
        capture.one_thread(),
        capture.as_exported(model, chosen),
    ):
        try:
            with told("rehearse") as tell:
                example = capture.prepare_example(
                    flat, tensors, dtype=chosen, open_axes=open_axes, rehearses=options.body
                )
                tell(f"{chosen}; {_open_axes(example)}")
        except CaptureError as error:
            capture.check_arguments(model, args, kwargs, tensors, error)
            raise
        built = build_and_compare(
            flat,
            example,
            build,
            partial(_start, dtype=chosen),
            dtype=chosen,
            atol=options.atol,
            verify=options.verify,
            runs=options.body,
            embed=options.embed_example,
            stages=told,
        )
    verification = test = None
    is_drawable = built.typical is None or built.typical.distribution is not None
    is_own = not (is_drawable or options.embed_example)
    if built.typical is not None and options.self_test and not is_own:
        test = record(built.typical.inputs, built.typical.outputs, built.tolerance)
    if built.comparison is not None:
        compared = built.comparison
        verification = Verification(built.tolerance, compared.batches, compared.worst)
    content = built.product.written(
        Metadata(
            version=__version__,
            verification=verification,
            self_test=test,
            columns=said.columns,
            classes=said.classes,
            assumed=built.captured.assumed,
            call=None if call.is_plain else call.encode(),
            weights=said.weights,
            machine=options.machine,
            own=said.metadata,
        )
    )
    notes = remarks + built.notes
    if call.complex_names:
        names = ", ".join(call.complex_names)
        notes += (f"complex {names}: real and imaginary part are a last axis of 2",)
    if flat.is_raised:
        notes += (f"bfloat16 and half precision of the model are {chosen} in the file",)
    if training is not None:
        notes += (training,)
    if options.dtype is None and chosen == "float64":
        notes += ("the file is float64, as the model and its example are",)
    if not options.body:
        notes += ("the circuits have no body: the file runs on devices only",)
    is_whole = any(not tensor.is_floating_point() for tensor in tensors.values())
    if is_own:
        notes += (
            "the model refuses drawn inputs, or is not finite on them: rows of the example are "
            "compared, and the file carries no self-test; embed_example makes one of these rows",
        )
    elif is_whole and test is not None and not (options.embed_example or is_drawn):
        notes += ("the self-test holds the example's integer inputs: their range is not known",)
    return Made(content, chosen, built.captured.is_dynamic, choices, verification, notes)


def _open_axes(example: Example) -> str:
    """Return which axes of the inputs may have any length, in a few words."""
    found = [
        f"axis {axis} of {name} is {called}"
        for name, axes in example.axes.items()
        for axis, called in axes.items()
    ]
    return ", ".join(found) or "all shapes are fixed"


def _start(draft: Draft, *_: object, dtype: str) -> NewFile:
    """Start a session of a new file.

    Raises:
        UnusableFileError: what torch made of an operator does not fit together, or is missing.
        NoKernelError: ONNX Runtime has no implementation of an operator for float64.
    """
    try:
        content = draft.written(Metadata(__version__))
        # It is the user's own model, however long it computes.
        with limits(run_seconds=RUN_SECONDS.most):
            session = start_session(decode_artifact(content, "the new file"))
    except BrokenArtifactError as error:
        raise _unusable(draft, error.problem) from error
    except NoKernelError as error:
        if dtype == "float64":
            raise
        raise _unusable(draft, error.reason) from error
    return NewFile(session, draft)


@dataclass(frozen=True)
class NewFile:
    """A session of a file that has yet to prove itself."""

    session: Session
    draft: Draft

    @property
    def inputs(self) -> tuple[Signature, ...]:
        """Names, dtypes and shapes."""
        return self.session.inputs

    @property
    def device(self) -> str:
        """What runs the circuits."""
        return self.session.device

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name.

        Raises:
            UnusableFileError: ONNX Runtime stops at a node.
        """
        try:
            return self.session.run(inputs)
        except StoppedRunError as error:
            if not self.draft.origins:
                raise
            raise _unusable(self.draft, f"{error.place} {error.reason}") from error


def _unusable(draft: Draft, text: str) -> UnusableFileError:
    """Return the error for what ONNX Runtime says of a new file, which names a node."""
    named = [name for name in re.findall(r"\w+", text) if name in draft.origins]
    unnamed = ("an operator of this model", "a place ONNX Runtime does not name")
    return UnusableFileError(*(draft.origins[named[0]] if named else unnamed))
