"""The account: projects, people, and the keys that open instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core import validation
from flow_core.client.context_client import ContextClient
from flow_core.errors import Unsupported

if TYPE_CHECKING:
    from flow_core.models.identity import User
    from flow_core.providers.account import SshKeyFacet
    from flow_core.providers.mithril.platform import MithrilPlatform


class AccountCalls(ContextClient):
    """What a client asks about its account. Keys and projects are tables of text, as the reference has them."""

    _platform: MithrilPlatform | None = None

    async def list_projects(self) -> list[dict[str, str]]:
        """What the current credentials may use, as {"id", "name"}; [] when unsupported."""
        identity = self.provider.identity
        return [] if identity is None else [project.to_dict() for project in await identity.projects()]

    async def get_user(self, user_id: str) -> User | None:
        """A user by id; None for somebody unknown, or when unsupported.

        A provider without users of its own, but with an `http` to ask, is asked for the path of the platform's API.
        """
        wanted, provider = validation.text("user_id", user_id), self.provider
        if provider.identity is not None:
            return await provider.identity.user(wanted)
        if (http := getattr(provider, "http", None)) is None:
            return None
        from flow_core.providers.mithril.identity import find_user  # deferred: hardly anybody comes this far

        return await find_user(http, wanted)

    async def get_user_teammates(self, user_id: str) -> list[User]:
        """Those who share projects with a user; [] when unsupported."""
        wanted, identity = validation.text("user_id", user_id), self.provider.identity
        return [] if identity is None else list(await identity.teammates(wanted))

    async def list_ssh_keys(self, project_id: str | None = None) -> list[dict[str, str]]:
        """Keys, optionally of one project, as {"id", "name", "public_key", "fingerprint"}.

        Those of the platform where it has any, else the public keys in this user's ~/.ssh.
        """
        wanted, provider = validation.optional_text("project_id", project_id), self.provider
        if provider.ssh_keys is not None:
            return [key.to_dict() for key in await provider.ssh_keys.list(wanted)]
        identity = provider.identity
        return [] if identity is None else [key.to_dict() for key in await identity.own_keys(wanted)]

    async def list_platform_ssh_keys(self) -> list[dict[str, str]]:
        """The platform's SSH keys, as {"id", "name", "public_key", "fingerprint"}.

        Those of the provider; of one that has none, those of the Mithril API when MITHRIL_API_KEY is set, else [].
        Raises AuthError, Unreachable, and ConfigError for a MITHRIL_PROJECT that isn't there.
        """
        keys = self._platform_keys
        return [] if keys is None else [key.to_dict() for key in await keys.list()]

    async def create_platform_ssh_key(self, name: str, public_key: str) -> dict[str, str]:
        """Registers a public key with the platform (see `list_platform_ssh_keys`). Not safe twice.

        Raises ConfigError, Conflict, AuthError, Unreachable, Unsupported.
        """
        keys, text = self.get_ssh_key_manager(), validation.text("public_key", public_key)
        called = validation.text("name", name)
        call = keys.describe_create(called)
        return (await self.change("create SSH key", called, call, lambda: keys.create(called, text))).to_dict()

    async def delete_platform_ssh_key(self, key_id: str) -> bool:
        """Takes a key from the platform; False when there is no such key. Raises Conflict while it is in use."""
        keys, wanted = self.get_ssh_key_manager(), validation.text("key_id", key_id)
        return await self.change("delete SSH key", wanted, keys.describe_delete(wanted), lambda: keys.delete(wanted))

    async def ensure_default_ssh_key(self) -> str | None:
        """The id of a platform key that is in ~/.ssh too, registered now if need be.

        None without a platform (see `list_platform_ssh_keys`), or without a key in ~/.ssh.
        """
        keys = self._platform_keys
        if keys is None:
            return None
        return await self.change(
            "ensure SSH key", "the default key", keys.describe_ensure_default(), keys.ensure_default
        )

    def get_ssh_key_manager(self) -> SshKeyFacet:
        """The platform's keys (see `list_platform_ssh_keys`). Raises Unsupported."""
        keys = self._platform_keys
        if keys is None:
            raise Unsupported(
                f"context {self.context.name!r} (provider {self.context.provider}) has no platform SSH keys;"
                " set MITHRIL_API_KEY to manage those of Mithril"
            )
        return keys

    async def close(self) -> None:
        """Lets go of the provider; twice is safe. Tasks go on. Later calls raise FlowError."""
        platform, self._platform = self._platform, None
        try:
            await super().close()
        finally:
            if platform is not None:
                await platform.close()

    @property
    def _platform_keys(self) -> SshKeyFacet | None:
        if (own := self.provider.ssh_keys) is not None:
            return own
        if self._platform is None:
            from flow_core.providers.mithril.platform import platform_from_environment  # deferred: rarely needed

            self._platform = platform_from_environment()
        return None if self._platform is None else self._platform.ssh_keys
