"""One machine: its folder, its first process, and its SSH port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import asyncssh

from flow_core.emulator.nodes.first_boot_disk import (
    SCRIPT,
    SCRIPT_LOG,
    SIGNAL,
    build_hosts_file,
    change_owner,
    erase,
    make_disk,
    make_host_names,
)
from flow_core.emulator.nodes.machine_interface import NodeSpec
from flow_core.emulator.nodes.pid1.isolate import NOBODY
from flow_core.emulator.nodes.pid1_client import NotStarted, Pid1Client
from flow_core.emulator.nodes.spawn_requests import SpawnRequestBuilder
from flow_core.emulator.nodes.ssh_listener import SshListener
from flow_core.emulator.nodes.volumes import binds, link_volumes, write_shares
from flow_core.upload.cancellable_thread import CancellableThread

_OURS = "# flow-startup v1"
_REFUSAL = (
    "This machine did not run its startup script: the system that emulates it has no unprivileged user namespaces "
    "({why}), so a script would write to that system's own files.\n"
)
_PUT = 'mkdir -p "${1%/*}" && printf %s "$2" > "$1.new" && mv -f "$1.new" "$1"'
_COMMAND_S = 10.0


class FleetSettings(NamedTuple):
    """The settings that all machines of a fleet share. `not_isolated` is why they share the host's files, or ""."""

    volumes: Path
    programs: Path | None
    not_isolated: str


class MachineConnection(Protocol):
    """A client's SSH connection to a machine."""

    def disconnect(self) -> None:
        """Ends the connection. Calling it again is safe."""


class EmulatedMachine:
    """One machine, whose files are all in `folder`. It has no processes before `boot` or after `halt`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = folder / "disk"
        self.requests = SpawnRequestBuilder("", "")
        self._pid1: Pid1Client | None = None
        self._listener: SshListener | None = None
        self._watch: asyncio.Task[None] | None = None
        self.lock = asyncio.Lock()
        self.accepted_keys: frozenset[bytes] = frozenset()
        self.connections: set[MachineConnection] = set()
        self.names: frozenset[str] = frozenset()
        self.order = ""
        self.port = 0

    @property
    def is_live(self) -> bool:
        return self._pid1 is not None and not self._pid1.gone.is_set()

    @property
    def pid1(self) -> Pid1Client:
        """The client of its first process. Raises NotStarted while the machine isn't live."""
        if self._pid1 is None or not self.is_live:
            raise NotStarted("the machine has ended")
        return self._pid1

    async def boot(self, spec: NodeSpec, settings: FleetSettings) -> None:
        """Starts its first process, and on the first boot the script. Raises NotStarted, NoNamespaces, OSError."""
        is_first = await CancellableThread().run(self._prepare, spec, settings)
        self.requests = SpawnRequestBuilder(
            str(self._disk.resolve()) if settings.not_isolated else "", spec.private_ips[spec.index]
        )
        self._pid1 = await Pid1Client.start(self._plan(spec, settings))
        self.accepted_keys = frozenset(_parse_keys(spec.public_keys))
        self.order = spec.order_fid
        self.names = frozenset((spec.private_ips[spec.index], make_host_names(spec)[spec.index]))
        if is_first:
            await self._run_script(spec.startup_script, settings.not_isolated)
            (self._folder / "booted").touch()
        else:
            await self._start_again(spec)

    async def listen(self, options: asyncssh.SSHServerConnectionOptions) -> None:
        """Opens its SSH port, at its previous number if that is free. Raises OSError."""
        self._listener = SshListener(self.port)
        self.port = self._listener.number
        await self._listener.open(options)
        self._watch = asyncio.get_running_loop().create_task(self._close_when_gone(self.pid1))

    async def warn(self, text: str | None) -> None:
        if text is None:
            await self._run_command('rm -f "$1"', SIGNAL)
        else:
            await self._run_command(_PUT, SIGNAL, text)

    async def halt(self) -> None:
        """Ends every process and session. Calling it again is safe."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        await self._close_listener()
        if self._pid1 is not None:
            await self._pid1.close()
        await self._close_listener()  # clients that came through the front port meanwhile

    def host_key(self) -> asyncssh.SSHKey:
        """Returns its SSH host key, created at the first call. Blocking."""
        path = self._folder / "host_key"
        if not path.exists():
            asyncssh.generate_private_key("ssh-ed25519", comment=self._folder.name).write_private_key(path)
        return asyncssh.read_private_key(path)

    def _prepare(self, spec: NodeSpec, settings: FleetSettings) -> bool:
        """Prepares the disk; returns whether this is the first boot. Blocking."""
        is_first = not (self._folder / "booted").exists()
        if is_first:
            erase(self._disk)  # of an attempt that failed
            self._disk.mkdir(parents=True)
            make_disk(self._disk, spec)
        kept = [settings.volumes / volume.fid for volume in spec.volumes]
        for folder in kept:
            folder.mkdir(exist_ok=True)
        write_shares(spec.volumes, self._disk)
        if settings.not_isolated:
            link_volumes(spec.volumes, settings.volumes, self._disk)
        elif os.geteuid() == 0:
            change_owner(NOBODY, *([self._disk] if is_first else []))
            for folder in kept:
                os.chown(folder, NOBODY, NOBODY)
        return is_first

    def _plan(self, spec: NodeSpec, settings: FleetSettings) -> dict[str, Any]:
        programs = [(str(settings.programs), "usr/bin", True)] if settings.programs else []
        return {
            "isolated": not settings.not_isolated,
            "disk": str(self._disk),
            "hostname": make_host_names(spec)[spec.index],
            "addresses": list(spec.private_ips),
            "binds": [*programs, *binds(spec.volumes, settings.volumes)],
        }

    async def _run_script(self, script: str | None, not_isolated: str) -> None:
        if script is None:
            return
        if not_isolated and script.split("\n")[1:2] != [_OURS]:
            (self._disk / SCRIPT_LOG[1:]).write_text(_REFUSAL.format(why=not_isolated), encoding="utf-8")
            return
        await self.pid1.spawn(self.requests.build_script(SCRIPT, SCRIPT_LOG))

    async def _start_again(self, spec: NodeSpec) -> None:
        """Repeats the boot of a system: updates /etc/hosts, mounts fstab, starts enabled services."""
        await self._run_command(_PUT, "/etc/hosts", build_hosts_file(spec))
        if not self.requests.prefix:
            await self._run_command('[ ! -s "$1" ] || mount -a', "/etc/fstab")
            await self._run_command('"$1" start-enabled', "/usr/local/bin/systemctl")

    async def _run_command(self, script: str, path: str, *more: str) -> None:
        """Runs a command inside the machine, where no link leads out of it."""
        with suppress(NotStarted, TimeoutError):  # a machine that has just ended needs none of this
            async with asyncio.timeout(_COMMAND_S):
                await (await self.pid1.spawn(self.requests.build_command(script, path, *more))).ended

    async def _close_when_gone(self, pid1: Pid1Client) -> None:
        await pid1.gone.wait()
        await self._close_listener()

    async def _close_listener(self) -> None:
        if self._listener is not None:
            await self._listener.close()
        for connection in tuple(self.connections):
            connection.disconnect()


def _parse_keys(keys: Iterable[str]) -> Iterable[bytes]:
    for text in keys:
        with suppress(asyncssh.KeyImportError):  # sshd skips a line that it can't read, too
            yield asyncssh.import_public_key(text).public_data
