"""The errors of flow, as sentences that the user can act on.

FlowError
├── ConfigError            a config file, a task file, an argument: names the file, line and field
├── Unsupported            this provider has no such facet
├── ReadOnly               the gate is closed; nothing was changed
├── TaskTimeout            a wait for a task timed out; the task continues. A TimeoutError of Python too
└── ProviderError          the remote side refused, or did not respond
    ├── AuthError          the credentials are wrong, or don't allow this
    │   ├── HostKeyUnknown a host's key that you have not accepted yet
    │   └── HostKeyChanged a host's key that is not the one it had, or that was revoked
    ├── NotFound           no such task, volume, instance
    ├── Conflict           it exists, is in use, or is in the wrong state
    ├── CapacityError      nothing free, now or ever
    └── Unreachable        no response; the only error after which you may retry
"""

from __future__ import annotations

import re

_SHOWN = 200
_LONG_WORD = re.compile(r"\S{401,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Returns a foreign name or path for a sentence: without control characters, its middle cut if it is long."""
    short = text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}…{text[-_SHOWN // 2 :]}"
    return short if short.isprintable() else repr(short)


class FlowError(Exception):
    """Base of every error that flow_core raises on purpose; its text is one sentence for the user.

    A message may quote a file or an answer: control characters are escaped and a very long word is cut in its middle.
    `field` names the wrong argument, setting or field of a task. For a response of a provider's API, `status` is the
    HTTP status, `request_id` the API's id of the request, and `retry_after_s` the requested pause. Each is None if it
    is unknown.
    """

    def __init__(
        self,
        message: str = "",
        *,
        field: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.message = message
        self.field = field
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        escaped = _CONTROL.sub(lambda found: repr(found[0])[1:-1], self._located())
        super().__init__(_LONG_WORD.sub(lambda found: printable(found[0]), escaped))

    @property
    def reason(self) -> str:
        """The message without the name of the field in front, for a place that shows the field beside it."""
        return self.message.removeprefix(f"{self.field}: ")

    def _located(self) -> str:
        return str(self.message)


class ConfigError(FlowError, ValueError):
    """Input that can't be used. `source` and `line` name the place where the field is written."""

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        source: str | None = None,
        line: int | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.source = source
        self.line = line
        super().__init__(message, field=field, status=status, request_id=request_id, retry_after_s=retry_after_s)

    def _located(self) -> str:
        place = printable(self.source or "")
        if place and self.line is not None:
            place += f":{self.line}"
        return f"{place}: {self.message}" if place else self.message


class Unsupported(FlowError):
    """The provider of this context has no such facet."""


class ReadOnly(FlowError):
    """A change was requested in read-only mode."""


class TaskTimeout(FlowError, TimeoutError):
    """A wait for a task timed out. The task continues."""


class ProviderError(FlowError):
    """The provider refused, failed, or sent an invalid response."""


class AuthError(ProviderError):
    """Credentials are missing, wrong, or not allowed to do this."""


class HostKeyUnknown(AuthError):
    """The key of a host is not in known_hosts yet. `fingerprint` has the form of `ssh-keygen -l`."""

    def __init__(self, message: str, *, host: str, key_type: str, fingerprint: str) -> None:
        self.host = host
        self.key_type = key_type
        self.fingerprint = fingerprint
        super().__init__(message)


class HostKeyChanged(AuthError):
    """A host shows another key than before, or a revoked one: it may be another machine. No prompt can accept it."""


class NotFound(ProviderError, LookupError):
    """The id or name is not known to this context."""


class Conflict(ProviderError):
    """The object exists already, is in use, or is in a state that forbids the change."""


class CapacityError(ProviderError):
    """The requested capacity doesn't exist here."""


class Unreachable(ProviderError):
    """There was no response in time. You may retry calls that are safe to repeat."""


# The names of the published SDK. If it has several names for one error of flow, each of them catches that error.
APIError = ProviderError
AuthenticationError = AuthorizationError = AuthError
ConfigParserError = ValidationAPIError = ValidationError = ConfigError
FlowOperationError = TaskExecutionError = VolumeError = RemoteExecutionError = InvalidResponseError = ProviderError
FlowTimeoutError = TimeoutError = TaskTimeout
InstanceNotReadyError = NameConflictError = Conflict
InsufficientBidPriceError = QuotaExceededError = ResourceNotAvailableError = ResourceLimitError = CapacityError
NetworkError = RateLimitError = Unreachable
ProviderCapabilityError = Unsupported
ResourceNotFoundError = TaskNotFoundError = DependencyNotFoundError = DevVMNotFoundError = NotFound
