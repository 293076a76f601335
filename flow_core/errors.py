"""Everything that can go wrong, as sentences a person can act on.

FlowError
├── ConfigError            a config file, a task file, an argument: names the file, line and field
├── Unsupported            this provider has no such facet
├── ReadOnly               the gate is closed; nothing was changed
├── TaskTimeout            a task was waited for, and goes on; Python's TimeoutError too
└── ProviderError          the far side said no, or nothing
    ├── AuthError          who you are, or what you may do
    │   ├── HostKeyUnknown a host's key that you have not accepted yet
    │   └── HostKeyChanged a host's key that is not the one it had, or that was revoked
    ├── NotFound           no such task, volume, instance
    ├── Conflict           it exists, is in use, or is in the wrong state
    ├── CapacityError      nothing free, now or ever
    └── Unreachable        no answer; the only error that may be retried
"""

from __future__ import annotations

import re

_SHOWN = 200
_LONG_WORD = re.compile(r"\S{401,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """A name or path of somebody else's within a sentence: without control characters, its middle cut when long."""
    short = text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}…{text[-_SHOWN // 2 :]}"
    return short if short.isprintable() else repr(short)


class FlowError(Exception):
    """Base of every error that flow_core raises on purpose; its text is one sentence for the user.

    A message may quote a file or an answer: control characters are escaped and a very long word is cut in its middle.
    `field` names the argument, setting or field of a task that is to blame. Of the answer of a provider's API, `status`
    is the HTTP status, `request_id` what the API calls the request, and `retry_after_s` how long it asks to wait. Each
    is None where it is not known.
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
        """The message without the name of the field in front, for where the field is shown beside it."""
        return self.message.removeprefix(f"{self.field}: ")

    def _located(self) -> str:
        return str(self.message)


class ConfigError(FlowError, ValueError):
    """Input that can't be used. `source` and `line` say where the field is written."""

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
    """A change was asked for while changes are switched off."""


class TaskTimeout(FlowError, TimeoutError):
    """A task did not get as far as it was waited for. It goes on."""


class ProviderError(FlowError):
    """The provider refused, failed, or answered nonsense."""


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
    """A host shows another key than it had, or a revoked one: it may be another machine. There is nothing to ask."""


class NotFound(ProviderError, LookupError):
    """The id or name is not known to this context."""


class Conflict(ProviderError):
    """The thing exists already, is in use, or is in a state that forbids the change."""


class CapacityError(ProviderError):
    """What was asked for can't be had here."""


class Unreachable(ProviderError):
    """Nobody answered in time. Safe to try again where the call is safe twice."""


# Names of the published SDK for the same. Where it has several for one of ours, each of them catches ours.
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
