"""Who the tasks of a project belong to, by the names people know."""

from __future__ import annotations

import time
from collections.abc import Mapping

from flow_core.errors import FlowError
from flow_core.providers.mithril.identity import MithrilIdentity

_KEPT_S = 3600.0


class OwnerNames:
    """Asked for once an hour. Tasks are shown with the ids of their owners when nobody answers."""

    def __init__(self, identity: MithrilIdentity) -> None:
        self._identity = identity
        self._names: Mapping[str, str] = {}
        self._asked_at = -_KEPT_S

    async def names(self) -> Mapping[str, str]:
        """By id."""
        if time.monotonic() - self._asked_at >= _KEPT_S:
            self._asked_at = time.monotonic()
            try:
                people = (await self._identity.me(), *await self._identity.teammates("me"))
                self._names = {one.user_id: one.name or one.email for one in people}
            except FlowError:
                return self._names
        return self._names
