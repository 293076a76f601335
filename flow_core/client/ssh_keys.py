"""SSH keys that open instances, on this machine and on a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.argument_checks import check_optional_text, check_text
from flow_core.errors import Unsupported
from flow_core.providers import find_shared_platform

if TYPE_CHECKING:
    from flow_core.client.context_client import ContextClient
    from flow_core.providers.contract.account import SshKeyFacet


class AsyncSshKeyResource:
    """The SSH keys of one context. Keys are tables of text, as in the reference.

    The platform's keys are the provider's; if it has none, the Mithril API's if MITHRIL_API_KEY is set.
    """

    def __init__(self, client: ContextClient) -> None:
        self._client = client

    async def list_platform(self) -> list[dict[str, str]]:
        """Returns the platform's SSH keys, as {"id", "name", "public_key", "fingerprint"}; none without a platform.

        Without keys of the provider, these are the keys of the Mithril API if MITHRIL_API_KEY is set.
        Raises AuthError, Unreachable, and ConfigError for a MITHRIL_PROJECT that doesn't exist.
        """
        keys = self._platform_keys
        return [] if keys is None else [key.to_dict() for key in await keys.list()]

    async def create(self, name: str, public_key: str) -> dict[str, str]:
        """Registers a public key with the platform. Two calls register two keys.

        Raises ConfigError, Conflict, AuthError, Unreachable, and Unsupported without a platform.
        """
        keys, text = self.manager(), check_text("public_key", public_key)
        called = check_text("name", name)
        call = keys.describe_create(called)
        made = await self._client.run_change("create SSH key", called, call, lambda: keys.create(called, text))
        return made.to_dict()

    async def delete(self, key_id: str) -> bool:
        """Deletes a key of the platform; returns False if there is no such key.

        Raises Conflict while the key is in use.
        """
        keys, checked_id = self.manager(), check_text("key_id", key_id)
        call = keys.describe_delete(checked_id)
        return await self._client.run_change("delete SSH key", checked_id, call, lambda: keys.delete(checked_id))

    async def ensure_default(self) -> str | None:
        """Returns the id of a platform key that ~/.ssh has too, and registers one if there is none.

        Returns None without a platform, and without a key in ~/.ssh.
        """
        keys = self._platform_keys
        if keys is None:
            return None
        call = keys.describe_ensure_default()
        return await self._client.run_change("ensure SSH key", "the default key", call, keys.ensure_default)

    def manager(self) -> SshKeyFacet:
        """Returns the provider's own object for the platform's keys, without gate and audit log. Raises Unsupported."""
        keys = self._platform_keys
        if keys is None:
            context, platform = self._client.context, find_shared_platform()
            hint = "" if platform is None else f"; {platform.hint}"
            raise Unsupported(f"context {context.name!r} (provider {context.provider}) has no platform SSH keys{hint}")
        return keys

    async def list(self, project_id: str | None = None) -> list[dict[str, str]]:
        """Returns keys, optionally of one project, as {"id", "name", "public_key", "fingerprint"}.

        These are the provider's keys if it has any, otherwise the public keys in this user's ~/.ssh.
        """
        checked_id, provider = check_optional_text("project_id", project_id), self._client.provider
        if provider.ssh_keys is not None:
            return [key.to_dict() for key in await provider.ssh_keys.list(checked_id)]
        identity = provider.identity
        return [] if identity is None else [key.to_dict() for key in await identity.own_keys(checked_id)]

    @property
    def _platform_keys(self) -> SshKeyFacet | None:
        if (own := self._client.provider.ssh_keys) is not None:
            return own
        platform = self._client.platform
        return None if platform is None else platform.ssh_keys
