"""Model files executed: on ONNX Runtime alone, or with the circuits on a PennyLane device."""

from hybridx.runtime.session import Session, open_session

__all__ = ["Session", "open_session"]
