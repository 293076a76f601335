"""Submits a task: checks first, then creates what is missing, then bids; a failure leaves nothing behind."""

from __future__ import annotations

import hashlib
import secrets
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.errors import Conflict
from flow_core.models.task import VolumeMount
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.api_response import OutcomeUnknown
from flow_core.providers.mithril.bids import BIDS, Bid, parse_rows, read_script
from flow_core.providers.mithril.catalog import Offer
from flow_core.providers.mithril.idempotent_create import create_once
from flow_core.providers.mithril.money import format_usd
from flow_core.providers.mithril.offer_choice import OfferQuery, choose_offer
from flow_core.providers.mithril.startup.script_content import Mount, ScriptContent
from flow_core.providers.mithril.submitted_specs import SubmittedSpec
from flow_core.providers.mithril.supported_fields import check_task
from flow_core.providers.mithril.task_volumes import TaskVolumes

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.mithril.shared_state import MithrilSession
    from flow_core.providers.mithril.volumes import MithrilVolumes

_MARGIN = {"low": Decimal("1.25"), "med": Decimal(2), "high": Decimal(4)}


class MithrilSubmission:
    """One submit. `code_to_send` is the folder whose code has to be sent after the bid; None if there is none."""

    def __init__(self, session: MithrilSession, volumes: MithrilVolumes, config: TaskConfig) -> None:
        self._session = session
        self._volumes = volumes
        self._config = config
        self.code_to_send: Path | None = None

    async def run(self) -> str:
        """Submits the task and returns the bid's id.

        Raises ConfigError, Unsupported, CapacityError, Conflict, NotFound, Unreachable and OutcomeUnknown.
        """
        config, specs = self._config, self._session.specs
        check_task(config)
        if config.idempotency_key and (earlier_bid_id := await specs.find_by_key(config.idempotency_key)) is not None:
            return earlier_bid_id
        volumes = TaskVolumes(self._volumes, config)
        offer = choose_offer(await self._session.catalog.get_offers(), await self._make_query(volumes))
        content, bids = ScriptContent(config, offer.type.gpu_count), BidSubmitter(self._session)
        await bids.check_name_is_free(content.name)
        await volumes.find(offer.region)
        await content.pack_code()
        content.build_script(())  # raises before anything is created if the script is too long
        keys = await self._session.launch_keys.choose(config.ssh_keys)
        try:
            mounts = await volumes.create()
            bid = await bids.submit(await self._build_body(offer, content, mounts, keys), config.idempotency_key)
        except OutcomeUnknown:
            raise  # the bid may exist, with these volumes
        except BaseException:
            await volumes.delete_created()
            raise
        self.code_to_send = content.code_to_send
        await specs.store(bid.bid_id, self._make_spec(mounts))
        return bid.bid_id

    async def _make_query(self, volumes: TaskVolumes) -> OfferQuery:
        config = self._config
        region = config.region or await volumes.find_region()
        return OfferQuery(
            types=(self._default_type,) if self._default_type else config.instance_types,
            region=region or self._session.settings.region,
            gpu_memory_gb=config.min_gpu_memory_gb,
            cpus=config.min_cpus,
            memory_gb=config.min_memory_gb,
            most_usd=None if config.max_price_per_hour is None else Decimal(str(config.max_price_per_hour)),
        )

    @property
    def _default_type(self) -> str | None:
        """The context's default instance type, if the task names none."""
        is_given = self._config.instance_types or self._config.min_gpu_memory_gb is not None
        return None if is_given else self._session.settings.instance_type

    async def _build_body(
        self, offer: Offer, content: ScriptContent, mounts: list[Mount], keys: tuple[str, ...]
    ) -> dict[str, Any]:
        return {
            "project": await self._session.projects.get_chosen_id(),
            "region": offer.region,
            "instance_type": offer.type.type_id,
            "limit_price": format_usd(limit_usd(self._config, offer)),
            "instance_quantity": self._config.num_instances,
            "name": content.name,
            "launch_specification": {
                "volumes": [volume.volume_id for volume, _ in mounts],
                "ssh_keys": list(keys),
                "startup_script": content.build_script(mounts),
            },
        }

    def _make_spec(self, mounts: list[Mount]) -> SubmittedSpec:
        volume_mounts = tuple(VolumeMount(volume.volume_id, volume.name, target) for volume, target in mounts)
        defaults = {"instance_type": self._default_type} if self._default_type else {}
        return SubmittedSpec(self._config.to_dict() | defaults, volume_mounts)


def limit_usd(config: TaskConfig, offer: Offer) -> Decimal:
    """Returns the limit in USD per hour and instance.

    This is the task's own limit, or the market price with the margin of the task's priority.
    """
    if config.max_price_per_hour is not None:
        return Decimal(str(config.max_price_per_hour))
    return offer.price_usd * _MARGIN[config.priority]


class BidSubmitter:
    """The submit of bids for one account."""

    def __init__(self, session: MithrilSession) -> None:
        self._session = session

    async def check_name_is_free(self, name: str) -> None:
        """Checks that no active bid has the name. Raises Conflict."""
        if (holder := await self._find_active_bid(name)) is not None:
            raise Conflict(
                f"name: {name!r} is that of task {holder.bid_id}; cancel that one, or choose another name", field="name"
            )

    async def submit(self, body: dict[str, Any], key: str | None) -> Bid:
        """Places a bid. `key` is the caller's idempotency key. Raises OutcomeUnknown if it may have been placed."""
        idempotency_key = (
            f"flow-{hashlib.sha256(key.encode()).hexdigest()}" if key else f"flow-bid-{secrets.token_hex(16)}"
        )
        name, script = body["name"], body["launch_specification"]["startup_script"]

        return await create_once(
            lambda: self._session.http.post(BIDS, body, idempotency_key=idempotency_key),
            lambda answer: Bid.of(response_fields.read_table(answer, "a bid")),
            lambda: self._find_active_bid(name, script),
            f"the bid {name!r}",
        )

    async def _find_active_bid(self, name: str, script: str = "") -> Bid | None:
        """Returns an active bid with this name; with `script`, only one that was placed with that script."""
        project = await self._session.projects.get_chosen_id()
        rows = response_fields.read_rows(await self._session.http.get(BIDS, project=project, name=name), "bids")
        for bid, bid_script in parse_rows(rows, lambda row: (Bid.of(row), read_script(row)), "bids"):
            is_other = bool(script and bid_script) and bid_script != script
            if bid.name == name and bid.status != "Terminated" and not is_other:
                return bid
        return None
