"""Reads listings that come in pages: follows next_cursor, and raises an error if the pages never end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow_core.errors import ProviderError
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.http import MithrilHttp

_PAGE_ROWS = 100
_PAGES_MAX = 200
_CURSOR_CHARACTERS = 4096


async def read_all_pages(
    http: MithrilHttp, path: str, noun: str, params: Mapping[str, str], *, most_rows: int | None = None
) -> list[Any]:
    """Returns the rows of all pages, in the API's order; with `most_rows`, at most that many.

    Raises the errors of MithrilHttp, and ProviderError for a list that repeats pages or never ends.
    """
    rows: list[Any] = []
    cursor, cursors = "", set[str]()
    for _ in range(_PAGES_MAX):
        page = await http.get(path, **params, limit=_PAGE_ROWS, **({"next_cursor": cursor} if cursor else {}))
        if not isinstance(page, dict):  # a bare [] would look like an empty project
            raise ProviderError(f"the Mithril API answered something else than a list of {noun}")
        rows += response_fields.read_rows(page, noun)
        cursor = _read_cursor(page, noun)
        if not cursor or (most_rows is not None and len(rows) >= most_rows):
            return rows if most_rows is None else rows[:most_rows]
        if cursor in cursors:
            raise ProviderError(f"the Mithril API lists its {noun} in a circle; try again later")
        cursors.add(cursor)
    raise ProviderError(f"the Mithril API lists more than {_PAGES_MAX * _PAGE_ROWS:,} {noun}; ask for fewer")


def _read_cursor(page: dict[str, Any], noun: str) -> str:
    """Returns the cursor of the next page; empty after the last one.

    Raises ProviderError if it is not valid in a URL.
    """
    cursor = response_fields.read_optional(page, "next_cursor")
    if len(cursor) > _CURSOR_CHARACTERS or not cursor.isprintable():
        raise ProviderError(f"the Mithril API names no page that could follow in its {noun}; try again later")
    return cursor
