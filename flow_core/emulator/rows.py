"""Rows of the simpler tables: users, projects, keys, volumes, clusters and lifecycle scripts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from flow_core.emulator.clock import iso_time, iso_time_or_none
from flow_core.emulator.ids import IdSource

ScriptScope = Literal["PROJECT", "ORGANIZATION"]
_SNIPPET = 9


@dataclass(slots=True)
class UserRow:
    """A user. `fid` is the platform's id of a row; `id` is the user's id at the sign-in service."""

    id: str
    fid: str
    user_name: str
    email: str
    organization_id: str
    organization_role: str
    project_ids: tuple[str, ...]
    deactivated_at: datetime | None = None

    def as_me_json(self) -> dict[str, Any]:
        names = ("id", "fid", "email", "user_name", "organization_id", "organization_role")
        return {name: getattr(self, name) for name in names}

    def as_teammate_json(self) -> dict[str, Any]:
        names = ("id", "fid", "user_name", "email", "organization_role")
        return {
            **{name: getattr(self, name) for name in names},
            "project_ids": list(self.project_ids),
            "deactivated_at": iso_time_or_none(self.deactivated_at),
        }


def create_users(
    ids: IdSource, names_and_roles: tuple[tuple[str, str], ...], project_ids: tuple[str, ...]
) -> list[UserRow]:
    """Creates the users of one organization."""
    organization = ids.uuid()
    return [
        UserRow(ids.uuid(), ids.make("user"), name, f"{name}@lab.example", organization, role, project_ids)
        for name, role in names_and_roles
    ]


@dataclass(frozen=True, slots=True)
class ProjectRow:
    fid: str
    name: str
    created_at: datetime

    def as_json(self) -> dict[str, Any]:
        return {"fid": self.fid, "name": self.name, "created_at": iso_time(self.created_at)}


@dataclass(slots=True)
class ApiKeyRow:
    fid: str
    name: str
    secret: str
    created_at: datetime
    expires_at: datetime
    deactivated_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.deactivated_at is None and now < self.expires_at

    def as_json(self) -> dict[str, Any]:
        return {
            "fid": self.fid,
            "name": self.name,
            "created_at": iso_time(self.created_at),
            "expires_at": iso_time(self.expires_at),
            "deactivated_at": iso_time_or_none(self.deactivated_at),
            "snippet": f"{self.secret[:_SNIPPET]}...",
        }


@dataclass(slots=True)
class SshKeyRow:
    fid: str
    name: str
    project: str
    public_key: str
    created_at: datetime
    required: bool

    def as_json(self) -> dict[str, Any]:
        names = ("fid", "name", "project", "public_key", "required")
        return {**{name: getattr(self, name) for name in names}, "created_at": iso_time(self.created_at)}


@dataclass(slots=True)
class VolumeRow:
    fid: str
    name: str
    project: str
    region: str
    interface: Literal["Block", "File"]
    size_gb: int
    created_at: datetime
    deleted_at: datetime | None = None


@dataclass(slots=True)
class ClusterRow:
    fid: str
    project: str
    name: str
    region: str
    created_at: datetime
    ssh_keys: list[str]
    k8s_version: str
    user: str
    deleted_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        is_up = self.deleted_at is None
        return {
            "fid": self.fid,
            "project": self.project,
            "name": self.name,
            "region": self.region,
            "created_at": iso_time(self.created_at),
            "kube_host": None,
            "ssh_keys": self.ssh_keys,
            "instances": [],
            "join_command": None,
            "status": "Available" if is_up else "Terminated",
            "deleted_at": iso_time_or_none(self.deleted_at),
            "k8s_version": self.k8s_version,
            "user_fid": self.user,
        }


@dataclass(slots=True)
class ScriptRow:
    fid: str
    project: str
    name: str
    description: str
    content: str
    scope: ScriptScope
    created_at: datetime
    created_by: str
    last_modified_at: datetime
    last_modified_by: str

    def as_json(self, url: str) -> dict[str, Any]:
        names = ("fid", "project", "name", "description", "scope", "created_by", "last_modified_by")
        return {
            **{name: getattr(self, name) for name in names},
            "content_url": f"{url}/v2/lifecycle-scripts/{self.fid}/content",
            "created_at": iso_time(self.created_at),
            "last_modified_at": iso_time(self.last_modified_at),
        }
