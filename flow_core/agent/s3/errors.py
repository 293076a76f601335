"""What S3 and botocore say, as sentences for a task's message. Never their own text, which may name what is secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from botocore import exceptions as said
from s3transfer.exceptions import RetriesExceededError

from flow_core.agent.s3.report import FetchError, Unfit

_REFUSALS = {
    "NoSuchBucket": "there is no such bucket",
    "NoSuchKey": "an object of it was deleted meanwhile",
    "404": "an object of it was deleted meanwhile",
    "PreconditionFailed": "an object of it was changed meanwhile",
    "412": "an object of it was changed meanwhile",
    "InvalidObjectState": "an object of it is archived; restore it first",
    "SlowDown": "the server is asked too much; try again later",
}
_FORBIDDEN = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "401", "Unauthorized"})
_UNKNOWN_CALLER = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired"}
    | {"AuthorizationHeaderMalformed", "InvalidSecurity", "RequestTimeTooSkewed"}
)
_CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"


@contextmanager
def explained(address: str, *, anonymous: bool = False) -> Iterator[None]:
    """What the library says in this block, or the disk does, becomes a FetchError about the address."""
    try:
        yield
    except Unfit as error:
        raise FetchError(f"{address} can't be fetched: {error}") from error
    except (said.BotoCoreError, said.ClientError, RetriesExceededError, OSError) as error:
        raise FetchError(f"{address} can't be fetched: {_sentence(error, anonymous)}") from error


def _sentence(error: Exception, anonymous: bool) -> str:
    if isinstance(error, said.ClientError):
        return _refusal(error, anonymous)
    if isinstance(error, (said.NoCredentialsError, said.PartialCredentialsError, said.CredentialRetrievalError)):
        return f"the credentials are not complete; set {_CREDENTIALS}"
    if isinstance(error, said.ProfileNotFound):
        return "AWS_PROFILE names a profile that is not configured"
    if isinstance(error, (said.ConfigParseError, said.ConfigNotFound)):
        return "the files of your AWS profile can't be read"
    if isinstance(error, said.SSLError):
        return f"{_server(error)} can't prove who it is; check AWS_CA_BUNDLE, and https in AWS_ENDPOINT_URL"
    if isinstance(error, (said.HTTPClientError, said.ConnectionError, RetriesExceededError)):
        return f"{_server(error)} does not answer; check the network and AWS_ENDPOINT_URL"
    if isinstance(error, said.BotoCoreError):
        return f"boto3 gave up ({type(error).__name__})"
    return f"it can't be written here: {getattr(error, 'strerror', None) or type(error).__name__}"


def _refusal(error: said.ClientError, anonymous: bool) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))[:60]
    if code in _UNKNOWN_CALLER:
        return f"the credentials are not accepted ({code}); check {_CREDENTIALS}"
    if code in _FORBIDDEN and anonymous:
        return f"there are no credentials, and it may not be read without; set {_CREDENTIALS}"
    if code in _FORBIDDEN:
        return f"these credentials may not read it ({code})"
    return _REFUSALS.get(code, f"the server refused ({code!r})")


def _server(error: Exception) -> str:
    """The host alone: the rest of an endpoint's address may hold a password."""
    kwargs = getattr(error, "kwargs", {})
    parts = urlsplit(str(kwargs.get("endpoint_url", "")))
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"the server {parts.hostname}{port}" if parts.hostname else "the server"
