"""Pages of a listing. A cursor names the last row of a page, so new and deleted rows don't move the next page."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from flow_core.emulator.http.parsing import QueryModel
from flow_core.emulator.http.responses import invalid_field

Row = TypeVar("Row")


class PageQuery(QueryModel):
    """The query fields of every listing with pages."""

    next_cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] | None = None


class SortedPageQuery(PageQuery):
    sort_dir: Literal["asc", "desc"] | None = None


def paginate(
    rows: Iterable[Row],
    page: PageQuery,
    usual_limit: int,
    key: Callable[[Row], tuple[Any, ...]],
    is_descending: bool = False,
) -> tuple[list[Row], str | None]:
    """Returns a page, and the cursor to the next. `key` returns values that JSON can hold, different for each row.

    Raises ApiError.
    """
    ordered = sorted(rows, key=key, reverse=is_descending)
    if page.next_cursor:
        last = _decode_cursor(page.next_cursor)
        try:
            ordered = [row for row in ordered if (key(row) < last if is_descending else key(row) > last)]
        except TypeError as error:  # a cursor of another listing
            raise _invalid_cursor_error() from error
    limit = page.limit or usual_limit
    shown = ordered[:limit]
    return shown, _encode_cursor(key(shown[-1])) if len(ordered) > limit else None


def _encode_cursor(key: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _decode_cursor(cursor: str) -> tuple[Any, ...]:
    try:
        found = json.loads(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise _invalid_cursor_error() from error
    if not isinstance(found, list):
        raise _invalid_cursor_error()
    return tuple(found)


def _invalid_cursor_error() -> Exception:
    return invalid_field(("query", "next_cursor"), "Invalid cursor")
