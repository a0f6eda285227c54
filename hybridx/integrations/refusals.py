"""What a client of a server is told of an error: a kind, which each protocol has, and a sentence.

Sentences for clients name inputs, shapes and numbers of their request. They hold no path, no
message of a device and nothing of the machine; these go to the log of the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hybridx.errors import (
    HybridxError,
    InputError,
    NotReadyError,
    OverBudgetError,
    QueueFullError,
    RequestFormError,
    RequestTooLargeError,
    StoppedRunError,
    TooLateError,
)

Kind: TypeAlias = Literal["invalid", "busy", "spent", "unready", "late", "failed"]

# By kind: the status of HTTP and the code of gRPC.
PROTOCOLS: Final[dict[Kind, tuple[int, str]]] = {
    "invalid": (400, "INVALID_ARGUMENT"),
    "busy": (429, "RESOURCE_EXHAUSTED"),
    "spent": (429, "RESOURCE_EXHAUSTED"),
    "unready": (503, "UNAVAILABLE"),
    "late": (504, "DEADLINE_EXCEEDED"),
    "failed": (500, "INTERNAL"),
}


@dataclass(frozen=True)
class Refusal:
    """What a client is told of an error.

    Attributes:
        kind: what is wrong: the request (`invalid`), too many of them (`busy`), a bound on what the
            device is sent (`spent`), a server that starts or ends (`unready`), the time limit
            (`late`), or something that only the log tells (`failed`).
        text: for the client, without a path or a secret.
    """

    kind: Kind
    text: str

    @property
    def http(self) -> int:
        """The status of HTTP."""
        return PROTOCOLS[self.kind][0]

    @property
    def grpc(self) -> str:
        """The name of the code of gRPC."""
        return PROTOCOLS[self.kind][1]


def refusal_of(error: BaseException) -> Refusal:
    """Return what a client is told of an error.

    Args:
        error: that `Served.predict` raised, or any other.
    """
    match error:
        case StoppedRunError():
            return Refusal("invalid", f"{error.code} the model stopped on these inputs")
        case InputError() | RequestFormError() | RequestTooLargeError():
            return Refusal("invalid", f"{error.code} {error.message}")
        case QueueFullError():
            return Refusal("busy", f"{error.code} {error.message}")
        case OverBudgetError():
            return Refusal("spent", f"{error.code} the request exceeds what this server may send")
        case NotReadyError():
            return Refusal("unready", f"{error.code} {error.message}")
        case TooLateError():
            return Refusal("late", f"{error.code} {error.message}")
        case HybridxError():
            return Refusal("failed", f"{error.code} the request failed; the server's log says why")
        case _:
            return Refusal("failed", "the request failed; the server's log says why")
