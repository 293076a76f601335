"""The matches of a search in a log, and their marks in the lines in view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual.cache import LRUCache

from flow_core.logs.search import LogSearch, SearchMatch, SearchQuery, SearchTimeout
from flow_core.logs.shown.stream_bytes import StreamBytes

MatchSpans = tuple[tuple[int, int], ...]
SEARCHING = "searching"
_TEXTS_KEPT = 4096
_COUNT_TIMEOUT_S = 20.0


class LogMatches:
    """The matches of one query in a log: finds, counts and marks them.

    Each of these has a child process of its own, so that none waits for another.
    """

    def __init__(self, path: Path, query: SearchQuery) -> None:
        self.query = query
        self.current: SearchMatch | None = None
        self.is_marking = False
        self.is_problem = False
        self._progress = ""
        self._count_text = ""
        self._finder = LogSearch(path, query)
        self._counter = LogSearch(path, query)
        self._marker = LogSearch(path, query)
        self._spans: LRUCache[str, MatchSpans] = LRUCache(_TEXTS_KEPT)

    @property
    def status(self) -> str:
        """The result of the last step, and the number of matching lines once it is known; may be empty."""
        return ", ".join(filter(None, (self._progress, "" if self._is_without_count else self._count_text)))

    @property
    def _is_without_count(self) -> bool:
        return self.is_problem or self._progress == SEARCHING

    def note(self, progress: str, *, is_problem: bool = False) -> None:
        self._progress, self.is_problem = progress, is_problem

    async def find(self, position: int, *, forward: bool, size: int) -> tuple[SearchMatch | None, bool]:
        """Finds the next match, and whether the search wrapped around. Raises SearchTimeout."""
        step = self._finder.next if forward else self._finder.previous
        if (match := await step(position)) is not None:
            return match, False
        return await step(0 if forward else size), True

    async def find_shown(self, position: int, source: StreamBytes, *, forward: bool) -> tuple[SearchMatch | None, bool]:
        """Finds the next match as `find` does, but skips matches on a hidden stream."""
        is_wrapped = False
        while True:
            match, wrapped_now = await self.find(position, forward=forward, size=source.size)
            if match is None or (is_wrapped and wrapped_now):
                return None, True
            is_wrapped = is_wrapped or wrapped_now
            if source.stream is None or source.sidecar.find_stream(match.offset) == source.stream:
                return match, is_wrapped
            position = match.offset + forward

    async def count(self) -> None:
        """Counts the matching lines. Gives up after 20 s."""
        try:
            if lines := await self._counter.count(_COUNT_TIMEOUT_S):
                self._count_text = f"{lines:,} {'line matches' if lines == 1 else 'lines match'}"
        except SearchTimeout:
            pass
        finally:
            await self._counter.close()

    def get_marks(self, text: str) -> MatchSpans | None:
        """Returns the marks of a text; None until `find_marks` has found them."""
        return self._spans.get(text)

    async def find_marks(self, texts: Sequence[str]) -> None:
        """Finds the marks of these texts. A text that takes too long stays unmarked."""
        try:
            found = await self._marker.spans(texts)
        except SearchTimeout:
            found = [[] for _ in texts]
        for text, spans in zip(texts, found, strict=True):
            self._spans[text] = tuple(spans)

    async def close(self) -> None:
        """Ends the child processes. Calling it again is safe."""
        for search in (self._finder, self._counter, self._marker):
            await search.close()
