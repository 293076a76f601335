"""SSH keys, for blocking code."""

from __future__ import annotations

from flow_core.client.ssh_keys import AsyncSshKeyResource
from flow_core.sync.provider_wrappers import SshKeyFacade
from flow_core.sync.twin import BlockingTwin, copy_docstring, make_blocking


class SshKeyResource(BlockingTwin[AsyncSshKeyResource]):
    """The SSH keys of one context. Keys are tables of text, as in the reference.

    The platform's keys are the provider's; if it has none, the Mithril API's if MITHRIL_API_KEY is set.
    """

    list_platform = make_blocking(AsyncSshKeyResource.list_platform)
    create = make_blocking(AsyncSshKeyResource.create)
    delete = make_blocking(AsyncSshKeyResource.delete)
    ensure_default = make_blocking(AsyncSshKeyResource.ensure_default)

    @copy_docstring(AsyncSshKeyResource.manager)
    def manager(self) -> SshKeyFacade:
        return SshKeyFacade(self._twin.manager)

    list = make_blocking(AsyncSshKeyResource.list)
