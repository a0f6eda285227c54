"""What errors of vendors' clients mean; each is faked with the name and words of the real one."""

from __future__ import annotations

import pytest

from hybridx.runtime.submission.vendor_errors import CREDENTIALS, TRANSIENT


class Answer:
    def __init__(self, status_code):
        self.status_code = status_code


def named(name, message="", base=Exception):
    """An error of a class that has a vendor's name."""
    return type(name, (base,), {})(message)


def answered(status, message="refused"):
    """As requests raises for an answer of HTTP."""
    error = named("HTTPError", message)
    error.response = Answer(status)
    return error


def of_aws(code, status=400):
    """As botocore raises for an answer of AWS."""
    error = named("ClientError", f"An error occurred ({code}) when calling the GetDevice operation")
    error.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return error


def raised_from(cause, message="wrapped"):
    error = RuntimeError(message)
    error.__cause__ = cause
    return error


def raised_while(context, *, hidden=False):
    error = RuntimeError("the backend ibm_nosuch is not known")
    error.__context__ = context
    error.__suppress_context__ = hidden
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionResetError(), True),
        (raised_from(TimeoutError()), True),
        (answered(429), True),
        (answered(503), True),
        (answered(401), False),
        (of_aws("ThrottlingException"), True),
        (of_aws("ValidationException"), False),
        (of_aws("ValidationException", status=503), True),
        (ValueError("timeout"), False),
        (KeyError(429), False),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_which_errors_may_pass(error, expected):
    assert TRANSIENT.fit(error) is expected


def test_a_chain_of_errors_that_closes_on_itself_ends():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert not TRANSIENT.fit(first)


# Named as the client that raises it, and where its words are known, with them.
ABOUT_CREDENTIALS = {
    "IBM, no account": named("AccountNotFoundError", "Unable to find account."),
    "IBM, a token of the wrong form": named(
        "InvalidAccountError", "Invalid `token` value. Expected a non-empty string, got ''."
    ),
    "IBM, a derived class": type("NewAccountError", (type(named("IBMAccountError")),), {})("?"),
    "IBM, refused": named("IBMNotAuthorizedError", "Login failed"),
    "IBM's cloud, a key that is not known": named(
        "ApiException", "Error: Provided API key could not be found., Status code: 400"
    ),
    "AWS, none": named("NoCredentialsError", "Unable to locate credentials"),
    "AWS, half": named("PartialCredentialsError", "Partial credentials found in env"),
    "AWS, no region": named("NoRegionError", "You must specify a region."),
    "AWS, no profile": named("ProfileNotFound", "The config profile (lab) could not be found"),
    "AWS, expired": of_aws("ExpiredTokenException"),
    "AWS, not known": of_aws("UnrecognizedClientException"),
    "IonQ, none": PermissionError("API key must be provided"),
    "IonQ, refused": raised_from(answered(401, "401 Client Error: Unauthorized for url: …"), "{}"),
    "AQT, none": ValueError("No valid api key for AQT platform found."),
    "Quantum Inspire, none": named("AuthenticationError", "?"),
    "status 403": answered(403),
    "in words": RuntimeError("Invalid authentication token."),
    "in other words": RuntimeError("the access key is not valid"),
    "a login that failed": RuntimeError("Authentication failed"),
    "while another was handled": raised_while(named("AccountNotFoundError")),
}

# What else goes wrong where a service is opened.
ABOUT_ELSE = {
    "IBM, a misspelled backend": named(
        "QiskitBackendNotFoundError", "No backend matches the criteria."
    ),
    "a misspelled fake backend": ValueError(
        "there is no fake backend FakeManila; nearest: FakeManilaV2"
    ),
    "AWS, a misspelled device": of_aws("ResourceNotFoundException", status=404),
    "AWS, a bad ARN": of_aws("ValidationException"),
    "not found": answered(404),
    "busy": answered(503),
    "no network": ConnectionError("no route to the machine"),
    "an unknown option": TypeError("__init__() got an unexpected keyword argument 'api_ky'"),
    "a token of a parser": ValueError("unexpected token 'rx' in line 401"),
    "a number": ValueError("403 wires are too many"),
    "a target": RuntimeError("no such target"),
    "words that stand apart": RuntimeError("no gate U2; see your account for the list"),
    "a backend of an account": RuntimeError("no such backend in your account"),
    "found in an account": RuntimeError("in account lab the backend is not found"),
    "a file that is not readable": PermissionError(13, "Permission denied"),
    "hidden by its raiser": raised_while(named("AccountNotFoundError"), hidden=True),
}


@pytest.mark.parametrize("error", ABOUT_CREDENTIALS.values(), ids=ABOUT_CREDENTIALS)
def test_which_errors_are_about_credentials(error):
    assert CREDENTIALS.fit(error)


@pytest.mark.parametrize("error", ABOUT_ELSE.values(), ids=ABOUT_ELSE)
def test_which_errors_are_not_about_credentials(error):
    assert not CREDENTIALS.fit(error)
