"""Converts the errors of S3 and botocore to sentences. Never quotes their own texts, which may contain secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from botocore import exceptions as botocore
from s3transfer.exceptions import RetriesExceededError

from flow_core.agent.s3.errors import DownloadError, UnsupportedKey

_SETTINGS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_BAD_CREDENTIALS = f"the credentials are not accepted ({{code}}); check {_SETTINGS}"
_FORBIDDEN = "these credentials may not read it ({code})"
_DELETED = "an object of it was deleted meanwhile"
_CHANGED = "an object of it was changed meanwhile"
_BY_CODE = {
    "NoSuchBucket": "there is no such bucket",
    "InvalidObjectState": "an object of it is archived; restore it first",
    "SlowDown": "the server gets too many requests; try again later",
    **dict.fromkeys(("NoSuchKey", "404"), _DELETED),
    **dict.fromkeys(("PreconditionFailed", "412"), _CHANGED),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "401", "Unauthorized"), _FORBIDDEN),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"), _BAD_CREDENTIALS),
    **dict.fromkeys(("TokenRefreshRequired", "AuthorizationHeaderMalformed", "InvalidSecurity"), _BAD_CREDENTIALS),
    "RequestTimeTooSkewed": _BAD_CREDENTIALS,
}
_INCOMPLETE = (botocore.NoCredentialsError, botocore.PartialCredentialsError, botocore.CredentialRetrievalError)
_BY_TYPE = (
    (_INCOMPLETE, f"the credentials are not complete; set {_SETTINGS}"),
    (botocore.ProfileNotFound, "AWS_PROFILE names a profile that is not configured"),
    ((botocore.ConfigParseError, botocore.ConfigNotFound), "the files of your AWS profile can't be read"),
    (botocore.SSLError, "{server} can't prove who it is; check AWS_CA_BUNDLE, and https in AWS_ENDPOINT_URL"),
    (
        (botocore.HTTPClientError, botocore.ConnectionError, RetriesExceededError),
        "{server} does not answer; check the network and AWS_ENDPOINT_URL",
    ),
    (botocore.BotoCoreError, "boto3 gave up ({type})"),
)


@contextmanager
def download_errors(address: str, *, anonymous: bool = False) -> Iterator[None]:
    """Converts every error of S3 and of the disk to a DownloadError about the address."""
    try:
        yield
    except UnsupportedKey as error:
        raise DownloadError(f"{address} can't be fetched: {error}") from error
    except (botocore.BotoCoreError, botocore.ClientError, RetriesExceededError, OSError) as error:
        raise DownloadError(f"{address} can't be fetched: {_describe_error(error, anonymous)}") from error


def _describe_error(error: Exception, anonymous: bool) -> str:
    if isinstance(error, botocore.ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))[:60]
        sentence = _BY_CODE.get(code, "the server refused ({code!r})")
        if sentence == _FORBIDDEN and anonymous:
            sentence = f"there are no credentials, and it may not be read without; set {_SETTINGS}"
        return sentence.format(code=code)
    for types, sentence in _BY_TYPE:
        if isinstance(error, types):
            return sentence.format(server=_describe_server(error), type=type(error).__name__)
    return f"it can't be written here: {getattr(error, 'strerror', None) or type(error).__name__}"


def _describe_server(error: Exception) -> str:
    """Returns only the host and port of the server; the rest of an endpoint's URL may contain a password."""
    parts = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", "")))
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"the server {parts.hostname}{port}" if parts.hostname else "the server"
