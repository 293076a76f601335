"""A list of bids that was read, and which part of it need not be read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from flow_core.providers.mithril.bids import Bid, BidRow
from flow_core.providers.mithril.pagination import PAGE_ROWS

_COMPLETE_EVERY_S = 300.0
_PAGES_WORTH_IT = 3
_READ_AGAIN_MAX = 8


@dataclass(frozen=True)
class KnownBids:
    """The rows of a list in the API's order, newest first. `read_at`: when all of them were read, monotonic time.

    A bid that has ended can't change, and a new bid is before all others. So a poll reads the newest pages until one
    ends with a known bid, and those of the other bids that have not ended. Every five minutes it reads the whole list,
    in case the API removed or changed what can't change.
    """

    rows: list[BidRow]
    has_ended: bool
    read_at: float

    @classmethod
    def none(cls) -> KnownBids:
        """Returns what is known before the first read."""
        return cls([], False, float("-inf"))

    def can_be_continued(self, now: float) -> bool:
        """Returns whether the newest pages and this list may make a new list."""
        is_recent = now - self.read_at < _COMPLETE_EVERY_S
        return is_recent and len(self.rows) > _PAGES_WORTH_IT * PAGE_ROWS and _is_newest_first(self.rows)

    def find_rest(self, newest: Sequence[BidRow]) -> Sequence[BidRow] | None:
        """Returns the rows that follow those that were just read.

        Returns None if they must be read: the list has more new bids, or many of the rest have not ended.
        """
        last = newest[-1] if newest else None
        position = self._positions.get(last.bid_id) if isinstance(last, Bid) else None
        if position is None or not _is_newest_first(newest):
            return None
        rest = self.rows[position + 1 :]
        active = sum(isinstance(row, Bid) and not row.is_over for row in rest)
        return rest if active <= min(_READ_AGAIN_MAX, len(rest) // PAGE_ROWS) else None

    def continued(self, rows: list[BidRow], *, has_ended: bool) -> KnownBids:
        """Returns the list of now, of which only the newest rows were read."""
        return KnownBids(rows, has_ended or self.has_ended, self.read_at)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {row.bid_id: position for position, row in enumerate(self.rows) if isinstance(row, Bid)}


def _is_newest_first(rows: Sequence[BidRow]) -> bool:
    """Returns whether the bids are sorted by their times. False if one has no time."""
    bids = [row for row in rows if isinstance(row, Bid)]
    times = [bid.created_at for bid in bids if bid.created_at is not None]
    return len(times) == len(bids) and all(older <= newer for newer, older in pairwise(times))
