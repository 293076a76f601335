"""Reads listings that come in pages: follows next_cursor, and raises an error if the pages never end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow_core.errors import ProviderError
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.http import MithrilHttp

_PAGE_ROWS = 100
_MOST_PAGES = 200
_LONGEST_CURSOR = 4096


async def read_all_pages(
    http: MithrilHttp, path: str, noun: str, params: Mapping[str, str], *, most_rows: int | None = None
) -> list[Any]:
    """The rows of all pages, in the API's order; with `most_rows` no page beyond those.

    Raises what MithrilHttp raises, and ProviderError for a listing that goes in a circle or never ends.
    """
    found: list[Any] = []
    cursor, seen = "", set[str]()
    for _ in range(_MOST_PAGES):
        page = await http.get(path, **params, limit=_PAGE_ROWS, **({"next_cursor": cursor} if cursor else {}))
        if not isinstance(page, dict):  # a bare [] would look like a project without any
            raise ProviderError(f"the Mithril API answered something else than a list of {noun}")
        found += response_fields.rows(page, noun)
        cursor = _cursor(page, noun)
        if not cursor or (most_rows is not None and len(found) >= most_rows):
            return found if most_rows is None else found[:most_rows]
        if cursor in seen:
            raise ProviderError(f"the Mithril API lists its {noun} in a circle; try again later")
        seen.add(cursor)
    raise ProviderError(f"the Mithril API lists more than {_MOST_PAGES * _PAGE_ROWS:,} {noun}; ask for fewer")


def _cursor(page: dict[str, Any], noun: str) -> str:
    """Where the next page begins; empty for the last one. Raises ProviderError for what can't stand in an address."""
    cursor = response_fields.optional(page, "next_cursor")
    if len(cursor) > _LONGEST_CURSOR or not cursor.isprintable():
        raise ProviderError(f"the Mithril API names no page that could follow in its {noun}; try again later")
    return cursor
