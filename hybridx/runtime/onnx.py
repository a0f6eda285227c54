"""Sessions of ONNX Runtime: all are started here, with the same options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from hybridx.errors import (
    BrokenArtifactError,
    NoKernelError,
    OptionError,
    ProviderFailedError,
    StoppedRunError,
)
from hybridx.runtime import onnxruntime_internals as internals
from hybridx.runtime.execution import PROVIDER_CLASSES
from hybridx.runtime.sharing.forks import loading, owns_threads

# Providers that compile the model first, or change its precision, are used only by name.
_AUTO = ("cuda", "rocm", "migraphx", "dml", "coreml", "cpu")


def available_providers() -> tuple[str, ...]:
    """Return the short names of the providers that this ONNX Runtime was built with."""
    available = onnxruntime.get_available_providers()
    return tuple(short for short, long in PROVIDER_CLASSES.items() if long in available)


def provider_of(session: onnxruntime.InferenceSession) -> str:
    """Return the short name of the first provider of a session."""
    first = session.get_providers()[0]
    return next((short for short, long in PROVIDER_CLASSES.items() if long == first), str(first))


def start(
    content: bytes,
    path: str,
    provider: str = "auto",
    *,
    library: str | None = None,
    beside: Path | None = None,
    threads: int | None = None,
) -> onnxruntime.InferenceSession:
    """Return a session on the bytes of an ONNX model.

    Args:
        content: the model.
        path: for messages.
        provider: one of `PROVIDERS`; `auto` uses the best one that is there.
        library: path of a library with custom operators that the model calls.
        beside: the folder in which weights of the model lie that it does not hold itself.
        threads: of each operator; None for as many as there are cores.

    Raises:
        OptionError: the provider is not in this build of ONNX Runtime.
        ProviderFailedError: the provider does not start.
        NoKernelError: ONNX Runtime has no implementation of an operator.
        BrokenArtifactError: ONNX Runtime refuses the model for another reason.
    """
    wanted = _providers(provider)
    options = _options(library, beside, threads, is_quiet=provider == "auto")
    try:
        session = _session(content, path, wanted, options)
    except BrokenArtifactError:
        # The errors of a provider and of a model are alike. If the CPU takes the model, it was the
        # provider that failed.
        if wanted == [PROVIDER_CLASSES["cpu"]]:
            raise
        options = _options(library, beside, threads, is_quiet=True)
        session = _session(content, path, [PROVIDER_CLASSES["cpu"]], options)
    # ONNX Runtime replaces a provider whose libraries are missing by the CPU, without an error.
    if provider not in ("auto", provider_of(session)):
        raise ProviderFailedError(provider)
    return session


def _options(
    library: str | None, beside: Path | None, threads: int | None, *, is_quiet: bool
) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4 if is_quiet else 3
    if library is not None:
        options.register_custom_ops_library(library)
    if beside is not None:
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(beside)
        )
    if threads is not None:
        options.intra_op_num_threads = threads
    return options


def _session(
    content: bytes, path: str, providers: list[str], options: onnxruntime.SessionOptions
) -> onnxruntime.InferenceSession:
    try:
        with loading():
            session = internals.new_session(content, options, providers)
    except Exception as error:
        if internals.lacks_kernel(error):
            raise NoKernelError(path, str(error)) from error
        if internals.refuses_model(error):
            raise BrokenArtifactError(path, f"ONNX Runtime refuses it: {error}") from error
        raise
    owns_threads(session)
    return session


_NO_OTHERS = "; the installed ONNX Runtime has no others"


def _providers(provider: str) -> list[str]:
    there = available_providers()
    if provider == "auto":
        return [PROVIDER_CLASSES[short] for short in _AUTO if short in there]
    if provider not in there:
        raise OptionError("--provider", provider, ", ".join(["auto", *there]) + _NO_OTHERS)
    return list(dict.fromkeys([PROVIDER_CLASSES[provider], PROVIDER_CLASSES["cpu"]]))


def run(
    session: onnxruntime.InferenceSession, outputs: Sequence[str], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Run a session and return its outputs by name.

    Raises:
        StoppedRunError: ONNX Runtime stopped; the reason is in its own words.
    """
    try:
        return dict(zip(outputs, session.run(list(outputs), dict(inputs)), strict=True))
    except Exception as error:
        if internals.stopped(error):
            raise StoppedRunError(*internals.where_stopped(error)) from error
        raise
