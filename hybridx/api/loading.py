"""A model file opened for use."""

from __future__ import annotations

from pathlib import Path

from hybridx.runtime import ONNX, Session, open_session


def load(
    path: str | Path,
    *,
    device: str = ONNX,
    shots: int | None = None,
    seed: int | None = None,
    provider: str = "auto",
) -> Session:
    """Load a model file; `session.run({name: array})` gives `{name: array}`.

    Args:
        path: a file that hybridx wrote.
        device: `onnx`, or the name of a PennyLane device for the circuits.
        shots: samples per circuit on that device; None for exact values.
        seed: for a device that samples.
        provider: of ONNX Runtime, for the classical parts.

    Raises:
        ArtifactError: the file cannot be read or breaks its contract.
        DeviceError: there is no such device.
    """
    return open_session(Path(path), device=device, shots=shots, seed=seed, provider=provider)
