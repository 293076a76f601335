"""A response of the API, and the error that it means where it is no success."""

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

# What a refusal means by its words, and what to do about it; the API has the same status for all of these.
_REFUSALS: tuple[tuple[tuple[str, ...], type[FlowError], str], ...] = (
    (("name already used", "name already exists", "duplicate name"), Conflict, ""),
    (("quota",), CapacityError, "; end something, or ask for a larger quota"),
    (("price below minimum",), ConfigError, "; offer more"),
    (("max_unit_price",), Conflict, "; ask for the price again"),
    (("capacity",), CapacityError, ""),
)
_PLACES = ("body", "query", "path")
_SHOWN = 300
_LONGEST_WHOLE = 30


class OutcomeUnknown(ProviderError):
    """The API failed at a change, and may have made it all the same. `what` is the sentence without this remark."""

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
    """A change was sent, and no complete response came: it may have been made."""


class ApiResponse(NamedTuple):
    """One response, read to its end."""

    status: int
    body: bytes
    request_id: str = ""
    retry_after: str = ""

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def wait_s(self) -> float | None:
        """How long it asks us to wait; None where it doesn't say, or nonsense."""
        try:
            if self.retry_after.isdecimal():
                return float(self.retry_after[:9])
            return max(0.0, parsedate_to_datetime(self.retry_after).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            return None

    def json(self) -> Any:
        """None for an empty body. Raises ValueError."""
        try:
            return json.loads(self.body, parse_int=_whole) if self.body.strip() else None
        except RecursionError as error:
            raise ValueError("nested without end") from error


def value_of(answer: ApiResponse, call: str, is_change: bool, hide: Callable[[str], str]) -> Any:
    """The JSON of a good answer. `call` is the method and path, `hide` takes secrets out of foreign text.

    Raises AuthError, NotFound, Conflict, ConfigError, Unreachable, ProviderError.
    """
    if answer.is_good:
        try:
            return answer.json()
        except ValueError as error:
            kind = OutcomeUnknown if is_change else ProviderError
            raise _error(answer, kind, f"the Mithril API answered {call} with what is not JSON") from error
    said, field = (escape_controls(hide(text))[:_SHOWN] for text in _detail(answer))
    if answer.status == 422 and field:
        raise _error(answer, ConfigError, f"{field}: {said}", field)
    raise _error(answer, *_meaning(answer, call, is_change, said))


def _error(answer: ApiResponse, kind: type[FlowError], sentence: str, field: str | None = None) -> FlowError:
    request = f" [request {answer.request_id}]" if answer.request_id else ""
    return kind(
        sentence + request,
        field=field,
        status=answer.status,
        request_id=answer.request_id or None,
        retry_after_s=answer.wait_s,
    )


def _meaning(answer: ApiResponse, call: str, is_change: bool, said: str) -> tuple[type[FlowError], str]:
    status, because = answer.status, f": {said}" if said else f" ({answer.status})"
    if status == 401:
        return AuthError, "the Mithril API does not accept the key in MITHRIL_API_KEY; make a new one"
    if status == 403:
        return AuthError, f"the Mithril API does not allow {call}{because}"
    if status == 404:
        return NotFound, f"the Mithril API does not know {call}{because}"
    if status == 402:
        return ProviderError, f"the Mithril API refused {call}{because}; look at the billing of the account"
    if status in (400, 409):
        kind, advice = _refusal(said.lower(), Conflict if status == 409 else ProviderError)
        return kind, f"the Mithril API refused {call}{because}{advice}"
    if status == 422:
        return ConfigError, f"the Mithril API refused {call}{because}"
    if status == 429:
        when = "later" if answer.wait_s is None else f"in {answer.wait_s:.0f} s"
        return Unreachable, f"the Mithril API asks for fewer calls; try again {when}"
    if status >= 500 and is_change:
        return OutcomeUnknown, f"the Mithril API failed at {call}{because}"
    if status >= 500:
        return Unreachable, f"the Mithril API failed at {call}{because}; try again later"
    if 300 <= status < 400:
        return ProviderError, f"the Mithril API sends {call} elsewhere ({status}); check MITHRIL_API_URL"
    return ProviderError, f"the Mithril API refused {call}{because}"


def _refusal(said: str, usual: type[FlowError]) -> tuple[type[FlowError], str]:
    found = ((kind, advice) for words, kind, advice in _REFUSALS if any(one in said for one in words))
    return next(found, (usual, ""))


def _detail(answer: ApiResponse) -> tuple[str, str]:
    """What the body says in words, and which field it speaks of; empty where it doesn't."""
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
    place = first.get("loc")
    parts = [str(part) for part in place if isinstance(part, str | int)] if isinstance(place, list) else []
    said = first.get("msg")
    return said if isinstance(said, str) else "", ".".join(part for part in parts if part not in _PLACES)


def _whole(digits: str) -> int | float:
    """Python refuses to read a number of thousands of digits, and with it the rest of the answer."""
    return int(digits) if len(digits) <= _LONGEST_WHOLE else float(digits)
