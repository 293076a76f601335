"""The results of a search in the logs of many tasks."""

from __future__ import annotations

from dataclasses import dataclass

from flow_core.logs.log_id import LogId


@dataclass(frozen=True, slots=True)
class LogHit:
    """A line that matches: its offset in the log, its text as it is shown, and the matches in it in characters.

    `before` and `after` are the lines around it. Long lines are cut after 2,000 characters.
    """

    offset: int
    text: str
    spans: tuple[tuple[int, int], ...]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogHits:
    """The lines of one log that match, in order.

    `searched` is the offset from which a later search has to go on; it may find the last line of this one again.
    `is_cut`: there are more hits. `not_searched` says why the log was not searched, or not completely; otherwise empty.
    """

    log: LogId
    hits: tuple[LogHit, ...] = ()
    searched: int = 0
    is_cut: bool = False
    not_searched: str = ""
