"""Placing a bid: all refusals first, then what has to be made, then the bid, and never two of them."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError, Conflict, NotFound, ProviderError, Unreachable
from flow_core.models.task import VolumeMount
from flow_core.models.volume import Volume
from flow_core.providers.mithril import wire
from flow_core.providers.mithril.answers import InDoubt
from flow_core.providers.mithril.bids import Bid, readable
from flow_core.providers.mithril.catalog import Offer
from flow_core.providers.mithril.money import written
from flow_core.providers.mithril.refusals import refuse_what_is_not_there
from flow_core.providers.mithril.startup.script import LONGEST, NodeTask, NodeVolume, startup_script
from flow_core.providers.mithril.told import Told
from flow_core.upload.pack import pack

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig, VolumeSpec
    from flow_core.providers.mithril.account import Account
    from flow_core.providers.mithril.volumes import MithrilVolumes

_BIDS = "/v2/spot/bids"
_HAS_SUFFIX = re.compile(r".*-[0-9a-f]{6}")
_HEADROOM = {"low": Decimal("1.25"), "med": Decimal(2), "high": Decimal(4)}
_WORKSPACE = "/workspace"
_MOST_CODE = 512 << 20
_LOOKS = 4


class Submission:
    """One submit. `code_to_send` is the folder whose code has to follow the bid, None where nothing does."""

    def __init__(self, account: Account, volumes: MithrilVolumes, config: TaskConfig) -> None:
        self._account = account
        self._volumes = volumes
        self._config = config
        self.code_to_send: Path | None = None

    async def run(self) -> str:
        """The bid's id. Raises ConfigError, Unsupported, CapacityError, Conflict, NotFound, Unreachable."""
        config = self._config
        refuse_what_is_not_there(config)
        offer = await self._account.catalog.choose(
            config.instance_types,
            gpu_memory_gb=config.min_gpu_memory_gb,
            region=config.region or self._account.settings.region,
            most_usd=None if config.max_price_per_hour is None else Decimal(str(config.max_price_per_hour)),
        )
        name = task_name(config)
        await self._refuse_a_taken_name(name)
        wanted = await self._asked_volumes(offer.region)
        code = await self._code()
        script = self._script(name, offer, code, [])  # refused before anything is made, if it is too long
        keys = await self._account.launch_keys.choose(config.ssh_keys)
        mounts = [(await self._made(one, offer.region), target) for one, target in wanted]
        script = self._script(name, offer, code, mounts)
        bid = await self._place({
            "project": await self._account.projects.chosen_id(),
            "region": offer.region,
            "instance_type": offer.type.type_id,
            "limit_price": written(limit_usd(config, offer)),
            "instance_quantity": config.num_instances,
            "name": name,
            "launch_specification": {
                "volumes": [volume.volume_id for volume, _ in mounts],
                "ssh_keys": list(keys),
                "startup_script": script,
            },
        })  # fmt: skip
        told = tuple(VolumeMount(volume.volume_id, volume.name, target) for volume, target in mounts)
        await self._account.told.keep(bid.bid_id, Told(config.said(), told))
        return bid.bid_id

    async def _place(self, body: dict[str, Any]) -> Bid:
        """A lost answer may hide a bid that was placed: it is looked for by its name, which is its own."""
        once = self._config.idempotency_key or f"flow-bid-{secrets.token_hex(16)}"
        try:
            return Bid.of(wire.table(await self._account.http.post(_BIDS, body, once=once), "a bid"))
        except (Unreachable, InDoubt) as error:
            found = await self._placed_all_the_same(body["name"], error)
            if found is None:
                raise
            return found

    async def _placed_all_the_same(self, name: str, error: ProviderError) -> Bid | None:
        """Raises ProviderError when nobody answers that either."""
        silence: Unreachable | None = None
        for look in range(_LOOKS):
            await asyncio.sleep(0.25 * 2**look if look else 0)
            try:
                if (found := await self._living(name)) is not None:
                    return found
                silence = None
            except Unreachable as silent:
                silence = silent
        if silence is None:
            return None
        raise ProviderError(
            f"{error}; whether the bid {name!r} was placed is not known, so look for it before you submit again"
        ) from silence

    async def _living(self, name: str) -> Bid | None:
        project = await self._account.projects.chosen_id()
        rows = wire.rows(await self._account.http.get(_BIDS, project=project, name=name), "bids")
        bids = (bid for bid in readable(rows, Bid.of, "bids") if bid.name == name and bid.status != "Terminated")
        return next(bids, None)

    async def _refuse_a_taken_name(self, name: str) -> None:
        if (holder := await self._living(name)) is not None:
            raise Conflict(f"name: {name!r} is that of task {holder.bid_id}, which hasn't ended; choose another")

    async def _asked_volumes(self, region: str) -> list[tuple[Volume | VolumeSpec, str]]:
        """Each with its target; those that have to be made are still what was asked for."""
        wanted: list[tuple[Volume | VolumeSpec, str]] = []
        for mount in self._config.data_mounts:
            name = mount.source.removeprefix("volume://").strip("/")
            wanted.append((await self._volumes.find(name, region), mount.target))
        for spec in self._config.volumes:
            wanted.append((await self._existing(spec, region) or spec, spec.target))
        for one, _ in wanted:
            if isinstance(one, Volume) and one.interface == "block":
                self._refuse_a_held(one)
        return wanted

    async def _existing(self, spec: VolumeSpec, region: str) -> Volume | None:
        if spec.volume_id is None and spec.name is None:
            return None
        try:
            return await self._volumes.find(spec.volume_id or spec.name or "", region)
        except NotFound:
            if spec.create_if_missing and spec.volume_id is None:
                return None
            raise

    def _refuse_a_held(self, volume: Volume) -> None:
        if self._config.num_instances > 1:
            raise ConfigError(f"volumes: {volume.name} is a block volume, for one instance only", field="volumes")
        if volume.attached_to:
            raise Conflict(f"volumes: {volume.name} is attached to {', '.join(volume.attached_to)}")

    async def _made(self, one: Volume | VolumeSpec, region: str) -> Volume:
        if isinstance(one, Volume):
            return one
        return await self._volumes.create(one.size_gb, one.name, one.interface, region)

    async def _code(self) -> bytes:
        """What travels within the script; `code_to_send` is set when it doesn't fit there."""
        config = self._config
        if not config.upload_code or config.upload_strategy == "none":
            return b""
        source = await asyncio.to_thread(_folder, config.code_root or ".")
        most = 0 if config.upload_strategy == "scp" else LONGEST * 3 // 4
        packed = await pack(source, most, _MOST_CODE)
        if packed is not None and self._fits(packed):
            return packed
        if config.upload_strategy == "embedded":
            raise ConfigError(
                f"upload_strategy: the code in {str(source)!r} doesn't fit into a startup script; write scp or auto",
                field="upload_strategy",
            )
        self.code_to_send = source
        return b""

    def _fits(self, code: bytes) -> bool:
        try:
            startup_script(self._task("x" * len(task_name(self._config)), 0, code, ()))
        except ConfigError:
            return False
        return True

    def _script(self, name: str, offer: Offer, code: bytes, mounts: list[tuple[Volume, str]]) -> str:
        volumes = tuple(
            NodeVolume("File" if volume.interface == "file" else "Block", volume.volume_id, volume.name, target)
            for volume, target in mounts
        )
        return startup_script(self._task(name, offer.type.gpu_count, code, volumes))

    def _task(self, name: str, gpu_count: int, code: bytes, volumes: tuple[NodeVolume, ...]) -> NodeTask:
        config, retries = self._config, self._config.retries
        return NodeTask(
            name=name,
            command=config.command,
            working_dir=config.working_dir or _WORKSPACE,
            env=config.env | _ports(config.ports),
            image=config.image or "",
            nodes=config.num_instances,
            distributed=config.distributed_mode or "auto",
            gpu_count=gpu_count,
            volumes=volumes,
            attempts=1 + (retries.max_retries if retries else 0),
            delay_s=retries.delay_s if retries else 0.0,
            delay_factor=2.0 if retries and retries.mode == "exponential" else 1.0,
            delay_max_s=retries.max_delay_s if retries else 0.0,
            limit_s=round((config.max_run_time_hours or 0) * 3600),
            code=code,
            code_wait_s=config.upload_timeout if self.code_to_send is not None else 0,
        )


def _folder(code_root: str) -> Path:
    """Blocking."""
    source = Path(os.path.expanduser(code_root)).absolute()
    if not source.is_dir():
        raise ConfigError(f"code_root: {str(source)!r} is no folder", field="code_root")
    return source


def limit_usd(config: TaskConfig, offer: Offer) -> Decimal:
    """USD per hour and instance: what was said, else the market price with the headroom of the task's priority."""
    if config.max_price_per_hour is not None:
        return Decimal(str(config.max_price_per_hour))
    return offer.price_usd * _HEADROOM[config.priority]


def task_name(config: TaskConfig) -> str:
    """The name, made unique where asked for."""
    if not config.unique_name or _HAS_SUFFIX.fullmatch(config.name):
        return config.name
    return f"{config.name[:121]}-{secrets.token_hex(3)}"


def _ports(ports: list[int]) -> dict[str, str]:
    env = {"FLOW_PORTS": ",".join(map(str, ports))} if ports else {}
    return env | {"PORT": str(ports[0])} if len(ports) == 1 else env
