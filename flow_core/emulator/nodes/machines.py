"""The machines of an emulator: child processes, each with its own root folder, entered over SSH on loopback."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path

import asyncssh

from flow_core.agent.private_folders import make_private_folder
from flow_core.emulator.nodes.first_boot_disk import erase
from flow_core.emulator.nodes.host_programs import create_filtered_bin
from flow_core.emulator.nodes.machine import EmulatedMachine, FleetSettings, MachineConnection
from flow_core.emulator.nodes.machine_interface import NodeFleet, NodeSpec
from flow_core.emulator.nodes.pid1_client import NoNamespaces
from flow_core.emulator.nodes.ssh_listener import SshListener
from flow_core.emulator.nodes.ssh_server import build_server_options
from flow_core.errors import ProviderError
from flow_core.ssh.server.connection import is_loopback
from flow_core.upload.cancellable_thread import CancellableThread

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


class Machines(NodeFleet):
    """The machines of one emulator. `root` is a separate folder, new or empty.

    Several fleets may share `programs`, a folder that the first boot creates.

    If the system has no unprivileged user namespaces (or FLOW_EMULATOR_NO_NAMESPACE is set), a machine shares the
    host's file system: only a script that keeps below $FLOW_NODE_ROOT runs, known by its second line.
    """

    def __init__(self, root: Path, programs: Path | None = None) -> None:
        make_private_folder(root)
        root.chmod(0o700)
        self._root = root
        for name in ("machines", "volumes"):
            (root / name).mkdir(mode=0o700)
        self._machines: dict[str, EmulatedMachine] = {}
        self._not_isolated = "FLOW_EMULATOR_NO_NAMESPACE is set" if os.environ.get("FLOW_EMULATOR_NO_NAMESPACE") else ""
        self._has_booted = False
        self._programs = programs or root / "programs"
        self._front = SshListener()
        self._connections: set[MachineConnection] = set()
        self._opening = asyncio.Lock()

    @property
    def ssh_port(self) -> int:
        return self._front.number

    async def start(self) -> None:
        """Opens the front port; the first boot does that too. Calling it again is safe."""
        async with self._opening:
            if not self._front.is_open:
                key = asyncssh.generate_private_key("ssh-ed25519")
                await self._front.open(
                    build_server_options(key, self._connections, self._iter_newest_first, self._resolve_port)
                )

    async def limitations(self) -> str:
        if not self._has_booted:
            await self._probe()
        if not self._not_isolated:
            return ""
        return (
            f"its machines share this system's files ({self._not_isolated}), so they run only what is made for "
            "that: other startup scripts are refused, and the logs and shells of tasks stay closed"
        )

    async def boot(self, spec: NodeSpec) -> int:
        await self.start()
        machine = self._machines.setdefault(spec.instance_fid, EmulatedMachine(self._folder(spec.instance_fid)))
        async with machine.lock:
            self._machines.pop(spec.instance_fid, None)
            self._machines[spec.instance_fid] = machine  # the newest is the last
            if not machine.is_live:
                try:
                    await self._boot(machine, spec)
                    await machine.listen(self._make_options(machine))
                except BaseException:
                    await machine.halt()
                    raise
            return machine.port

    async def warn(self, instance_fid: str, signal: str | None) -> None:
        if (machine := self._machines.get(instance_fid)) is not None:
            await machine.warn(signal)

    async def halt(self, instance_fid: str, *, keeps_disk: bool) -> None:
        if (machine := self._machines.get(instance_fid)) is None:
            return
        async with machine.lock:
            await machine.halt()
            if not keeps_disk:
                self._machines.pop(instance_fid, None)
                await CancellableThread().run(erase, self._folder(instance_fid))

    async def delete_volume(self, volume_fid: str) -> None:
        await CancellableThread().run(erase, self._root / "volumes" / _check_fid(volume_fid))

    async def close(self) -> None:
        await asyncio.gather(*(self.halt(fid, keeps_disk=False) for fid in tuple(self._machines)))
        await self._front.close()
        for connection in tuple(self._connections):
            connection.disconnect()
        await CancellableThread().run(erase, self._root)

    async def _boot(self, machine: EmulatedMachine, spec: NodeSpec) -> None:
        volumes = self._root / "volumes"
        for volume in spec.volumes:
            _check_fid(volume.fid)
        if not self._not_isolated:
            async with self._opening:
                programs = await CancellableThread().run(create_filtered_bin, self._programs)
            try:
                await machine.boot(spec, FleetSettings(volumes, programs, ""))
            except NoNamespaces as error:
                self._not_isolated = str(error)
        if self._not_isolated:
            await machine.boot(spec, FleetSettings(volumes, None, self._not_isolated))
        self._has_booted = True

    async def _probe(self) -> None:
        """Boots a temporary machine to probe namespace support."""
        folder = self._root / "probe"
        machine = EmulatedMachine(folder)
        try:
            await self._boot(machine, NodeSpec("probe", "probe", "probe", 0, ("10.0.0.1",), None, (), ()))
        finally:
            await machine.halt()
            await CancellableThread().run(erase, folder)

    def _make_options(self, machine: EmulatedMachine) -> asyncssh.SSHServerConnectionOptions:
        def list_machine() -> tuple[EmulatedMachine, ...]:
            return (machine,) if machine.is_live else ()

        return build_server_options(machine.host_key(), machine.connections, list_machine, self._resolve_port)

    def _iter_newest_first(self) -> Iterator[EmulatedMachine]:
        return (machine for machine in reversed(self._machines.values()) if machine.is_live)

    def _resolve_port(self, origin: EmulatedMachine, host: str, port: int) -> int | None:
        """Returns the loopback port of an address; None if no machine has it. All machines share loopback.

        A machine's own port 22 is its SSH server. If two orders have the same addresses, each reaches its own machines.
        """
        named = [origin] if is_loopback(host) else [one for one in self._iter_newest_first() if host in one.names]
        for machine in sorted(named, key=lambda one: one.order != origin.order):
            return machine.port if port == 22 else port
        return None

    def _folder(self, instance_fid: str) -> Path:
        return self._root / "machines" / _check_fid(instance_fid)


def _check_fid(fid: str) -> str:
    if not _ID.fullmatch(fid):
        raise ProviderError(f"{fid!r} can't be the id of a machine or a volume")
    return fid
