"""One machine: its folder, its first process, and the port that leads to it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncssh

from flow_core.emulator.nodes.contract import NodeSpec
from flow_core.emulator.nodes.disk import SCRIPT, SCRIPT_LOG, SIGNAL, erase, give_to, host_names, hosts, make_disk
from flow_core.emulator.nodes.inside.isolate import NOBODY
from flow_core.emulator.nodes.link import Link, NotStarted, Order
from flow_core.emulator.nodes.listening import Port
from flow_core.emulator.nodes.volumes import binds, link_volumes, write_shares
from flow_core.emulator.nodes.ways import Ways

if TYPE_CHECKING:
    from flow_core.emulator.nodes.guard import Find, Guard

_OURS = "# flow-startup v1"
_REFUSAL = (
    "This machine did not run its startup script: the system that emulates it has no unprivileged user namespaces "
    "({why}), so a script would write to that system's own files.\n"
)
_PUT = 'mkdir -p "${1%/*}" && printf %s "$2" > "$1.new" && mv -f "$1.new" "$1"'
_CHORE_S = 10.0


class Setting(NamedTuple):
    """What all machines of a fleet have in common."""

    volumes: Path
    programs: Path | None
    not_isolated: str


class Machine:
    """Lives in `folder`, which is its own. Nothing of it runs before `boot`, nor after `halt`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = folder / "disk"
        self._ways = Ways("", "")
        self._link: Link | None = None
        self._port: Port | None = None
        self._watch: asyncio.Task[None] | None = None
        self.lock = asyncio.Lock()
        self.accepted_keys: frozenset[bytes] = frozenset()
        self.guests: set[Guard] = set()
        self.names: frozenset[str] = frozenset()
        self.order = ""
        self.port = 0

    @property
    def is_live(self) -> bool:
        return self._link is not None and not self._link.gone.is_set()

    @property
    def link(self) -> Link:
        """Raises NotStarted while it isn't live."""
        if self._link is None or not self.is_live:
            raise NotStarted("the machine has ended")
        return self._link

    async def boot(self, spec: NodeSpec, setting: Setting) -> None:
        """Starts its first process, and on the first boot the script. Raises NotStarted, NoNamespaces, OSError."""
        is_first = await asyncio.to_thread(self._prepare, spec, setting)
        self._ways = Ways(str(self._disk.resolve()) if setting.not_isolated else "", spec.private_ips[spec.index])
        self._link = await Link.start(self._plan(spec, setting))
        self.accepted_keys = frozenset(_accepted(spec.public_keys))
        self.order = spec.order_fid
        self.names = frozenset((spec.private_ips[spec.index], host_names(spec)[spec.index]))
        if is_first:
            await self._run_script(spec.startup_script, setting.not_isolated)
            (self._folder / "booted").touch()
        else:
            await self._start_again(spec)

    async def listen(self, find: Find) -> None:
        """At the port it had before where that is free. Raises OSError."""
        from flow_core.emulator.nodes.guard import options  # deferred: the two know each other

        self._port = Port(self.port)
        self.port = self._port.number
        await self._port.open(options(self._host_key(), self.guests, self._only_this, find))
        self._watch = asyncio.get_running_loop().create_task(self._close_when_gone(self.link))

    async def warn(self, text: str | None) -> None:
        if text is None:
            await self._chore('rm -f "$1"', SIGNAL)
        else:
            await self._chore(_PUT, SIGNAL, text)

    async def halt(self) -> None:
        """Ends every process and session. Twice is safe."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        await self._shut()
        if self._link is not None:
            await self._link.close()
        await self._shut()  # who came through the front port meanwhile

    def shell(self, user: str, command: str | None, env: Mapping[str, str], more: Mapping[str, Any]) -> Order:
        """Raises NotStarted where such a command may not run."""
        return self._ways.shell(user, command, env, more)

    def file_server(self, user: str) -> Order:
        return self._ways.file_server(user)

    def _prepare(self, spec: NodeSpec, setting: Setting) -> bool:
        """Whether this is the first boot. Blocking."""
        is_first = not (self._folder / "booted").exists()
        if is_first:
            erase(self._disk)  # of an attempt that failed
            self._disk.mkdir(parents=True)
            make_disk(self._disk, spec)
        kept = [setting.volumes / volume.fid for volume in spec.volumes]
        for folder in kept:
            folder.mkdir(exist_ok=True)
        write_shares(spec.volumes, self._disk)
        if setting.not_isolated:
            link_volumes(spec.volumes, setting.volumes, self._disk)
        elif os.geteuid() == 0:
            give_to(NOBODY, *([self._disk] if is_first else []))
            for folder in kept:
                os.chown(folder, NOBODY, NOBODY)
        return is_first

    def _plan(self, spec: NodeSpec, setting: Setting) -> dict[str, Any]:
        programs = [(str(setting.programs), "usr/bin", True)] if setting.programs else []
        return {
            "isolated": not setting.not_isolated,
            "disk": str(self._disk),
            "hostname": host_names(spec)[spec.index],
            "addresses": list(spec.private_ips),
            "binds": [*programs, *binds(spec.volumes, setting.volumes)],
        }

    async def _run_script(self, script: str | None, not_isolated: str) -> None:
        if script is None:
            return
        if not_isolated and script.split("\n")[1:2] != [_OURS]:
            (self._disk / SCRIPT_LOG[1:]).write_text(_REFUSAL.format(why=not_isolated), encoding="utf-8")
            return
        await self.link.spawn(self._ways.script(SCRIPT, SCRIPT_LOG))

    async def _start_again(self, spec: NodeSpec) -> None:
        """Addresses may have changed; what is in fstab is mounted, and what is enabled is started."""
        await self._chore(_PUT, "/etc/hosts", hosts(spec))
        if not self._ways.prefix:
            await self._chore('[ ! -s "$1" ] || mount -a', "/etc/fstab")
            await self._chore('"$1" start-enabled', "/usr/local/bin/systemctl")

    async def _chore(self, script: str, path: str, *more: str) -> None:
        """From inside, where no link leads out of the machine."""
        with suppress(NotStarted, TimeoutError):  # a machine that has just ended needs no chores
            async with asyncio.timeout(_CHORE_S):
                await (await self.link.spawn(self._ways.chore(script, path, *more))).ended

    async def _close_when_gone(self, link: Link) -> None:
        await link.gone.wait()
        await self._shut()

    async def _shut(self) -> None:
        if self._port is not None:
            await self._port.close()
        for guest in tuple(self.guests):
            guest.part()

    def _only_this(self) -> Iterable[Machine]:
        return (self,) if self.is_live else ()

    def _host_key(self) -> asyncssh.SSHKey:
        path = self._folder / "host_key"
        if not path.exists():
            asyncssh.generate_private_key("ssh-ed25519", comment=self._folder.name).write_private_key(path)
        return asyncssh.read_private_key(path)


def _accepted(keys: Iterable[str]) -> Iterable[bytes]:
    for text in keys:
        with suppress(asyncssh.KeyImportError):  # as sshd passes over a line that it can't read
            yield asyncssh.import_public_key(text).public_data
