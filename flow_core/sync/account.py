"""The account, for blocking code."""

from __future__ import annotations

from flow_core.client.account import AsyncAccountResource
from flow_core.sync.twin import BlockingTwin, make_blocking


class AccountResource(BlockingTwin[AsyncAccountResource]):
    """The account behind one context."""

    projects = make_blocking(AsyncAccountResource.projects)
    user = make_blocking(AsyncAccountResource.user)
    teammates = make_blocking(AsyncAccountResource.teammates)
    quotas = make_blocking(AsyncAccountResource.quotas)
