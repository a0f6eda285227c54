"""What errors of plug-ins and of their vendors' clients mean, by tables of names, codes and words.

No vendor's client is imported: its errors are recognised by the names of their classes, by the
status of an HTTP answer, by a code of AWS, or by their message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Signs:
    """How one kind of error is recognised; one sign is enough.

    Attributes:
        classes: names of classes; an error of a derived class counts too.
        statuses: of an HTTP answer.
        codes: of an answer of AWS.
        words: patterns that are searched in the message, whatever their case.
    """

    classes: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()

    def fit(self, error: BaseException) -> bool:
        """Return whether an error, or one that it was raised from, bears a sign."""
        return any(self._fits(cause) for cause in _chain(error))

    def _fits(self, error: BaseException) -> bool:
        return (
            any(kind.__name__ in self.classes for kind in type(error).__mro__)
            or not self.statuses.isdisjoint(_statuses(error))
            or _aws_code(error) in self.codes
            or any(re.search(words, str(error), re.IGNORECASE) for words in self.words)
        )


TRANSIENT: Final = Signs(
    classes=frozenset(
        {
            "ConnectionError",
            "ConnectionClosedError",
            "ConnectTimeoutError",
            "EndpointConnectionError",
            "IncompleteRead",
            "NetworkError",
            "ProtocolError",
            "ReadTimeoutError",
            "RemoteDisconnected",
            "RequestsApiError",
            "TimeoutError",
            "Timeout",
            "TimeoutException",
            "TransportError",
        }
    ),
    statuses=frozenset({408, 425, 429, 500, 502, 503, 504}),
    codes=frozenset(
        {
            "InternalServiceException",
            "RequestTimeout",
            "ServiceUnavailable",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        }
    ),
)
"""The network failed, or a service is busy: the same submission may pass later."""

# Phrases of a message: "no valid API key", "unable to locate credentials", "API key must be given".
# Between their parts stand few words and known ones, so that "no such backend in your account" is
# not one of them.
_SECRET: Final = (
    r"(accounts?|api[ _-]?keys?|access[ _-]?(keys?|tokens?)|(api|auth\w*|security) tokens?"
    r"|credentials?)"
)
_LACKING: Final = (
    r"(no|missing|invalid|incorrect|wrong|expired|unknown|provide"
    r"|(unable to|cannot|could not) (find|locate|load))"
)
_WORDS: Final = r"( (an?|any|the|your|valid|saved|stored|default|aws|ibm|quantum|cloud)){0,3}"
_LACKED: Final = (
    r"(( (is|are|was|were|has|have|must|could|cannot|be|been|not))* "
    r"(found|provided|given|set|known|valid|required|recogni[sz]ed|missing|invalid|incorrect"
    r"|expired))"
)

CREDENTIALS: Final = Signs(
    classes=frozenset(
        {
            # qiskit-ibm-runtime, and the client of IBM's cloud below it
            "AccountNotFoundError",
            "IBMAccountError",
            "IBMNotAuthorizedError",
            "InvalidAccountError",
            # botocore; without a region it does not know whom to ask with the credentials
            "CredentialRetrievalError",
            "NoAuthTokenError",
            "NoCredentialsError",
            "NoRegionError",
            "PartialCredentialsError",
            "ProfileNotFound",
            "SSOTokenLoadError",
            "TokenRetrievalError",
            "UnauthorizedSSOTokenError",
            # clients of smaller services
            "AuthenticationError",
            "UnauthorizedError",
        }
    ),
    statuses=frozenset({401, 403}),
    codes=frozenset(
        {
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        }
    ),
    words=(
        rf"\b{_LACKING}{_WORDS} {_SECRET}\b",
        rf"\b{_SECRET}{_LACKED}\b",
        r"\b(unauthori[sz]ed|not (authori[sz]ed|authenticated))\b",
        r"\bauthentication (failed|required)\b",
        r"\b(40[13]) (client error|unauthori[sz]ed|forbidden)\b",
    ),
)
"""A service was given no credentials, or none that it accepts."""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from or while handling."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _statuses(error: BaseException) -> set[int]:
    """Return the statuses of HTTP that an error carries, itself or in the answer it keeps."""
    response: Any = getattr(error, "response", None)
    found = [
        getattr(holder, attribute, None)
        for holder in (error, response)
        for attribute in ("status_code", "status", "code")
    ]
    if isinstance(response, Mapping):  # botocore
        found.append(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    return {status for status in found if isinstance(status, int)}


def _aws_code(error: BaseException) -> str | None:
    response: Any = getattr(error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, Mapping) else None
