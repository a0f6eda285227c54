"""Where and how a model runs: one record, so that all functions that run a model take the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypedDict

from hybridx.device_table import DeviceName
from hybridx.errors import ConflictingOptionsError, OptionError, OptionNeedsError

ONNX: Final = "onnx"
"""The name that stands for no device: circuits run as their compiled bodies in ONNX Runtime."""

# Editors complete the names; any other name and device objects are taken as well.
_Known: TypeAlias = Literal["onnx"] | DeviceName
Device: TypeAlias = _Known | str | Any
Fallback: TypeAlias = _Known | str

ENGINES: Final = ("split", "custom-op")

PROVIDER_CLASSES: Final[Mapping[str, str]] = {
    "cuda": "CUDAExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "dml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
PROVIDERS: Final = ("auto", *PROVIDER_CLASSES)

_MOST_THREADS: Final = 256
RETRIES: Final = 3
"""How often a submission is repeated, unless it is said."""


TIME_LIMIT: Final = 60.0
"""Seconds that a file in a process of its own may take to load, and for each run."""

MEMORY_LIMIT: Final = 4096
"""Megabytes that a file in a process of its own may use."""


@dataclass(frozen=True)
class Execution:
    """Where and how a model runs.

    Attributes:
        device: `onnx` runs the compiled circuits of the file; otherwise the name of a PennyLane
            device, or a device object, that runs the circuits.
        shots: samples per circuit on that device; None for exact values.
        seed: for a device that samples.
        provider: of ONNX Runtime, for the classical parts.
        engine: how circuits reach a device. `split` runs the parts between the circuits one after
            another, `custom-op` runs the whole model in one session that calls back.
        options: further keyword arguments of the PennyLane device; never credentials.
        fallback: the device that is used if the first one's plug-in or credentials are missing.
        max_circuits: how many circuits a session may send in total.
        max_shots: how many samples a session may ask for in total.
        retries: how often a submission is repeated after an error that may pass.
        threads: of each operator of ONNX Runtime; None for as many as it finds cores.
        dry_run: send nothing, and count what would be sent; results of circuits are zeros.
        isolated: run the file in a process of its own, so that its end is an error of this one.
        time_limit: with `isolated`: seconds that it may take to load, and for each run.
        memory_limit: with `isolated`: megabytes that it may use, where the system can bound them.
        accept_unchecked: send circuits also where nothing shows that their compiled bodies compute
            them. `verify` asks that without a device too.
        accept_changes: take a file that was changed after hybridx wrote it also where it has to
            vouch for itself: on a device, and in `hybridx.verify`.
        key: a file with a public key. The file is run only if it is what the owner of the key has
            signed, and circuits that cannot be checked are sent as with `accept_unchecked`.
        signature: with `key`: the signature file; by default beside the file, `model.onnx.sig`.
    """

    device: Device = ONNX
    shots: int | None = None
    seed: int | None = None
    provider: str = "auto"
    engine: Literal["split", "custom-op"] = "split"
    options: Mapping[str, object] = field(default_factory=dict)
    fallback: Fallback | None = None
    max_circuits: int | None = None
    max_shots: int | None = None
    retries: int = RETRIES
    threads: int | None = None
    dry_run: bool = False
    isolated: bool = False
    time_limit: float | None = None
    memory_limit: int | None = None
    accept_unchecked: bool = False
    accept_changes: bool = False
    key: str | Path | None = None
    signature: str | Path | None = None

    @property
    def takes_unchecked(self) -> bool:
        """Whether somebody vouches for circuits that cannot be checked: the caller or a signer."""
        return self.accept_unchecked or self.key is not None


class Options(TypedDict, total=False):
    """The attributes of an `Execution` as keyword arguments."""

    device: Device
    shots: int | None
    seed: int | None
    provider: str
    engine: Literal["split", "custom-op"]
    options: Mapping[str, object]
    fallback: Fallback | None
    max_circuits: int | None
    max_shots: int | None
    retries: int
    threads: int | None
    dry_run: bool
    isolated: bool
    time_limit: float | None
    memory_limit: int | None
    accept_unchecked: bool
    accept_changes: bool
    key: str | Path | None
    signature: str | Path | None


def is_several(device: Any) -> bool:
    """Return whether an attribute `device` gives several devices, or one with a label."""
    if isinstance(device, str):
        return "=" in device
    return isinstance(device, list | tuple | Mapping)


def check_execution(chosen: Execution) -> None:
    """Refuse values that cannot be meant, and options that would have no effect.

    Raises:
        OptionError: a value is not one that can be chosen.
        OptionNeedsError: an option has no effect without a device, `isolated` or `key`.
        ConflictingOptionsError: `isolated` is given beside a device.
        DeviceError: the fallback is not a device that is installed.
        MissingExtraError: a package that an option needs is not installed.
    """
    _check_threads(chosen.threads)
    for name, number, least in (
        ("shots", chosen.shots, 1),
        ("seed", chosen.seed, 0),
        ("retries", chosen.retries, 0),
        ("max-circuits", chosen.max_circuits, 0),
        ("max-shots", chosen.max_shots, 0),
        ("memory-limit", chosen.memory_limit, 1),
    ):
        if number is not None and not (isinstance(number, int) and number >= least):
            raise OptionError(f"--{name}", str(number), f"a whole number from {least}")
    if is_several(chosen.device):
        given = [chosen.device] if isinstance(chosen.device, str) else chosen.device
        shown = ", ".join(map(str, given)) or "none"
        raise OptionError("--device", shown, "one device; only hybridx run takes several")
    _check_isolated(chosen)
    if chosen.signature is not None and chosen.key is None:
        raise OptionNeedsError("--signature", "--key")
    if chosen.engine not in ENGINES:
        raise OptionError("--engine", str(chosen.engine), ", ".join(ENGINES))
    if chosen.provider not in PROVIDERS:
        raise OptionError("--provider", str(chosen.provider), ", ".join(PROVIDERS))
    if isinstance(chosen.device, str) and chosen.device == ONNX:
        _check_without_device(chosen)
        return
    # Only a device needs to know what is installed, which takes a moment to find out.
    from hybridx.runtime import devices

    if isinstance(chosen.device, str):
        devices.check_options(chosen.device, chosen.options)
    if chosen.fallback is not None:
        devices.check_device_name(chosen.fallback)
    if chosen.engine == "custom-op":
        devices.check_custom_op()


def _check_threads(threads: object) -> None:
    """Refuse a number of threads that no machine has: each of them takes memory, and none is used.

    Raises:
        OptionError: it is no whole number, or a large one.
    """
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= _MOST_THREADS):
        raise OptionError("--threads", str(threads), f"a whole number from 1 to {_MOST_THREADS}")


def _check_isolated(chosen: Execution) -> None:
    seconds = chosen.time_limit
    if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < 1e9):
        raise OptionError("--time-limit", str(seconds), "a number of seconds above 0")
    for option, value in (
        ("--time-limit", chosen.time_limit),
        ("--memory-limit", chosen.memory_limit),
    ):
        if value is not None and not chosen.isolated:
            raise OptionNeedsError(option, "--isolated")
    if chosen.isolated and not (isinstance(chosen.device, str) and chosen.device == ONNX):
        raise ConflictingOptionsError("--isolated", "--device")


def _check_without_device(chosen: Execution) -> None:
    for option, is_given in (
        ("--shots", chosen.shots is not None),
        ("--seed", chosen.seed is not None),
        ("--option", bool(chosen.options)),
        ("--dry-run", chosen.dry_run),
        ("--fallback", chosen.fallback is not None),
        ("--max-circuits", chosen.max_circuits is not None),
        ("--max-shots", chosen.max_shots is not None),
        (f"--retries {chosen.retries}", chosen.retries != RETRIES),
        (f"--engine {chosen.engine}", chosen.engine != "split"),
    ):
        if is_given:
            raise OptionNeedsError(option, "--device with the name of a PennyLane device")
