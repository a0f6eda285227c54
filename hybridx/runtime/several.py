"""Several devices for one run: what each of them is called, is given and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

from hybridx.errors import (
    ConflictingOptionsError,
    OptionError,
    OptionNeedsError,
    RepeatedOptionError,
)
from hybridx.runtime.devices import device_name
from hybridx.runtime.execution import ONNX, Options

_PER_SHOT = "/shot"


@dataclass(frozen=True)
class Price:
    """What a device costs, in a unit of the caller's.

    Attributes:
        circuit: of each circuit.
        shot: of each shot.
    """

    circuit: float = 1.0
    shot: float = 0.0


@dataclass(frozen=True)
class OneDevice:
    """One of several devices.

    Attributes:
        label: what it is called.
        execution: how a session uses it.
        price: what it costs; one for each circuit if nothing is said.
    """

    label: str
    execution: Options
    price: Price


def devices_apart(execution: Options, prices: Mapping[str, float | str]) -> tuple[OneDevice, ...]:
    """Return the devices of a run, each with what it is given.

    Args:
        execution: the device is a sequence of names or objects, or a mapping of labels to them. A
            name may have its label in front, `fez=qiskit.remote`. An option `fez:backend` belongs
            to the device with this label, and `fez:shots` is its number of samples.
        prices: by label: of each circuit, or `0.01/shot`.

    Raises:
        RepeatedOptionError: two devices have one label.
        OptionError: one of them is `onnx`, or a price is none.
        OptionNeedsError: an option or a price is for a label that no device has, or a device has no
            price and others have.
        ConflictingOptionsError: a fallback is given.
    """
    given = execution["device"]
    devices = [*given.items()] if isinstance(given, Mapping) else [*map(_labelled, _listed(given))]
    labels = [label for label, _ in devices]
    for label, device in devices:
        if labels.count(label) > 1:
            raise RepeatedOptionError(f"the label {label} of --device")
        if isinstance(device, str) and device == ONNX:
            raise OptionError("--device", ONNX, "PennyLane devices, where there are several")
    if execution.get("fallback") is not None:
        raise ConflictingOptionsError("--fallback", "several devices")
    unknown = [name for name in prices if name not in labels]
    if unknown:
        raise OptionNeedsError(f"--price {unknown[0]}=…", f"--device {unknown[0]}=NAME")
    missing = [label for label in labels if prices and label not in prices]
    if missing:
        raise OptionNeedsError("--price", f"a price of {missing[0]} too")
    own: dict[str, dict[str, object]] = {label: {} for label in labels}
    shared: dict[str, object] = {}
    for key, value in (execution.get("options") or {}).items():
        label, colon, name = key.rpartition(":")
        if colon and label not in own:
            raise OptionNeedsError(f"--option {key}", f"--device {label}=NAME")
        (own[label] if colon else shared)[name] = value
    return tuple(
        OneDevice(
            label,
            _execution(execution, device, shared, own[label]),
            _price(label, prices[label]) if prices else Price(),
        )
        for label, device in devices
    )


def _listed(device: Any) -> tuple[Any, ...]:
    return tuple(device) if isinstance(device, list | tuple) else (device,)


def _labelled(device: Any) -> tuple[str, Any]:
    if not isinstance(device, str):
        return device_name(device), device
    label, _, name = device.rpartition("=")
    return label or name, name


def _execution(
    execution: Options, device: Any, shared: dict[str, object], own: dict[str, object]
) -> Options:
    shots = own.pop("shots", execution.get("shots"))
    given = {"device": device, "options": shared | own, "shots": shots}
    return cast("Options", {**execution, **given})


def _price(label: str, given: float | str) -> Price:
    text = str(given)
    is_per_shot = text.endswith(_PER_SHOT)
    try:
        number = float(text.removesuffix(_PER_SHOT))
    except ValueError:
        number = -1.0
    if not (isfinite(number) and number >= 0):
        raise OptionError(
            "--price", f"{label}={text}", f"{label}=0.3 of a circuit, or {label}=0.001{_PER_SHOT}"
        )
    return Price(0.0, number) if is_per_shot else Price(number)
