"""Which Python of a host was found, kept on this machine: a host is searched once."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import read_json, write_json
from flow_core.providers.contract.blocking_io import run_blocking


class FoundPython:
    """`setting` names the interpreter of the host instead; then nothing is searched or kept."""

    def __init__(self, setting: str | None, folder: Path, address: str) -> None:
        self.setting = setting
        digest = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._path = folder / f"{digest}.json"
        self._known: str | None = None
        self._is_read = False

    async def known(self) -> str | None:
        """Asks the disk once."""
        if self.setting is None and not self._is_read:
            self._known, self._is_read = await run_blocking(self._read), True
        return self._known

    async def keep(self, python: str) -> None:
        if self.setting is None and python.startswith("/") and python != self._known:
            self._known = python
            await run_blocking(self._write, python)

    async def forget(self) -> None:
        self._known = None
        await run_blocking(self._remove)

    def _read(self) -> str | None:
        try:
            found = Fields(read_json(self._path)).text("python")
        except (ValueError, OSError):
            return None  # it is searched again
        return found if found.startswith("/") and found.isprintable() else None

    def _remove(self) -> None:
        try:
            self._path.unlink()
        except OSError:
            pass  # it is not there, or fails again next time

    def _write(self, python: str) -> None:
        try:
            make_private_folder(self._path.parent)
            write_json(self._path, {"python": python})
        except OSError:
            pass  # it is searched again next time
