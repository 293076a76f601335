"""The owner of an API key, and the users in the same projects."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flow_core.errors import FlowError, NotFound
from flow_core.identifiers import is_cloud_id
from flow_core.models.identity import Project, SshKey, User
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import parse_rows
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.projects import MithrilProjects
from flow_core.providers.mithril.ssh_keys import MithrilSshKeys

if TYPE_CHECKING:
    from flow_core.providers.contract.account import HttpFacet

_PREFIX = "user_"
_KEPT_S = 3600.0


class MithrilIdentity:
    """The identity facet of the contract."""

    def __init__(self, http: MithrilHttp, projects: MithrilProjects, keys: MithrilSshKeys) -> None:
        self._http = http
        self._projects = projects
        self._keys = keys

    async def projects(self) -> tuple[Project, ...]:
        return await self._projects.list()

    async def get_owner(self) -> User:
        """Returns the owner of the key."""
        return _parse_user(response_fields.read_table(await self._http.get("/v2/me"), "a user"))

    async def user(self, user_id: str) -> User | None:
        return await find_user(self._http, user_id)

    async def teammates(self, user_id: str) -> tuple[User, ...]:
        """Returns the users whom the owner of the key may see.

        For another user than the owner, returns those of them who share a project with that user.
        """
        teammates = response_fields.read_rows(await self._http.get("/v2/me/teammates"), "teammates")
        teammates = [row for row in teammates if isinstance(row, dict)]
        if user_id == "me":
            return parse_rows(teammates, _parse_user, "teammates")
        me = response_fields.read_table(await self._http.get("/v2/me"), "a user")
        if user_id not in _read_ids(me):
            project_ids = next((_read_project_ids(row) for row in teammates if user_id in _read_ids(row)), set())
            teammates = [
                row for row in teammates if user_id not in _read_ids(row) and project_ids & _read_project_ids(row)
            ]
        return parse_rows(teammates, _parse_user, "teammates")

    async def own_keys(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        return await self._keys.list(project_id)


async def find_user(http: HttpFacet, user_id: str) -> User | None:
    """Fetches a user over raw HTTP: by the full id, then without its prefix. None if the user is unknown."""
    for name in dict.fromkeys((user_id, user_id.removeprefix(_PREFIX))):
        if is_cloud_id(name):
            try:
                return _parse_user(response_fields.read_table(await http.get(f"/v2/users/{name}"), "a user"))
            except NotFound:
                continue
    return None


def _parse_user(row: dict[str, Any]) -> User:
    return User(
        response_fields.read_id(row),
        response_fields.read_label(row, "user_name", "name"),
        response_fields.read_label(row, "email"),
        response_fields.read_word(row, "organization_role", "role"),
    )


def _read_ids(row: dict[str, Any]) -> set[str]:
    return {name for name in (row.get("fid"), row.get("id")) if isinstance(name, str)}


def _read_project_ids(row: dict[str, Any]) -> set[str]:
    project_ids = row.get("project_ids")
    return (
        {project_id for project_id in project_ids if isinstance(project_id, str)}
        if isinstance(project_ids, list)
        else set()
    )


class OwnerNames:
    """The names of users, read once an hour. Without a response, tasks are shown with the ids of their owners."""

    def __init__(self, identity: MithrilIdentity) -> None:
        self._identity = identity
        self._names: Mapping[str, str] = {}
        self._read_at = -_KEPT_S

    async def get_names(self) -> Mapping[str, str]:
        """Returns the names by user id."""
        if time.monotonic() - self._read_at >= _KEPT_S:
            self._read_at = time.monotonic()
            try:
                users = (await self._identity.get_owner(), *await self._identity.teammates("me"))
                self._names = {user.user_id: user.name or user.email for user in users}
            except FlowError:
                return self._names
        return self._names
