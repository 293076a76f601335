"""Submits a bid: never twice, and never under a name that another task has."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from flow_core.errors import Conflict
from flow_core.providers.mithril import wire
from flow_core.providers.mithril.bids import BIDS, Bid, readable
from flow_core.providers.mithril.idempotent_create import create_once

if TYPE_CHECKING:
    from flow_core.providers.mithril.api_session import MithrilSession


class BidSubmitter:
    """For one account."""

    def __init__(self, session: MithrilSession) -> None:
        self._session = session

    async def check_name_is_free(self, name: str) -> None:
        """Raises Conflict."""
        if (holder := await self._living(name)) is not None:
            raise Conflict(
                f"name: {name!r} is that of task {holder.bid_id}; cancel that one, or choose another name", field="name"
            )

    async def submit(self, body: dict[str, Any], key: str | None) -> Bid:
        """`key` is the idempotency key of the caller. Raises OutcomeUnknown where it may have been placed."""
        once = f"flow-{hashlib.sha256(key.encode()).hexdigest()}" if key else f"flow-bid-{secrets.token_hex(16)}"
        name, script = body["name"], body["launch_specification"]["startup_script"]

        return await create_once(
            lambda: self._session.http.post(BIDS, body, once=once),
            lambda answer: Bid.of(wire.table(answer, "a bid")),
            lambda: self._living(name, script),
            f"the bid {name!r}",
        )

    async def _living(self, name: str, script: str = "") -> Bid | None:
        """A bid of that name that hasn't ended; with a script only one that was placed with it."""
        project = await self._session.projects.chosen_id()
        rows = wire.rows(await self._session.http.get(BIDS, project=project, name=name), "bids")
        for bid in readable(rows, Bid.of, "bids"):
            is_other = bool(script and bid.startup_script) and bid.startup_script != script
            if bid.name == name and bid.status != "Terminated" and not is_other:
                return bid
        return None
