"""The files of the SSH server, and its record. Standard library only."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.records import MalformedRecord, read_json, write_json


class SshFolder(NamedTuple):
    """The server's folder, ssh/ in the machine's folder."""

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
        """The file that the server locks for as long as it runs."""
        return self.path / "server.lock"

    @property
    def log(self) -> Path:
        return self.path / "server.log"


class ServerRecord(NamedTuple):
    """The running server, or the last one that ran, and its port."""

    process: ProcessIdentity
    port: int

    @classmethod
    def read(cls, folder: SshFolder) -> ServerRecord | None:
        """Reads the record; None if no server ever ran, or if the record can't be read."""
        try:
            data = read_json(folder.record)
            process = ProcessIdentity.parse(data and data.get("process"))
            return None if data is None or process is None else cls(process, _check_port(data["port"]))
        except (MalformedRecord, OSError, KeyError, TypeError, ValueError):
            return None

    def write(self, folder: SshFolder) -> None:
        write_json(folder.record, {"process": self.process._asdict(), "port": self.port})


def find_running_server(folder: SshFolder) -> ServerRecord | None:
    """Returns the record of the running server; None if none runs."""
    record = ServerRecord.read(folder)
    return record if record is not None and record.process.is_alive else None


def _check_port(number: object) -> int:
    if not isinstance(number, int) or not 0 < number < 1 << 16:
        raise ValueError
    return number
