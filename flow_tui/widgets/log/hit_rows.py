"""The rows of the results of a search in many logs: a title for each log, its lines that match, and those around."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from flow_core.logs.log_id import LogId
from flow_core.logs.search.log_hits import LogHit

_CONTROL_BYTES = 64


class RowRole(Enum):
    """What a row shows."""

    TITLE = "title"
    HIT = "hit"
    CONTEXT = "context"
    GAP = "gap"
    MISSING = "missing"
    BLANK = "blank"


@dataclass(frozen=True, slots=True)
class HitGroup:
    """The lines of one log that match. `title` names the log, `count` says how many lines match."""

    log: LogId
    title: str
    count: str
    hits: tuple[LogHit, ...]


class HitRow(NamedTuple):
    """One row, of a group or of none. `hit` is the number of the line in the group that it belongs to.

    `note` is shown at the right end. `spans` are the matches in `text`.
    """

    role: RowRole
    text: str = ""
    note: str = ""
    spans: tuple[tuple[int, int], ...] = ()
    group: HitGroup | None = None
    hit: int = 0


class HitRows:
    """The rows of all logs. Builds only those of logs whose results have changed."""

    def __init__(self) -> None:
        self._built: dict[LogId, list[HitRow]] = {}

    def build(self, groups: Sequence[HitGroup], missing: Sequence[tuple[str, str]]) -> list[HitRow]:
        """Returns the rows. `missing` are the logs that were not searched: each its title, and the reason."""
        before, self._built = self._built, {}
        rows: list[HitRow] = []
        for group in groups:
            built = before.get(group.log)
            if built is None or built[0].group != group:
                built = list(_iter_group(group))
            self._built[group.log] = built
            rows += [HitRow(RowRole.BLANK), *built] if rows else built
        return rows + _build_missing(missing, is_first=not rows)


def _build_missing(missing: Sequence[tuple[str, str]], *, is_first: bool) -> list[HitRow]:
    if not missing:
        return []
    count = f"{len(missing):,} {'log' if len(missing) == 1 else 'logs'}"
    rows = [] if is_first else [HitRow(RowRole.BLANK)]
    rows.append(HitRow(RowRole.TITLE, "not searched", count))
    return rows + [HitRow(RowRole.MISSING, f"{title}: {reason}") for title, reason in missing]


def _iter_group(group: HitGroup) -> Iterator[HitRow]:
    """Yields each line once, as grep does: a line around two others, or that matches itself, is not repeated."""
    hits = group.hits
    yield HitRow(RowRole.TITLE, group.title, group.count, group=group)
    distances = [find_distance(hit, following) for hit, following in pairwise(hits)]
    for number, hit in enumerate(hits):
        before, after = list(hit.before), list(hit.after)
        if number and (distance := distances[number - 1]) is not None:
            before = before[len(before) - max(0, distance - 1 - len(hits[number - 1].after)) :]
        elif number:
            yield HitRow(RowRole.GAP, group=group, hit=number)
        if number < len(distances) and (distance := distances[number]) is not None:
            after = after[: distance - 1]
        yield from (HitRow(RowRole.CONTEXT, text, group=group, hit=number) for text in before)
        yield HitRow(RowRole.HIT, hit.text, spans=hit.spans, group=group, hit=number)
        yield from (HitRow(RowRole.CONTEXT, text, group=group, hit=number) for text in after)


def find_distance(hit: LogHit, following: LogHit) -> int | None:
    """Returns how many lines the second line is below the first; None if lines between them are not known.

    Compares the lines around both, and their offsets, because equal lines may occur in several places.
    """
    for distance in range(1, len(hit.after) + len(following.before) + 2):
        between = _join_between(hit, following, distance)
        if between is not None:
            size = sum(len(text.encode("utf-8", "replace")) + 1 for text in (hit.text, *between))
            return distance if following.offset - hit.offset <= size + _CONTROL_BYTES * distance else None
    return None


def _join_between(hit: LogHit, following: LogHit, distance: int) -> list[str] | None:
    """Returns the lines between both, if they can be `distance` lines apart; None if they can't."""
    known = {0: hit.text, distance: following.text}
    down = enumerate(hit.after, start=1)
    up = ((distance - number, text) for number, text in enumerate(reversed(following.before), start=1))
    for place, text in (*down, *up):
        if known.setdefault(place, text) != text:
            return None
    between = [known[place] for place in range(1, distance) if place in known]
    return between if len(between) == distance - 1 else None
