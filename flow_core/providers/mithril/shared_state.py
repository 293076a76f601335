"""The state that the facets of one context share: the HTTP client, caches and the pool of machines."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flow_core.config import state_dir
from flow_core.errors import FlowError
from flow_core.providers.mithril.catalog import Catalog, InstanceType, Offer
from flow_core.providers.mithril.cost_so_far import Costs
from flow_core.providers.mithril.exit_status import ExitStatusCache
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.identity import MithrilIdentity, OwnerNames
from flow_core.providers.mithril.launch_keys import LaunchKeys
from flow_core.providers.mithril.node_ssh import MithrilMachines
from flow_core.providers.mithril.projects import MithrilProjects
from flow_core.providers.mithril.settings import MithrilSettings
from flow_core.providers.mithril.ssh_keys import MithrilSshKeys
from flow_core.providers.mithril.submitted_specs import SubmittedSpecs
from flow_core.providers.over_ssh.host_pool import HostPool

if TYPE_CHECKING:
    from flow_core.prompter import Prompter

_KEYS_KEPT_S = 60.0


class MarketOffers(NamedTuple):
    """Types by id, offers by type id and region, and notes about what could not be read."""

    types: Mapping[str, InstanceType]
    offers: Mapping[tuple[str, str], Offer]
    unreadable: tuple[str, ...] = ()


class MithrilSession:
    """One API key, its project, and the machines that are rented with it."""

    def __init__(self, context: str, settings: MithrilSettings, prompter: Prompter | None) -> None:
        self.context = context
        self.settings = settings
        self.folder: Path = state_dir().absolute() / "mithril"
        self.http = MithrilHttp(settings)
        self.projects = MithrilProjects(self.http)
        self.catalog = Catalog(self.http)
        self.costs = Costs(self.http)
        self.ssh_keys = MithrilSshKeys(self.http, self.projects, self.folder)
        self.identity = MithrilIdentity(self.http, self.projects, self.ssh_keys)
        self.owners = OwnerNames(self.identity)
        self.launch_keys = LaunchKeys(self.ssh_keys, self.folder, settings.ssh_keys, settings.ssh_key_file)
        self.pool = HostPool(prompter, settings.login_timeout_s)
        self.machines = MithrilMachines(self.pool, self.folder, settings.ssh_key_file)
        self.exit_statuses = ExitStatusCache(self.folder)
        self.specs = SubmittedSpecs(self.folder)
        self._keys: Mapping[str, str] = {}
        self._keys_at = -_KEYS_KEPT_S

    async def get_public_keys(self, key_ids: Collection[str]) -> Mapping[str, str]:
        """Returns the public keys of a bid, by key id, without those that the project no longer has."""
        is_known = set(key_ids) <= set(self._keys)
        if time.monotonic() - self._keys_at >= _KEYS_KEPT_S or not is_known:
            self._keys = {key.key_id: key.public_key for key in await self.ssh_keys.list()}
            self._keys_at = time.monotonic()
        return {key_id: self._keys[key_id] for key_id in key_ids if key_id in self._keys}

    async def get_market_offers(self) -> MarketOffers:
        """Returns the current offers, or the last known ones with a note."""
        try:
            types, offers = await self.catalog.get_types(), await self.catalog.get_offers()
            notes = offers.unreadable
        except FlowError as error:
            types, offers = self.catalog.known
            notes = (f"what machines cost now is not known: {error}",)
        return MarketOffers(types, {(offer.type.type_id, offer.region): offer for offer in offers}, notes)

    async def close(self) -> None:
        """Closes all connections. Calling it again is safe."""
        await self.exit_statuses.close()
        await self.pool.close()
        await self.http.close()
