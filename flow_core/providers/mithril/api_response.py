"""A response of the API, and the error for a response without success."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from flow_core.errors import (
    AuthError,
    CapacityError,
    ConfigError,
    Conflict,
    FlowError,
    NotFound,
    ProviderError,
    Unreachable,
)
from flow_core.logs.escape import escape_controls

# The error and the advice for words in a refusal; the API has the same status for all of these.
_REFUSALS: tuple[tuple[tuple[str, ...], type[FlowError], str], ...] = (
    (("name already used", "name already exists", "duplicate name"), Conflict, ""),
    (("quota",), CapacityError, "; end a task, or request a larger quota"),
    (("price below minimum",), ConfigError, "; raise the price limit"),
    (("max_unit_price",), Conflict, "; fetch the price again"),
    (("capacity",), CapacityError, ""),
)
_PLACES = ("body", "query", "path")
_SHOWN = 300
_INT_DIGITS_MAX = 30


class OutcomeUnknown(ProviderError):
    """The API failed at a change, and may have made it anyway. `what` is the sentence without this remark."""

    def __init__(
        self,
        what: str,
        *,
        field: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.what = what
        sentence = f"{what}; whether it was done is not known, so look before you try again"
        super().__init__(sentence, field=field, status=status, request_id=request_id, retry_after_s=retry_after_s)


class ResponseLost(Unreachable):
    """A change was sent, and no complete response arrived: the change may have been made."""


class ApiResponse(NamedTuple):
    """One response, completely read."""

    status: int
    body: bytes
    request_id: str = ""
    retry_after: str = ""

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def wait_s(self) -> float | None:
        """The seconds that the API asks to wait; None if the header is missing or invalid."""
        try:
            if self.retry_after.isdecimal():
                return float(self.retry_after[:9])
            return max(0.0, parsedate_to_datetime(self.retry_after).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            return None

    def json(self) -> Any:
        """Parses the body; None if it is empty. Raises ValueError."""
        try:
            return json.loads(self.body, parse_int=_parse_int) if self.body.strip() else None
        except RecursionError as error:
            raise ValueError("nested without end") from error


class JsonBody(NamedTuple):
    """The body of a successful response, which is not parsed yet. `call` is the method and path of the request."""

    answer: ApiResponse
    call: str
    is_change: bool

    @property
    def digest(self) -> tuple[int, int]:
        """The keyed hash of the body and its length. Bodies with the same digest are the same, in this process."""
        return hash(self.answer.body), len(self.answer.body)

    def parse(self) -> Any:
        """Returns the JSON. Raises ProviderError; OutcomeUnknown for a change."""
        try:
            return self.answer.json()
        except ValueError as error:
            kind = OutcomeUnknown if self.is_change else ProviderError
            sentence = f"the Mithril API answered {self.call} with what is not JSON"
            raise _make_error(self.answer, kind, sentence) from error


def check_success(answer: ApiResponse, call: str, is_change: bool, hide: Callable[[str], str]) -> JsonBody:
    """Returns the body of a successful response. Raises the error of any other response.

    `call` is the method and path; `hide` removes secrets from foreign text. Raises AuthError, NotFound, Conflict,
    ConfigError, Unreachable, ProviderError.
    """
    if answer.is_good:
        return JsonBody(answer, call, is_change)
    message, field = (escape_controls(hide(text))[:_SHOWN] for text in _read_detail(answer))
    if answer.status == 422 and field:
        raise _make_error(answer, ConfigError, f"{field}: {message}", field)
    raise _make_error(answer, *_choose_error(answer, call, is_change, message))


def _make_error(answer: ApiResponse, kind: type[FlowError], sentence: str, field: str | None = None) -> FlowError:
    request = f" [request {answer.request_id}]" if answer.request_id else ""
    return kind(
        sentence + request,
        field=field,
        status=answer.status,
        request_id=answer.request_id or None,
        retry_after_s=answer.wait_s,
    )


def _choose_error(answer: ApiResponse, call: str, is_change: bool, message: str) -> tuple[type[FlowError], str]:
    """Chooses the class and the sentence of the error, by the status."""
    status, reason = answer.status, f": {message}" if message else f" ({answer.status})"
    if status == 401:
        return AuthError, (
            "the Mithril API does not accept your API key (MITHRIL_API_KEY or `api_key`); create a new one in your"
            " Mithril account"
        )
    if status == 403:
        return AuthError, f"the Mithril API does not allow {call}{reason}"
    if status == 404:
        return NotFound, f"the Mithril API does not know {call}{reason}"
    if status == 402:
        return ProviderError, f"the Mithril API refused {call}{reason}; look at the billing of the account"
    if status in (400, 409):
        kind, advice = _match_refusal(message.lower(), Conflict if status == 409 else ProviderError)
        return kind, f"the Mithril API refused {call}{reason}{advice}"
    if status == 422:
        return ConfigError, f"the Mithril API refused {call}{reason}"
    if status == 429:
        when = "later" if answer.wait_s is None else f"in {answer.wait_s:.0f} s"
        return Unreachable, f"the Mithril API asks for fewer calls; try again {when}"
    if status >= 500 and is_change:
        return OutcomeUnknown, f"the Mithril API failed at {call}{reason}"
    if status >= 500:
        return Unreachable, f"the Mithril API failed at {call}{reason}; try again later"
    if 300 <= status < 400:
        return ProviderError, f"the Mithril API redirects {call} ({status}); check MITHRIL_API_URL"
    return ProviderError, f"the Mithril API refused {call}{reason}"


def _match_refusal(message: str, default: type[FlowError]) -> tuple[type[FlowError], str]:
    """Chooses the class of the error and the advice, by words in the message."""
    matches = ((kind, advice) for words, kind, advice in _REFUSALS if any(word in message for word in words))
    return next(matches, (default, ""))


def _read_detail(answer: ApiResponse) -> tuple[str, str]:
    """Returns the message and the field of an error body; empty if it has none."""
    try:
        body = answer.json()
    except ValueError:
        return "", ""
    detail = body.get("detail", body.get("message")) if isinstance(body, dict) else None
    if isinstance(detail, str):
        return detail, ""
    first = detail[0] if isinstance(detail, list) and detail else None
    if not isinstance(first, dict):
        return "", ""
    location = first.get("loc")
    parts = [str(part) for part in location if isinstance(part, str | int)] if isinstance(location, list) else []
    message = first.get("msg")
    return message if isinstance(message, str) else "", ".".join(part for part in parts if part not in _PLACES)


def _parse_int(digits: str) -> int | float:
    """Parses a whole number. Python refuses thousands of digits, and would refuse the rest of the response too."""
    return int(digits) if len(digits) <= _INT_DIGITS_MAX else float(digits)
