"""Follows the tracebacks of a log line by line, up to the first exception of each."""

from __future__ import annotations

from dataclasses import dataclass

from flow_core.logs.analysis.fold_grammar import CHAINED, EXCEPTION_LINE, GROUPED_EXCEPTION, TRACEBACK_HEADER

_MOST_SOURCES = 64
_MOST_STRAY = 50


@dataclass(slots=True)
class _State:
    header: int
    is_ignored: bool
    is_open: bool = True
    is_chained: bool = False
    stray: int = 0


@dataclass(frozen=True, slots=True)
class RaisedException:
    """The last line of a traceback.

    `follows` is true if it was raised while another was handled, and `is_ignored` if Python says that it ignores it.
    """

    header: int
    offset: int
    line: str
    follows: bool
    is_ignored: bool


class TracebackWatch:
    """The open traceback of each process of a log: at most 64."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._ignores = ""

    def is_inside(self, source: str) -> bool:
        state = self._states.get(source)
        return state is not None and state.is_open

    @property
    def is_idle(self) -> bool:
        return not self._states

    def feed(self, source: str, offset: int, body: str) -> RaisedException | None:
        """Reads the next line. Returns the exception if the line ends a traceback; otherwise None."""
        state = self._states.get(source)
        if body.startswith("Exception ignored in"):
            self._ignores = f"{source}|"
            return None
        if "Traceback (most recent" in body and TRACEBACK_HEADER.match(body):
            self._begin(source, offset, state)
            return None
        if state is None:
            return None
        if not state.is_open:
            self._feed_after(source, state, body)
            return None
        return self._feed_inside(source, state, offset, body)

    def _begin(self, source: str, offset: int, state: _State | None) -> None:
        if state is not None and (state.is_open or state.is_chained):
            state.is_open, state.stray = True, 0
            return
        if len(self._states) >= _MOST_SOURCES:
            del self._states[next(iter(self._states))]
        self._states[source] = _State(offset, self._ignores == f"{source}|")
        self._ignores = ""

    def _feed_inside(self, source: str, state: _State, offset: int, body: str) -> RaisedException | None:
        is_grouped = GROUPED_EXCEPTION.match(body) is not None
        if is_grouped or EXCEPTION_LINE.match(body):
            raised = RaisedException(state.header, offset, body.lstrip(" |"), state.is_chained, state.is_ignored)
            state.is_open, state.is_chained = False, False
            return raised
        if body and not body[0].isspace():
            state.stray += 1
            if state.stray > _MOST_STRAY:
                del self._states[source]
        return None

    def _feed_after(self, source: str, state: _State, body: str) -> None:
        if CHAINED.match(body):
            state.is_chained = True
        elif body and not body.isspace():
            del self._states[source]
