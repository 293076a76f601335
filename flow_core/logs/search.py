"""Searches a log in a child process, so that an endless pattern can be killed and blocks nothing."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow_core.errors import ConfigError, FlowError
from flow_core.logs import search_worker

FIND_TIMEOUT_S = 60.0
SPANS_TIMEOUT_S = 1.0
_REPLY_LIMIT = 4 * 1024 * 1024
_CLOSE_S = 2.0


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """The text to find: a regular expression, or plain text with `literal`.

    Smart case: the search is case-sensitive if the pattern contains a capital letter.
    """

    pattern: str
    literal: bool = False

    @property
    def source(self) -> str:
        """The regular expression to run."""
        return re.escape(self.pattern) if self.literal else self.pattern

    @property
    def ignores_case(self) -> bool:
        shown = self.pattern if self.literal else re.sub(r"\\.", "", self.pattern)
        return not any(char.isupper() for char in shown)

    def check(self) -> None:
        """Raises ConfigError if the pattern is no regular expression."""
        try:
            re.compile(self.source)
            re.compile(self.source.encode("utf-8", "replace"))
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(f"not a regular expression: {error}", field="search") from None


@dataclass(frozen=True, slots=True)
class SearchMatch:
    """The position of a match in the log, in bytes."""

    offset: int
    length: int


class SearchTimeout(FlowError):
    """The search took too long and was ended."""


class LogSearch:
    """One query over one log. Requests run one after another; cancelling one kills the child.

    The owner must close it. It starts the child on demand, and again after a kill.
    """

    def __init__(self, path: Path, query: SearchQuery) -> None:
        query.check()
        self._path = path
        self.query = query
        self._child: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def next(self, position: int, timeout_s: float = FIND_TIMEOUT_S) -> SearchMatch | None:
        """Returns the first match that starts at or after `position`. Raises SearchTimeout."""
        return _to_match(await self._request({"find": "next", "position": position}, timeout_s))

    async def previous(self, position: int, timeout_s: float = FIND_TIMEOUT_S) -> SearchMatch | None:
        """Returns the last match that starts before `position`. Raises SearchTimeout."""
        return _to_match(await self._request({"find": "previous", "position": position}, timeout_s))

    async def count(self, timeout_s: float = FIND_TIMEOUT_S) -> int:
        """Returns the number of lines that match. Raises SearchTimeout."""
        return int(await self._request({"find": "count"}, timeout_s))

    async def spans(self, texts: Sequence[str], timeout_s: float = SPANS_TIMEOUT_S) -> list[list[tuple[int, int]]]:
        """Returns the matches in each text, as (start, end) in characters. Raises SearchTimeout."""
        found = await self._request({"find": "spans", "texts": list(texts)}, timeout_s)
        return [[(start, end) for start, end in spans] for spans in found]

    async def close(self) -> None:
        """Kills the child; a waiting request raises SearchTimeout. Calling it again is safe."""
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
        async with self._lock:
            await self._kill_child()

    async def _request(self, request: dict[str, Any], timeout_s: float) -> Any:
        async with self._lock:
            has_answered = False
            try:
                async with asyncio.timeout(timeout_s):
                    reply = await self._exchange(json.dumps(request).encode() + b"\n")
                has_answered = bool(reply)
            except TimeoutError:
                raise SearchTimeout(f"the search took over {timeout_s:g} s and was ended") from None
            finally:
                if not has_answered:
                    await self._kill_child()
        if not reply:
            raise SearchTimeout("the search ended without an answer")
        return json.loads(reply)

    async def _kill_child(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            child.kill()
        assert child.stdin is not None  # both are pipes
        assert child.stdout is not None
        child.stdin.close()
        async with asyncio.timeout(_CLOSE_S):
            while await child.stdout.read(_REPLY_LIMIT):
                pass
            await child.wait()

    async def _exchange(self, request: bytes) -> bytes:
        child = self._child = self._child or await self._start()
        assert child.stdin is not None  # both are pipes
        assert child.stdout is not None
        child.stdin.write(request)
        await child.stdin.drain()
        return await child.stdout.readline()

    async def _start(self) -> asyncio.subprocess.Process:
        flags = "i" if self.query.ignores_case else ""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", search_worker.__file__, str(self._path), self.query.source, flags),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_REPLY_LIMIT,
        )


def _to_match(answer: list[int] | None) -> SearchMatch | None:
    return None if answer is None else SearchMatch(answer[0], answer[1])
