"""An answer of slurmrestd, and the error for one without success."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from flow_core.errors import AuthError, Conflict, FlowError, NotFound, ProviderError, Unreachable
from flow_core.logs.escape import escape_controls
from flow_core.providers.slurm.rest.json_values import Table, read_number, read_rows, read_text
from flow_core.providers.slurm.rest.token import NEW_TOKEN, Token

_AUTH_STATUSES = (401, 403, 511)
_AUTH_ERRORS = frozenset({1007, 2010, 5005})
"""An invalid token, an unknown user, and a connection that slurmctld closed for one of these reasons."""
_CONNECTION_ERRORS = frozenset({*range(1001, 1007), *range(1800, 1806), 5004})
_UNKNOWN_JOB, _DENIED, _ENDED_ERRORS = 2017, 2002, frozenset({2021, 2084})
_QUIET_ERRORS = frozenset({0, -1, 1, 1000})
"""What the library of Slurm reports for a connection that failed, and for other things."""
_DISABLED = "presently disabled"
_QUICK_S = 3.0
"""A connection to slurmctld that fails takes longer: slurmrestd tries it again for ten seconds."""
_SHOWN = 300
_INT_DIGITS_MAX = 30


class AccessDenied(AuthError):
    """slurmctld knows the user, and does not allow the change to this user."""


class SlurmFault(NamedTuple):
    """One entry of `errors` in an answer. The number is -1 if it has none."""

    number: int
    text: str
    description: str

    @property
    def sentence(self) -> str:
        return self.text if self.text and self.text != "Unspecified error" else self.description or self.text


class RestAnswer(NamedTuple):
    """One answer, completely read. `body` is None if it is no JSON object. `took_s` is the time until it came."""

    status: int
    body: Table | None
    took_s: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether it is a success. An answer with the status 200 may contain errors that have no effect."""
        return 200 <= self.status < 300 and self.body is not None

    @property
    def is_refused_login(self) -> bool:
        """Whether the token or the user was refused, as far as the answer tells."""
        return self.status in _AUTH_STATUSES or any(fault.number in _AUTH_ERRORS for fault in self.faults)

    @property
    def faults(self) -> tuple[SlurmFault, ...]:
        return tuple(_read_faults(self.body or {}))


def parse_body(body: bytes) -> Table | None:
    """Returns the JSON object; None if it is no such object."""
    try:
        found = json.loads(body, parse_int=_parse_int)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def build_rest_error(answer: RestAnswer, call: str, title: str, user: str, token: Token) -> FlowError:
    """Returns the error for an answer without success. `call` is the method and the path, `title` names slurmrestd.

    Versions differ in the status, so the numbers of the faults decide where there are any.
    """
    faults = answer.faults
    numbers = {fault.number for fault in faults}
    reason = describe_faults(faults, token)
    if _UNKNOWN_JOB in numbers:
        return NotFound("Slurm does not know this job, or not any more", status=answer.status)
    if answer.is_refused_login or (_is_quiet(answer) and answer.took_s < _QUICK_S):
        return _build_login_error(answer, title, user, token)
    if numbers & _CONNECTION_ERRORS or _is_quiet(answer):
        advice = "try again in a minute, or tell the administrators of the cluster"
        return Unreachable(f"slurmctld does not answer {title}; {advice}", status=answer.status)
    if numbers & _ENDED_ERRORS:
        return Conflict("the job has already ended", status=answer.status)
    if _DENIED in numbers:
        return AccessDenied(f"{title} does not allow {call} to user {user}: {reason}", status=answer.status)
    if _DISABLED in reason:
        sentence = f"Slurm can't do {call} now: {reason}; the cluster or the job does not allow it"
        return Conflict(sentence, status=answer.status)
    if faults:
        return ProviderError(f"Slurm refused {call}: {reason}", status=answer.status)
    return _build_status_error(answer, call, title)


def describe_faults(faults: tuple[SlurmFault, ...], token: Token) -> str:
    """Returns what the faults say, in one line and without the token."""
    texts = dict.fromkeys(fault.sentence for fault in faults if fault.sentence)
    line = escape_controls("; ".join(texts).replace(token.text, "<token>"))
    return line[:_SHOWN] or "it gives no reason"


def _is_quiet(answer: RestAnswer) -> bool:
    """Whether the answer only says that something failed."""
    numbers = [fault.number for fault in answer.faults]
    return answer.status >= 500 and bool(numbers) and all(number in _QUIET_ERRORS for number in numbers)


def _build_login_error(answer: RestAnswer, title: str, user: str, token: Token) -> AuthError:
    if expiry := token.describe_expiry():
        return AuthError(f"the token of {token.place} {expiry}; {NEW_TOKEN}", status=answer.status)
    return AuthError(
        f"{title} does not accept the token of {token.place} for user {user}; {NEW_TOKEN}, or set rest_user",
        status=answer.status,
    )


def _build_status_error(answer: RestAnswer, call: str, title: str) -> FlowError:
    """Returns the error for an answer without faults, by its status. Another server may have sent it."""
    status = answer.status
    if status == 404:
        return NotFound(f"{title} does not know {call}; check rest_url", status=status)
    if status in (429, 502, 503, 504):
        return Unreachable(f"{title} can't answer now ({status}); try again in a minute", status=status)
    if 300 <= status < 400:
        return ProviderError(f"{title} redirects {call} ({status}); check rest_url", status=status)
    if 200 <= status < 300:
        return ProviderError(f"the answer of {title} to {call} is not JSON; check rest_url", status=status)
    return ProviderError(f"{title} failed at {call} ({status}); tell the administrators of the cluster", status=status)


def _read_faults(body: Table) -> Iterator[SlurmFault]:
    for row in read_rows(body.get("errors")):
        number = next((row[name] for name in ("error_number", "error_code", "errno") if name in row), None)
        text, description = read_text(row.get("error")), read_text(row.get("description"))
        known = number if isinstance(number, int) and number < 0 else read_number(number)
        yield SlurmFault(-1 if known is None else known, text, description)


def _parse_int(digits: str) -> Any:
    """Parses a whole number. Python refuses thousands of digits, and would refuse the rest of the answer too."""
    return int(digits) if len(digits) <= _INT_DIGITS_MAX else float(digits)
