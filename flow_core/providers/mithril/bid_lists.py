"""The lists of bids and of their machines. A list that has not changed consists of the same objects as before."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

from flow_core.errors import NotFound, ProviderError
from flow_core.providers.contract.listing import Listing
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import (
    BIDS,
    Bid,
    BidInstance,
    BidRow,
    UnreadableRow,
    drop_unreadable,
    parse_each_row,
)
from flow_core.providers.mithril.known_bids import KnownBids
from flow_core.providers.mithril.pagination import PagedList

if TYPE_CHECKING:
    from flow_core.providers.mithril.http import MithrilHttp
    from flow_core.providers.mithril.projects import MithrilProjects

_INSTANCES = "/v2/instances"
_IDS_PER_REQUEST = 50
_LISTS_KEPT = 4


class BidPage(NamedTuple):
    """The rows of one page, and whether one of them is a bid that has ended."""

    rows: tuple[BidRow, ...]
    has_ended: bool


class BidLists:
    """The bids of the chosen project, and the machines of bids."""

    def __init__(self, http: MithrilHttp, projects: MithrilProjects) -> None:
        self._http = http
        self._projects = projects
        self._bids = PagedList(http, BIDS, "bids", self._parse_page)
        self._instances = PagedList(http, _INSTANCES, "instances", _parse_instances)
        self._parsed: dict[str, Bid] = {}
        self._known: dict[tuple[str, int | None], KnownBids] = {}
        self._last_rows: list[BidRow] = []
        self._last = Listing[Bid]()

    async def list_bids(self, most_rows: int | None) -> Listing[Bid]:
        """Lists bids, last submitted first. If the list has no ended bids, requests those separately.

        Ended bids behind the newest ones may be some minutes old: they can't change any more.
        """
        project = await self._projects.get_chosen_id()
        listed = await self._read_rows(project, "", most_rows)
        rows = listed.rows
        if (most_rows is None or len(rows) < most_rows) and not listed.has_ended:
            rows = [*rows, *(await self._read_rows(project, "Terminated", most_rows)).rows]
        if not rows or rows != self._last_rows:
            readable = drop_unreadable(rows, "bids")
            newest_first = sorted({bid.bid_id: bid for bid in readable}.values(), key=_sort_key)
            self._last_rows, self._last = rows, Listing.of(newest_first, readable.unreadable)
        return self._last

    async def list_instances(self, bids: Sequence[Bid]) -> Listing[BidInstance]:
        """Lists the machines of these bids, with 50 bids in one request."""
        project = await self._projects.get_chosen_id()
        listed: list[BidInstance] = []
        notes: list[str] = []
        for start in range(0, len(bids), _IDS_PER_REQUEST):
            ids = ",".join(bid.bid_id for bid in bids[start : start + _IDS_PER_REQUEST])
            rows: list[BidInstance | UnreadableRow] = []
            async with aclosing(self._instances.read({"project": project, "bid_fid_in": ids}, None)) as pages:
                async for page in pages:
                    rows += page.rows
            readable = drop_unreadable(rows, "instances", may_be_none=True)
            listed += readable
            notes += readable.unreadable
        return Listing.of(listed, notes)

    async def _read_rows(self, project: str, status: str, most_rows: int | None) -> KnownBids:
        """Reads the newest pages, and the rest only if it may have changed."""
        params = {"project": project, "sort_by": "created_at", "sort_dir": "desc"}
        known = self._known.pop((status, most_rows), None) or KnownBids.none()
        read = await self._read_newest(params | ({"status": status} if status else {}), most_rows, known)
        self._known[status, most_rows] = read
        if len(self._known) > _LISTS_KEPT:
            del self._known[next(iter(self._known))]
        return read

    async def _read_newest(self, params: Mapping[str, str], most_rows: int | None, known: KnownBids) -> KnownBids:
        rows: list[BidRow] = []
        has_ended = False
        can_skip = known.can_be_continued(time.monotonic())
        async with aclosing(self._bids.read(params, 0 if can_skip else most_rows)) as pages:
            async for page in pages:
                rows += page.rows.rows
                has_ended |= page.rows.has_ended
                if most_rows is not None and len(rows) >= most_rows:
                    break
                if page.cursor and can_skip and (rest := known.find_rest(rows)) is not None:
                    rows += await self._read_again(rest)
                    return known.continued(rows[:most_rows], has_ended=has_ended)
        return KnownBids(rows[:most_rows], has_ended, time.monotonic())

    async def _read_again(self, rows: Sequence[BidRow]) -> list[BidRow]:
        """Returns the rows with the bids among them that have not ended as they are now."""
        active = [row.bid_id for row in rows if isinstance(row, Bid) and not row.is_over]
        current = dict(zip(active, [await self._read_bid(bid_id) for bid_id in active], strict=True))
        again = (current.get(row.bid_id, row) if isinstance(row, Bid) else row for row in rows)
        return [row for row in again if row is not None]

    async def _read_bid(self, bid_id: str) -> BidRow | None:
        """Returns a bid as it is now; None if it no longer exists."""
        try:
            answer = await self._http.get(f"{BIDS}/{bid_id}")
        except NotFound:
            return None
        try:
            return self._parse_bid(response_fields.read_table(answer, "a bid"))
        except ProviderError as error:
            return UnreadableRow(str(error))

    def _parse_page(self, rows: list[Any]) -> BidPage:
        return BidPage(parse_each_row(rows, self._parse_bid), any(map(_is_over, rows)))

    def _parse_bid(self, row: dict[str, Any]) -> Bid:
        """Returns the bid as it was read before if it is the same. Parses no bid again that has ended."""
        parsed = self._parsed.get(str(row.get("fid")))
        if parsed is not None and parsed.is_over and _is_over(row):
            return parsed
        bid = Bid.of(row)
        if bid != parsed:
            self._parsed[bid.bid_id] = bid
        return self._parsed[bid.bid_id]


def _parse_instances(rows: list[Any]) -> tuple[BidInstance | UnreadableRow, ...]:
    return parse_each_row(rows, BidInstance.of)


def _is_over(row: Any) -> bool:
    return isinstance(row, dict) and row.get("status") == "Terminated"


def _sort_key(bid: Bid) -> float:
    return -bid.created_at.timestamp() if bid.created_at else 0.0
