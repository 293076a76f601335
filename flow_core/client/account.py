"""The account: its projects, its users, and its quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.argument_checks import check_text
from flow_core.providers import find_shared_platform

if TYPE_CHECKING:
    from flow_core.client.context_client import ContextClient
    from flow_core.models.identity import User
    from flow_core.models.market import Quota


class AsyncAccountResource:
    """The account behind one context."""

    def __init__(self, client: ContextClient) -> None:
        self._client = client

    async def projects(self) -> list[dict[str, str]]:
        """Returns the projects that the credentials may use, as {"id", "name"}; none in a context without projects."""
        identity = self._client.provider.identity
        return [] if identity is None else [project.to_dict() for project in await identity.projects()]

    async def user(self, user_id: str) -> User | None:
        """Returns a user by id; None for an unknown id, and in a context without users.

        A provider that has no users, but an `http`, looks the user up in the platform's API.
        """
        checked_id, provider = check_text("user_id", user_id), self._client.provider
        if provider.identity is not None:
            return await provider.identity.user(checked_id)
        if provider.http is None or (platform := find_shared_platform()) is None:
            return None
        return await platform.find_user(provider.http, checked_id)

    async def teammates(self, user_id: str) -> list[User]:
        """Returns the users who share a project with a user; none in a context without users."""
        checked_id, identity = check_text("user_id", user_id), self._client.provider.identity
        return [] if identity is None else list(await identity.teammates(checked_id))

    async def quotas(self) -> list[Quota]:
        """Returns the limit of each product and its use in the project.

        Raises Unsupported in a context without quotas.
        """
        return list(await self._client.get_facet(self._client.provider.market, "market").quotas())
