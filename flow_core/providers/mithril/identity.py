"""Who a key belongs to, and with whom its owner works."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flow_core.errors import FlowError, NotFound
from flow_core.identifiers import is_cloud_id
from flow_core.models.identity import Project, SshKey, User
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import readable
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.projects import MithrilProjects
from flow_core.providers.mithril.ssh_keys import MithrilSshKeys

if TYPE_CHECKING:
    from flow_core.providers.contract.account import HttpFacet

_PREFIX = "user_"
_KEPT_S = 3600.0


class MithrilIdentity:
    """See the contract."""

    def __init__(self, http: MithrilHttp, projects: MithrilProjects, keys: MithrilSshKeys) -> None:
        self._http = http
        self._projects = projects
        self._keys = keys

    async def projects(self) -> tuple[Project, ...]:
        return await self._projects.all()

    async def me(self) -> User:
        """The owner of the key."""
        return _user(response_fields.table(await self._http.get("/v2/me"), "a user"))

    async def user(self, user_id: str) -> User | None:
        return await find_user(self._http, user_id)

    async def teammates(self, user_id: str) -> tuple[User, ...]:
        """Those whom the owner of the key may see, and of them those who share a project with somebody else."""
        mates = response_fields.rows(await self._http.get("/v2/me/teammates"), "teammates")
        mates = [row for row in mates if isinstance(row, dict)]
        if user_id == "me":
            return readable(mates, _user, "teammates")
        me = response_fields.table(await self._http.get("/v2/me"), "a user")
        if user_id not in _names(me):
            theirs = next((_projects(row) for row in mates if user_id in _names(row)), set())
            mates = [row for row in mates if user_id not in _names(row) and theirs & _projects(row)]
        return readable(mates, _user, "teammates")

    async def own_keys(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        return await self._keys.list(project_id)


async def find_user(http: HttpFacet, user_id: str) -> User | None:
    """A user over raw HTTP: under the whole id, then without its prefix. None for somebody unknown."""
    for name in dict.fromkeys((user_id, user_id.removeprefix(_PREFIX))):
        if is_cloud_id(name):
            try:
                return _user(response_fields.table(await http.get(f"/v2/users/{name}"), "a user"))
            except NotFound:
                continue
    return None


def _user(row: dict[str, Any]) -> User:
    return User(
        response_fields.identifier(row),
        response_fields.label(row, "user_name", "name"),
        response_fields.label(row, "email"),
        response_fields.word(row, "organization_role", "role"),
    )


def _names(row: dict[str, Any]) -> set[str]:
    return {name for name in (row.get("fid"), row.get("id")) if isinstance(name, str)}


def _projects(row: dict[str, Any]) -> set[str]:
    found = row.get("project_ids")
    return {one for one in found if isinstance(one, str)} if isinstance(found, list) else set()


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
