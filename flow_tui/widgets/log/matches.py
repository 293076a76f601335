"""The matches of a search in a log: the current one, the number of all, and their marks in the lines in view."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Hashable, Sequence
from contextlib import aclosing
from typing import Protocol

from textual.cache import LRUCache

from flow_core.logs.search.log_search import SearchMatch
from flow_core.logs.search.match_counter import SearchProgress
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.search.search_process import SearchTimeout
from flow_tui.format import disk_size

MatchSpans = tuple[tuple[int, int], ...]
SEARCHING = "searching"
NO_MATCH = "no match"
_TEXTS_KEPT = 4096
_AFTER_ALL = (1 << 62, 0)


class LineSearch(Protocol):
    """A search in lines that are identified by their offsets, as `LogSearch` is."""

    async def next(self, position: tuple[int, int]) -> SearchMatch | None:
        """Returns the first match that starts at or after an offset and a column. Raises SearchTimeout."""

    async def previous(self, position: tuple[int, int]) -> SearchMatch | None:
        """Returns the last match that starts before an offset and a column. Raises SearchTimeout."""

    def count(self) -> AsyncGenerator[SearchProgress, None]:
        """Yields the number of matches so far, up to the current end. Raises SearchTimeout."""

    async def find_number(self, match: SearchMatch) -> int | None:
        """Returns the number of a match, from 1; None if the count has not come that far. Raises SearchTimeout."""

    async def spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Returns the first matches in each text, as (start, end) in characters. Raises SearchTimeout."""

    def forget_places(self) -> None:
        """Must be called after offsets have got another meaning."""

    def kill(self) -> None:
        """Kills the child processes. Await `close` later."""

    async def close(self) -> None:
        """Ends the child processes. Calling it again is safe."""


class LogMatches:
    """The matches of one query in what a view shows of a log or of merged logs: finds, counts and marks them.

    It owns `search`, which covers `searched`. `is_backward` is the direction in which the search began.
    """

    def __init__(self, search: LineSearch, query: SearchQuery, searched: Hashable, *, is_backward: bool) -> None:
        self.query = query
        self.searched = searched
        self.is_backward = is_backward
        self.current: SearchMatch | None = None
        self.progress: SearchProgress | None = None
        self.is_marking = False
        self.is_problem = False
        self._number: int | None = None
        self._note = ""
        self._count_problem = ""
        self._search = search
        self._spans: LRUCache[str, MatchSpans] = LRUCache(_TEXTS_KEPT)

    @property
    def status(self) -> str:
        """The result of the last step, and how many matches there are so far; may be empty."""
        count = "" if self._note == NO_MATCH else self._describe_count()
        return ", ".join(filter(None, (self._note, count, self._count_problem)))

    def note(self, note: str, *, is_problem: bool = False) -> None:
        self._note, self.is_problem = note, is_problem

    def forget_places(self) -> None:
        """Forgets the current match and what was counted, after offsets have got another meaning."""
        self._search.forget_places()
        self.current = self.progress = self._number = None

    async def find(self, position: tuple[int, int], *, forward: bool) -> tuple[SearchMatch | None, bool]:
        """Finds the next match, and whether the search continued from the other end. Raises SearchTimeout."""
        step = self._search.next if forward else self._search.previous
        match, is_wrapped = await step(position), False
        if match is None:
            match, is_wrapped = await step((0, 0) if forward else _AFTER_ALL), True
        if match is not None:
            self._number = self._find_next_number(position, match, is_wrapped=is_wrapped, step=1 if forward else -1)
            self.current = match
        return match, is_wrapped

    async def find_number(self) -> None:
        """Finds which of the matches the current one is, if enough of the log has been counted."""
        if (current := self.current) is not None and self._number is None:
            number = await self._search.find_number(current)
            if current == self.current:
                self._number = number

    async def count(self) -> AsyncGenerator[None, None]:
        """Counts up to the current end of the log; yields when there is news. Read it under `aclosing`.

        Keeps what was counted if the pattern takes too long.
        """
        try:
            async with aclosing(self._search.count()) as steps:
                async for self.progress in steps:
                    yield
        except SearchTimeout as error:
            self._count_problem = error.message
            yield

    def needs_count(self, size: int) -> bool:
        """Returns whether a log of this size has bytes that were not counted yet."""
        return not self._count_problem and (self.progress is None or self.progress.searched != size)

    def get_marks(self, text: str) -> MatchSpans | None:
        """Returns the marks of a text; None until `find_marks` has found them."""
        return self._spans.get(text)

    async def find_marks(self, texts: Sequence[str]) -> None:
        """Finds the marks of these texts. A text that takes too long stays unmarked."""
        try:
            found = await self._search.spans(texts)
        except SearchTimeout:
            found = [[] for _ in texts]
        for text, spans in zip(texts, found, strict=True):
            self._spans[text] = tuple(spans)

    def kill(self) -> None:
        """Kills the child processes. Await `close` later."""
        self._search.kill()

    async def close(self) -> None:
        """Ends the child processes. Calling it again is safe."""
        await self._search.close()

    def _find_next_number(
        self, position: tuple[int, int], match: SearchMatch, *, is_wrapped: bool, step: int
    ) -> int | None:
        """Returns the number of the next match; None if it is not the neighbour of a match with a number."""
        known = self.current
        if known is None or self._number is None or is_wrapped:
            return None
        begins_there = position[0] == known.offset and position[1] in (known.start, known.start + 1)
        return self._number + step * (match != known) if begins_there else None

    def _describe_count(self) -> str:
        """Describes the count, such as "2 of 12", or "2 of 12, 340 MB of 1.1 GB searched" while it goes on."""
        progress = self.progress
        if (
            progress is None
            or not (progress.searched or progress.is_complete)
            or (self.is_problem and not self.current)
        ):
            return ""
        word, matches = "match" if progress.matches == 1 else "matches", max(progress.matches, self._number or 0)
        count = f"{matches:,} {word}" if self._number is None else f"{self._number:,} of {matches:,}"
        if progress.is_complete:
            return count
        return f"{count}, {disk_size(progress.searched)} of {disk_size(progress.total)} searched"
