"""The account: projects, people, and the keys that open instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core import checks
from flow_core.client.connection import Connection

if TYPE_CHECKING:
    from flow_core.models.identity import User
    from flow_core.providers.account import SshKeyFacet


class AccountCalls(Connection):
    """What a client asks about its account. Keys and projects are tables of text, as the reference has them."""

    async def list_projects(self) -> list[dict[str, str]]:
        """What the current credentials may use, as {"id", "name"}; [] when unsupported."""
        identity = self.provider.identity
        return [] if identity is None else [project.to_dict() for project in await identity.projects()]

    async def get_user(self, user_id: str) -> User | None:
        """A user by id; None for somebody unknown, or when unsupported."""
        wanted, identity = checks.text("user_id", user_id), self.provider.identity
        return None if identity is None else await identity.user(wanted)

    async def get_user_teammates(self, user_id: str) -> list[User]:
        """Those who share projects with a user; [] when unsupported."""
        wanted, identity = checks.text("user_id", user_id), self.provider.identity
        return [] if identity is None else list(await identity.teammates(wanted))

    async def list_ssh_keys(self, project_id: str | None = None) -> list[dict[str, str]]:
        """Keys, optionally of one project, as {"id", "name", "public_key", "fingerprint"}.

        Those of the platform where it has any, else the public keys in this user's ~/.ssh.
        """
        wanted, provider = checks.optional_text("project_id", project_id), self.provider
        if provider.ssh_keys is not None:
            return [key.to_dict() for key in await provider.ssh_keys.list(wanted)]
        identity = provider.identity
        return [] if identity is None else [key.to_dict() for key in await identity.own_keys(wanted)]

    async def list_platform_ssh_keys(self) -> list[dict[str, str]]:
        """The platform's SSH keys, as {"id", "name", "public_key", "fingerprint"}; [] where there are none to list."""
        keys = self.provider.ssh_keys
        return [] if keys is None else [key.to_dict() for key in await keys.list()]

    async def create_platform_ssh_key(self, name: str, public_key: str) -> dict[str, str]:
        """Registers a public key with the platform. Not safe twice. Raises ConfigError, Conflict, Unsupported."""
        keys, text = self.get_ssh_key_manager(), checks.text("public_key", public_key)
        called = checks.text("name", name)
        key = await self.change("create SSH key", called, f"register {called}", lambda: keys.create(called, text))
        return key.to_dict()

    async def delete_platform_ssh_key(self, key_id: str) -> bool:
        """Takes a key from the platform; false when there is no such key. Raises Conflict while it is in use."""
        keys, wanted = self.get_ssh_key_manager(), checks.text("key_id", key_id)
        return await self.change("delete SSH key", wanted, f"delete {wanted}", lambda: keys.delete(wanted))

    async def ensure_default_ssh_key(self) -> str | None:
        """The id of a platform key that this machine can use, registered now if need be; None when unsupported."""
        keys = self.provider.ssh_keys
        if keys is None:
            return None
        return await self.change("ensure SSH key", "the default key", "register a key of ~/.ssh", keys.ensure_default)

    def get_ssh_key_manager(self) -> SshKeyFacet:
        """The platform's keys. Raises Unsupported."""
        return self.facet(self.provider.ssh_keys, "platform SSH keys")
