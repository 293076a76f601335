"""Stores the TaskConfig of each bid on this machine; the API returns only the startup script."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.records import MalformedRecord, UnreadableRecord, read_json, write_json
from flow_core.models.task import VolumeMount
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.mithril.stored_records import find_stored


@dataclass(frozen=True, slots=True)
class SubmittedSpec:
    """The fields of a TaskConfig as plain data, and the mount paths of its volumes."""

    config: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    mounts: tuple[VolumeMount, ...] = ()


class SubmittedSpecs:
    """The specs of submitted tasks: one file for each.

    Only this user can read the files, since they contain the values of `env`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tasks"
        self._cached: dict[str, SubmittedSpec] = {}

    async def store(self, bid_id: str, spec: SubmittedSpec) -> None:
        """Stores the spec of a bid. Raises ProviderError, Unreachable."""
        self._cached[bid_id] = spec
        await run_blocking(self._write, bid_id, spec)

    async def get_all(self, bid_ids: Iterable[str]) -> Mapping[str, SubmittedSpec]:
        """Returns the stored specs by bid id, with an empty one for each bid that was submitted elsewhere."""
        new = [bid_id for bid_id in bid_ids if bid_id not in self._cached]
        if new:
            self._cached |= await run_blocking(self._read, new)
        return self._cached

    async def find_by_key(self, key: str) -> str | None:
        """Returns the bid that was placed with this idempotency key from this machine; None if there is none."""
        return await run_blocking(self._find_by_key, key)

    def _find_by_key(self, key: str) -> str | None:
        try:
            data = read_json(self._key_path(key))
        except UnreadableRecord:
            raise  # it may name a bid, and a second bid would cost money
        except MalformedRecord:
            return None
        return str(data["bid"]) if data is not None and "bid" in data else None

    def _key_path(self, key: str) -> Path:
        return self._folder / "keys" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    def _write(self, bid_id: str, spec: SubmittedSpec) -> None:
        make_private_folder(self._folder)
        mounts = [[mount.volume_id, mount.name, mount.mount_path] for mount in spec.mounts]
        write_json(self._folder / f"{bid_id}.json", {"config": dict(spec.config), "mounts": mounts})
        if key := spec.config.get("idempotency_key"):
            make_private_folder(self._key_path(key).parent)
            write_json(self._key_path(key), {"bid": bid_id})

    def _read(self, bid_ids: list[str]) -> dict[str, SubmittedSpec]:
        specs = dict.fromkeys(bid_ids, SubmittedSpec())
        for bid_id in find_stored(self._folder, bid_ids):
            try:
                if (data := read_json(self._folder / f"{bid_id}.json")) is not None:
                    mounts = tuple(VolumeMount(*map(str, mount)) for mount in data["mounts"])
                    specs[bid_id] = SubmittedSpec(dict(data["config"]), mounts)
            except (MalformedRecord, KeyError, TypeError, ValueError, OSError):
                continue  # as if it had been submitted elsewhere
        return specs
