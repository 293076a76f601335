"""Reads lists that come in pages: follows next_cursor, and raises an error if the pages never end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Generic, NamedTuple, TypeVar

from flow_core.errors import ProviderError
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.api_response import JsonBody
from flow_core.providers.mithril.gc_pause import pause_gc
from flow_core.providers.mithril.http import MithrilHttp

RowsT = TypeVar("RowsT")
PAGE_ROWS = 100
_PAGES_MAX = 200
_PAGES_KEPT = 2 * _PAGES_MAX
_CURSOR_CHARACTERS = 4096


class Page(NamedTuple, Generic[RowsT]):
    """One page of a list: its parsed rows, their number, and the cursor of the next page; "" if there is none."""

    rows: RowsT
    row_count: int
    cursor: str


class PagedList(Generic[RowsT]):
    """A list that is read again and again. A page whose body was read before is the same object; it isn't parsed.

    `parse_rows` gets the rows of one page.
    """

    def __init__(self, http: MithrilHttp, path: str, noun: str, parse_rows: Callable[[list[Any]], RowsT]) -> None:
        self._http = http
        self._path = path
        self._noun = noun
        self._parse_rows = parse_rows
        self._pages: dict[tuple[int, int], Page[RowsT]] = {}

    async def read(self, params: Mapping[str, str], rows_ahead: int | None = 0) -> AsyncGenerator[Page[RowsT], None]:
        """Yields the pages in the API's order. Read it under `aclosing`.

        Until it has `rows_ahead` rows (None: always), it requests the next page before it parses one.

        Raises the errors of MithrilHttp, and ProviderError for a list that repeats pages or never ends.
        """
        cursors: set[str] = set()
        row_count = 0
        request = self._request(params, "")
        try:
            while True:
                body = await request
                digest = body.digest
                known = self._pages.get(digest)
                rows, cursor = self._read_rows(body) if known is None else ([], known.cursor)
                row_count += len(rows) if known is None else known.row_count
                is_ahead = bool(cursor) and (rows_ahead is None or row_count < rows_ahead)
                if is_ahead:
                    request = self._request_next(params, cursor, cursors)
                    await asyncio.sleep(0)  # sends it
                page = self._parse(rows, cursor) if known is None else known
                self._keep(digest, page)
                yield page
                if not cursor:
                    return
                if not is_ahead:
                    request = self._request_next(params, cursor, cursors)
        finally:
            request.cancel()
            request.add_done_callback(_ignore_result)

    def _request(self, params: Mapping[str, str], cursor: str) -> asyncio.Task[JsonBody]:
        query: dict[str, str | int] = {**params, "limit": PAGE_ROWS}
        if cursor:
            query["next_cursor"] = cursor
        return asyncio.create_task(self._http.get_body(self._path, **query))

    def _request_next(self, params: Mapping[str, str], cursor: str, cursors: set[str]) -> asyncio.Task[JsonBody]:
        """Requests the next page. Raises ProviderError if the list repeats pages or never ends."""
        if cursor in cursors:
            raise ProviderError(f"the Mithril API lists its {self._noun} in a circle; try again later")
        cursors.add(cursor)
        if len(cursors) >= _PAGES_MAX:
            rows = _PAGES_MAX * PAGE_ROWS
            raise ProviderError(f"the Mithril API lists more than {rows:,} {self._noun}; ask for fewer")
        return self._request(params, cursor)

    def _read_rows(self, body: JsonBody) -> tuple[list[Any], str]:
        with pause_gc():
            page = body.parse()
        if not isinstance(page, dict):  # a bare [] would look like an empty project
            raise ProviderError(f"the Mithril API answered something else than a list of {self._noun}")
        return response_fields.read_rows(page, self._noun), _read_cursor(page, self._noun)

    def _parse(self, rows: list[Any], cursor: str) -> Page[RowsT]:
        with pause_gc():
            return Page(self._parse_rows(rows), len(rows), cursor)

    def _keep(self, digest: tuple[int, int], page: Page[RowsT]) -> None:
        """Keeps the pages that were read last."""
        self._pages.pop(digest, None)
        self._pages[digest] = page
        if len(self._pages) > _PAGES_KEPT:
            del self._pages[next(iter(self._pages))]


async def read_all_pages(http: MithrilHttp, path: str, noun: str, params: Mapping[str, str]) -> list[Any]:
    """Returns the rows of all pages, in the API's order.

    Raises the errors of MithrilHttp, and ProviderError for a list that repeats pages or never ends.
    """
    rows: list[Any] = []
    async with aclosing(PagedList(http, path, noun, list[Any]).read(params, None)) as pages:
        async for page in pages:
            rows += page.rows
    return rows


def _ignore_result(request: asyncio.Task[JsonBody]) -> None:
    """Retrieves the error of a page that is no longer needed, so that asyncio doesn't print it."""
    if not request.cancelled():
        request.exception()


def _read_cursor(page: dict[str, Any], noun: str) -> str:
    """Returns the cursor of the next page; empty after the last one.

    Raises ProviderError if it is not valid in a URL.
    """
    cursor = response_fields.read_optional(page, "next_cursor")
    if len(cursor) > _CURSOR_CHARACTERS or not cursor.isprintable():
        raise ProviderError(f"the Mithril API names no page that could follow in its {noun}; try again later")
    return cursor
