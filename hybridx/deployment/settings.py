"""What is fixed by who runs a server, from its settings file, its environment or a call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, get_type_hints

import msgspec

from hybridx.errors import ServerSettingError, first_line
from hybridx.runtime import ONNX, Execution, Options

PREFIX: Final = "HYBRIDX_SERVE_"
"""Environment variables with this prefix are settings: `HYBRIDX_SERVE_MAX_SHOTS=5000`."""

MODEL: Final = f"{PREFIX}MODEL"
"""The environment variable that names the model file."""

_MOST = 1_000_000
_MOST_WORKERS = 256


@dataclass(frozen=True)
class Settings:
    """Where and how a served file runs; no request can change it.

    Attributes:
        device: `onnx` for the compiled circuits, or the name of a PennyLane device.
        shots: samples of each circuit on the device; None for exact values.
        seed: of the device.
        options: further options of the device; never credentials.
        fallback: the device to use if the plug-in of the first one is missing.
        max_circuits: how many circuits may be sent before the server answers no more requests. The
            self-test at its start counts.
        max_shots: how many samples may be asked for, likewise.
        retries: how often a submission is repeated after an error that may pass.
        provider: of ONNX Runtime.
        threads: of each operator of ONNX Runtime; None for as many as it finds cores.
        isolated: run the file in a process of its own.
        accept_unchecked: send circuits that nothing shows to be those of the file.
        accept_changes: take a file that was changed after hybridx wrote it.
        key: a public key with which the file must be signed.
        signature: the signature file, if it does not lie beside the model.
        queue: how many requests may wait while others run; one more is refused.
        seconds: how long a request may wait and run.
        rows: the most rows of a request.
        workers: how many requests run at a time without a device; None for one for each core. A
            device has one at a time.
    """

    device: str = ONNX
    shots: int | None = None
    seed: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    fallback: str | None = None
    max_circuits: int | None = None
    max_shots: int | None = None
    retries: int = 3
    provider: str = "auto"
    threads: int | None = None
    isolated: bool = False
    accept_unchecked: bool = False
    accept_changes: bool = False
    key: str | None = None
    signature: str | None = None
    queue: int = 128
    seconds: float = 60.0
    rows: int = 100_000
    workers: int | None = None

    def __post_init__(self) -> None:
        for text_name in ("device", "fallback", "provider", "key", "signature"):
            text = getattr(self, text_name)
            if text is not None and not text.isprintable():
                raise ServerSettingError(text_name, repr(text), "a text of one line")
        for name, value, least, most in (
            ("queue", self.queue, 0, _MOST),
            ("rows", self.rows, 1, None),
            ("workers", self.workers, 1, _MOST_WORKERS),
        ):
            if value is not None and (value < least or (most is not None and value > most)):
                upper = "" if most is None else f" to {most:,}"
                raise ServerSettingError(name, str(value), f"a whole number from {least}{upper}")
        if not 0 < self.seconds < _MOST:
            raise ServerSettingError("seconds", str(self.seconds), "a number of seconds above 0")

    @property
    def execution(self) -> Options:
        """How the session of the file runs."""
        known = {one.name for one in fields(Execution)}
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        execution: Options = {name: one for name, one in given.items() if name in known}  # type: ignore[assignment]
        return execution

    def given(self) -> dict[str, Any]:
        """Return what differs from the defaults, as a settings file says it."""
        plain = Settings()
        named = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: one for name, one in named.items() if one != getattr(plain, name)}


def settings_of(said: Mapping[str, Any]) -> Settings:
    """Return the settings that a settings file says.

    Args:
        said: values of JSON by the names of settings.

    Raises:
        ServerSettingError: a name is unknown, or a value is not of its kind.
    """
    known = [one.name for one in fields(Settings)]
    types = get_type_hints(Settings)
    read = {}
    for name, value in said.items():
        if name not in known:
            raise ServerSettingError(name, repr(value), f"one of the settings {', '.join(known)}")
        try:
            read[name] = msgspec.convert(value, types[name])
        except msgspec.ValidationError as error:
            wanted = f"what it takes: {first_line(error)}"
            raise ServerSettingError(name, repr(value), wanted) from error
    return Settings(**read)


def settings_from(variables: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that environment variables say, such as `HYBRIDX_SERVE_SHOTS=1000`.

    Args:
        variables: of the process. A value is a text where the setting is one, else JSON.

    Raises:
        ServerSettingError: a variable with the prefix is no setting, or has a wrong value.
    """
    types = get_type_hints(Settings)
    said: dict[str, Any] = {}
    for variable, text in variables.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or variable == MODEL:
            continue
        is_text = types.get(name) in (str, str | None)
        try:
            said[name] = text if is_text else msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            raise ServerSettingError(name, repr(text), "a value of JSON") from None
    return settings_of(said)
