"""The files of the SSH server, and its record. Standard library only."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from flow_core.agent.records import MalformedRecord, read_json, write_json
from flow_core.agent.supervisor.processes import ProcessIdentity


class SshFolder(NamedTuple):
    """ssh/ below the machine's folder."""

    path: Path

    @classmethod
    def of(cls, root: Path) -> SshFolder:
        return cls(root / "ssh")

    @property
    def root(self) -> Path:
        """The machine's folder."""
        return self.path.parent

    @property
    def host_key(self) -> Path:
        return self.path / "host_key"

    @property
    def client_key(self) -> Path:
        return self.path / "client_key"

    @property
    def client_public_key(self) -> Path:
        return self.path / "client_key.pub"

    @property
    def known_hosts(self) -> Path:
        return self.path / "known_hosts"

    @property
    def record(self) -> Path:
        return self.path / "server.json"

    @property
    def lock(self) -> Path:
        """Held by the server for as long as it lives."""
        return self.path / "server.lock"

    @property
    def log(self) -> Path:
        return self.path / "server.log"


class ServerRecord(NamedTuple):
    """The server that runs, or ran last, and its port."""

    process: ProcessIdentity
    port: int

    @classmethod
    def read(cls, folder: SshFolder) -> ServerRecord | None:
        """None where none ever ran, or the record can't be read."""
        try:
            data = read_json(folder.record)
            process = ProcessIdentity.parse(data and data.get("process"))
            return None if data is None or process is None else cls(process, _port(data["port"]))
        except (MalformedRecord, OSError, KeyError, TypeError, ValueError):
            return None

    def write(self, folder: SshFolder) -> None:
        write_json(folder.record, {"process": self.process._asdict(), "port": self.port})


def running_server(folder: SshFolder) -> ServerRecord | None:
    """The record of the server that runs, or None."""
    found = ServerRecord.read(folder)
    return found if found is not None and found.process.is_alive else None


def _port(number: object) -> int:
    if not isinstance(number, int) or not 0 < number < 1 << 16:
        raise ValueError
    return number
