"""The Python that was found on a host, stored on this machine, so that a host is searched once."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import read_json, write_json
from flow_core.providers.contract.blocking_io import run_blocking


class FoundPython:
    """The interpreter of one host. If `setting` names it, nothing is searched or stored."""

    def __init__(self, setting: str | None, folder: Path, address: str) -> None:
        self.setting = setting
        digest = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._path = folder / f"{digest}.json"
        self._python: str | None = None
        self._is_read = False

    async def load(self) -> str | None:
        """Returns the interpreter that was found before; None if there is none. Reads the disk once."""
        if self.setting is None and not self._is_read:
            self._python, self._is_read = await run_blocking(self._read), True
        return self._python

    async def store(self, python: str) -> None:
        """Stores the interpreter."""
        if self.setting is None and python.startswith("/") and python != self._python:
            self._python = python
            await run_blocking(self._write, python)

    async def forget(self) -> None:
        """Removes the stored interpreter."""
        self._python = None
        await run_blocking(self._remove)

    def _read(self) -> str | None:
        try:
            python = Fields(read_json(self._path)).text("python")
        except (ValueError, OSError):
            return None  # the host is searched again
        return python if python.startswith("/") and python.isprintable() else None

    def _remove(self) -> None:
        try:
            self._path.unlink()
        except OSError:
            pass  # it doesn't exist, or fails again next time

    def _write(self, python: str) -> None:
        try:
            make_private_folder(self._path.parent)
            write_json(self._path, {"python": python})
        except OSError:
            pass  # the host is searched again next time
