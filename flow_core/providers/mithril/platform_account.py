"""The platform behind an API key, for contexts whose own provider has no account: its keys and its people."""

from __future__ import annotations

from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.identity import MithrilIdentity
from flow_core.providers.mithril.projects import MithrilProjects
from flow_core.providers.mithril.settings import MithrilSettings, settings_from_environment
from flow_core.providers.mithril.ssh_keys import MithrilSshKeys


class MithrilPlatform:
    """Opens no connection before the first call. Whoever made it closes it."""

    def __init__(self, settings: MithrilSettings) -> None:
        self.http = MithrilHttp(settings)
        projects = MithrilProjects(self.http)
        self.ssh_keys = MithrilSshKeys(self.http, projects)
        self.identity = MithrilIdentity(self.http, projects, self.ssh_keys)

    async def close(self) -> None:
        """Twice is safe."""
        await self.http.close()


def platform_from_environment() -> MithrilPlatform | None:
    """None without a MITHRIL_API_KEY. Raises ConfigError."""
    settings = settings_from_environment()
    return None if settings is None else MithrilPlatform(settings)
