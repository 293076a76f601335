"""What the SSH server keeps on disk, and whom its record names. Standard library only."""

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


class Served(NamedTuple):
    """Who serves, or served last, and on which port."""

    process: ProcessIdentity
    port: int

    @classmethod
    def read(cls, folder: SshFolder) -> Served | None:
        """None where none ever did, or the record can't be read."""
        try:
            data = read_json(folder.record)
            process = ProcessIdentity.parse(data and data.get("process"))
            return None if data is None or process is None else cls(process, _port(data["port"]))
        except (MalformedRecord, OSError, KeyError, TypeError, ValueError):
            return None

    def write(self, folder: SshFolder) -> None:
        write_json(folder.record, {"process": self.process._asdict(), "port": self.port})


def serving(folder: SshFolder) -> Served | None:
    """The server that lives, or None."""
    found = Served.read(folder)
    return found if found is not None and found.process.is_alive else None


def _port(number: object) -> int:
    if not isinstance(number, int) or not 0 < number < 1 << 16:
        raise ValueError
    return number
