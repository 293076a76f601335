"""The SSH keys that Mithril puts on its instances."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from flow_core.config import state_dir
from flow_core.errors import NotFound
from flow_core.identifiers import is_cloud_id
from flow_core.models.identity import SshKey
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import parse_rows
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.private_keys import find_stored_ids, store_key, try_parse_public_key
from flow_core.providers.mithril.projects import MithrilProjects
from flow_core.ssh.public_keys import PublicKey, parse_public_key, read_local_public_keys

_PATH = "/v2/ssh-keys"
_DEFAULT_NAME = "flow-default"


class MithrilSshKeys:
    """The SSH key facet of the contract. Keys belong to a project: the requested one, or the chosen one."""

    def __init__(self, http: MithrilHttp, projects: MithrilProjects, folder: Path | None = None) -> None:
        self._http = http
        self._projects = projects
        self._folder = folder or state_dir() / "mithril"

    async def list(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        project = project_id or await self._projects.get_chosen_id()
        return parse_rows(
            response_fields.read_rows(await self._http.get(_PATH, project=project), "ssh keys"), _parse_key, "SSH keys"
        )

    async def create(self, name: str, public_key: str) -> SshKey:
        key = parse_public_key(public_key)
        body = {"project": await self._projects.get_chosen_id(), "name": name, "public_key": str(key)}
        return _parse_key(response_fields.read_table(await self._http.post(_PATH, body), "an SSH key"))

    async def generate(self, name: str) -> str:
        """Has the API create a key pair, stores the private key here for this user alone, and returns the key's id."""
        body = {"project": await self._projects.get_chosen_id(), "name": name}
        row = response_fields.read_table(await self._http.post(_PATH, body), "an SSH key")
        key_id, private_key = response_fields.read_id(row), response_fields.read_text(row, "private_key")
        await run_blocking(store_key, self._folder, key_id, private_key)
        return key_id

    async def delete(self, key_id: str) -> bool:
        if not is_cloud_id(key_id):
            return False
        try:
            await self._http.delete(f"{_PATH}/{key_id}")
        except NotFound:
            return False
        return True

    async def ensure_default(self) -> str | None:
        """Returns the id of a key of the project whose private key is here: stored after a launch, or in ~/.ssh.

        Without such a key, registers the first key of ~/.ssh as `flow-default`.
        """
        local = await asyncio.to_thread(read_local_public_keys)
        stored_ids = await asyncio.to_thread(find_stored_ids, self._folder)
        if not local and not stored_ids:
            return None
        project_keys = await self.list()
        for project_key in project_keys:
            if project_key.key_id in stored_ids:
                return project_key.key_id
        for key in local.values():
            if (
                registered := next((project_key for project_key in project_keys if is_same(project_key, key)), None)
            ) is not None:
                return registered.key_id
        if not local:
            return None
        first = next(iter(local.values()))
        return (await self.create(_choose_free_name(first, project_keys), str(first))).key_id

    def describe_create(self, name: str) -> str:
        return f"POST {self._http.settings.url}{_PATH} with {name!r} and its public key"

    def describe_delete(self, key_id: str) -> str:
        return f"DELETE {self._http.settings.url}{_PATH}/{key_id}"

    def describe_ensure_default(self) -> str:
        return (
            f"POST {self._http.settings.url}{_PATH} with {_DEFAULT_NAME!r} and a public key of ~/.ssh, if none is there"
        )


def _parse_key(row: dict[str, Any]) -> SshKey:
    public_key = response_fields.read_optional(row, "public_key")
    parsed = try_parse_public_key(public_key)
    fingerprint = response_fields.read_optional(row, "fingerprint") if parsed is None else parsed.fingerprint
    return SshKey(
        response_fields.read_id(row),
        response_fields.read_label(row, "name"),
        public_key,
        fingerprint,
        row.get("required") is True,
    )


def is_same(project_key: SshKey, local_key: PublicKey) -> bool:
    """Returns whether both are the same public key."""
    parsed = try_parse_public_key(project_key.public_key)
    return parsed is not None and parsed.is_same_as(local_key)


def _choose_free_name(key: PublicKey, project_keys: tuple[SshKey, ...]) -> str:
    """Returns `flow-default`; with a suffix if another key of the project has that name."""
    if all(project_key.name != _DEFAULT_NAME for project_key in project_keys):
        return _DEFAULT_NAME
    letters = "".join(letter for letter in key.fingerprint.removeprefix("SHA256:") if letter.isalnum())
    return f"{_DEFAULT_NAME}-{letters[:6].lower()}"
