"""The account of an API key, for contexts whose own provider has no account: its keys and its users."""

from __future__ import annotations

from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.identity import MithrilIdentity
from flow_core.providers.mithril.projects import MithrilProjects
from flow_core.providers.mithril.settings import MithrilSettings, read_environment_settings
from flow_core.providers.mithril.ssh_keys import MithrilSshKeys


class MithrilPlatform:
    """The account of an API key. Opens no connection before the first call. The caller that creates it closes it."""

    def __init__(self, settings: MithrilSettings) -> None:
        self.http = MithrilHttp(settings)
        projects = MithrilProjects(self.http)
        self.ssh_keys = MithrilSshKeys(self.http, projects)
        self.identity = MithrilIdentity(self.http, projects, self.ssh_keys)

    async def close(self) -> None:
        """Closes the connections. Calling it again is safe."""
        await self.http.close()


def open_platform_account() -> MithrilPlatform | None:
    """Opens the account of MITHRIL_API_KEY; None if that is not set. Raises ConfigError."""
    settings = read_environment_settings()
    return None if settings is None else MithrilPlatform(settings)
