"""Volumes of the cloud. A volume is attached by pausing the task's bid, which is resumed afterwards in any case."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flow_core.agent.ids import is_volume_name
from flow_core.errors import ConfigError, Conflict, FlowError, NotFound, printable
from flow_core.logs.escape import escape_controls
from flow_core.models.volume import Volume, VolumeInterface
from flow_core.providers.contract.listing import Listing
from flow_core.providers.contract.volume_errors import block_volume_in_use_error, volume_not_deleted_error
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import BIDS, parse_ids, parse_rows, parse_time
from flow_core.providers.mithril.idempotent_create import create_once
from flow_core.providers.mithril.tasks import MithrilTasks

if TYPE_CHECKING:
    from flow_core.providers.mithril.deferred_actions import DeferredActions
    from flow_core.providers.mithril.shared_state import MithrilSession

_PATH = "/v2/volumes"
_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,62}[a-z0-9])?")
_API_INTERFACES: Mapping[str, str] = {"block": "Block", "file": "File"}
_DEFAULT_REGION = "us-central5-a"
_SIZE_GB_MAX = 16384
_RESUME_S = 60.0
_FIRST_PAUSE_S = 0.5


class MithrilVolumes:
    """The volume facet of the contract."""

    can_change = True

    def __init__(self, session: MithrilSession, tasks: MithrilTasks, deferred: DeferredActions) -> None:
        self._session = session
        self._tasks = tasks
        self._deferred = deferred

    async def create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        if not 1 <= size_gb <= _SIZE_GB_MAX:
            raise ConfigError(f"size_gb: must be between 1 and {_SIZE_GB_MAX}, not {size_gb}", field="size_gb")
        name = name or f"volume-{secrets.token_hex(3)}"
        if not _NAME.fullmatch(name):
            raise ConfigError(
                "name: must be at most 64 of a-z, 0-9 and -, starting with a letter, not ending with -", field="name"
            )
        if any(volume.name == name for volume in await self.list()):
            raise Conflict(
                f"name: there is a volume {name!r} already; choose another name, or use that one", field="name"
            )
        body = {
            "name": name,
            "project": await self._session.projects.get_chosen_id(),
            "disk_interface": _API_INTERFACES[interface],
            "region": region or self._session.settings.region or _DEFAULT_REGION,
            "size_gb": size_gb,
        }
        idempotency_key = f"flow-volume-{secrets.token_hex(16)}"

        async def find() -> Volume | None:
            return next((volume for volume in await self.list() if volume.name == name), None)

        return await create_once(
            lambda: self._session.http.post(_PATH, body, idempotency_key=idempotency_key),
            lambda answer: _parse_volume(self._session.context, response_fields.read_table(answer, "a volume")),
            find,
            f"the volume {name!r}",
        )

    async def list(self) -> tuple[Volume, ...]:
        project = await self._session.projects.get_chosen_id()
        rows = response_fields.read_rows(await self._session.http.get(_PATH, project=project), "volumes")
        existing = (row for row in rows if not (isinstance(row, dict) and row.get("deleted_at")))
        listed = parse_rows(existing, lambda row: _parse_volume(self._session.context, row), "volumes")
        newest_first = sorted(
            listed, key=lambda volume: volume.created_at.timestamp() if volume.created_at else 0.0, reverse=True
        )
        return Listing.of(newest_first, listed.unreadable)

    async def find(self, id_or_name: str, region: str | None = None) -> Volume:
        """Returns the volume with this id or name. Raises NotFound, and ConfigError for a name of several volumes."""
        named = [volume for volume in await self.list() if id_or_name in (volume.volume_id, volume.name)]
        fitting = [volume for volume in named if region in (None, volume.region)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            ids = ", ".join(volume.volume_id for volume in fitting)
            raise ConfigError(
                f"{id_or_name!r} is the name of several volumes; name one by its id: {ids}", field="volume"
            )
        if named:
            raise ConfigError(f"volume {id_or_name!r} is in {named[0].region}, the task in {region}", field="volumes")
        raise NotFound(f"no volume is called {printable(id_or_name)!r} in context {self._session.context!r}")

    async def delete(self, volume_id: str) -> None:
        volume = await self.find(volume_id)
        if volume.attached_to:
            raise volume_not_deleted_error(volume.name, await self._tasks.find_names(volume.attached_to))
        await self._session.http.delete(f"{_PATH}/{volume.volume_id}")

    async def attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        volume = await self.find(volume_id)
        snapshot = await self._tasks.get_snapshot(task_id, is_fresh=True)
        bid, path = snapshot.bid, mount_path or f"/volumes/{plain_name(volume)}"
        if bid.status == "Terminated":
            raise Conflict(f"task {escape_controls(bid.name)} has ended; a volume is attached to one that hasn't")
        if volume.volume_id in bid.volume_ids:
            return path
        if volume.region != bid.region:
            raise ConfigError(
                f"volume {escape_controls(volume.name)} is in {volume.region}, the task in {bid.region}", field="volume"
            )
        if volume.interface == "block" and bid.quantity > 1:
            raise ConfigError(
                f"volume {escape_controls(volume.name)} is a block volume, for one instance only", field="volume"
            )
        await self.refuse_if_held(volume)
        await self._set_volumes(bid.bid_id, bid.status == "Paused", (*bid.volume_ids, volume.volume_id))
        await self._tasks.store_mount(task_id, volume, path)
        kind = _API_INTERFACES[volume.interface]
        self._deferred.mount(task_id, bid.quantity, f"{kind} {volume.volume_id} {plain_name(volume)} {path}")
        return path

    async def refuse_if_held(self, volume: Volume) -> None:
        """Checks that no task uses this block volume. Raises Conflict."""
        if volume.interface == "block" and volume.attached_to:
            raise block_volume_in_use_error(volume.name, await self._tasks.find_names(volume.attached_to))

    def describe_create(self, size_gb: int, name: str | None, interface: VolumeInterface) -> str:
        named = f" {name!r}" if name else ""
        return f"POST {self._session.settings.url}{_PATH}:{named} {_API_INTERFACES[interface]}, {size_gb} GB"

    def describe_delete(self, volume: Volume) -> str:
        return f"DELETE {self._session.settings.url}{_PATH}/{volume.volume_id}"

    def describe_attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        path = f"{self._session.settings.url}{BIDS}/{task_id}"
        return f"PATCH {path}: pause the bid (its machines stop), add volume {volume_id}, resume the bid"

    async def _set_volumes(self, bid_id: str, was_paused: bool, volume_ids: Sequence[str]) -> None:
        """Pauses the bid, sets its volumes, and resumes it even after an error or a cancellation.

        Volumes can be changed on a paused bid only.
        """
        http, path = self._session.http, f"{BIDS}/{bid_id}"
        if was_paused:
            await http.patch(path, {"volumes": list(volume_ids)})
            return
        try:
            await http.patch(path, {"paused": True})
            await http.patch(path, {"volumes": list(volume_ids)})
        finally:
            await asyncio.shield(asyncio.ensure_future(self._resume(path)))

    async def _resume(self, path: str) -> None:
        """Resumes the bid. Calling it again is safe, so it retries for `_RESUME_S`."""
        loop = asyncio.get_running_loop()
        deadline, pause_s = loop.time() + _RESUME_S, _FIRST_PAUSE_S
        while True:
            try:
                await self._session.http.patch(path, {"paused": False})
                return
            except FlowError:
                if loop.time() + pause_s > deadline:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 8.0)


def plain_name(volume: Volume) -> str:
    """Returns the volume as one word for a list or a path on a machine: its name, or its id if the name is no word."""
    return volume.name if is_volume_name(volume.name) else volume.volume_id


def _parse_volume(context: str, row: dict[str, Any]) -> Volume:
    """Parses a volume. Raises ProviderError."""
    holders = [holder for name in ("bids", "reservations") for holder in parse_ids(row.get(name))]
    return Volume(
        context=context,
        volume_id=response_fields.read_id(row),
        name=response_fields.read_label(row, "name") or response_fields.read_id(row),
        size_gb=response_fields.read_number(row, "capacity_gb") or response_fields.read_number(row, "size_gb"),
        interface="file"
        if response_fields.read_optional(row, "interface", "disk_interface").lower() == "file"
        else "block",
        region=response_fields.read_word(row, "region"),
        attached_to=tuple(holders),
        created_at=parse_time(row.get("created_at")),
        status="attached" if holders else "available",
    )
