"""One machine: its folder, its first process, and the port that leads to it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh

from flow_core.emulator.nodes.contract import NodeSpec
from flow_core.emulator.nodes.disk import SCRIPT, SCRIPT_LOG, SIGNAL, erase, give_to, host_names, hosts, make_disk
from flow_core.emulator.nodes.inside.isolate import NOBODY
from flow_core.emulator.nodes.link import Link, NotStarted, Order
from flow_core.emulator.nodes.listening import Port
from flow_core.emulator.nodes.volumes import binds, link_volumes

if TYPE_CHECKING:
    from flow_core.emulator.nodes.guard import Find, Guard

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OURS = "# flow-startup v1"
_REFUSAL = (
    "This machine did not run its startup script: the system that emulates it has no unprivileged user namespaces "
    "({why}), so a script would write to that system's own files.\n"
)
_SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
)
_PUT = 'mkdir -p "${1%/*}" && printf %s "$2" > "$1.new" && mv -f "$1.new" "$1"'
_CHORE_S = 10.0


class Machine:
    """Lives in `folder`, which is its own. Nothing of it runs until `boot`, nor after `halt`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = folder / "disk"
        self._prefix = ""
        self._port: Port | None = None
        self._watch: asyncio.Task[None] | None = None
        self._link: Link | None = None
        self.accepted_keys: frozenset[bytes] = frozenset()
        self.guests: set[Guard] = set()
        self.names: frozenset[str] = frozenset()
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

    async def boot(self, spec: NodeSpec, volumes: Path, view: Path | None, not_isolated: str) -> None:
        """Starts its first process, and on the first boot the script. Raises NotStarted, NoNamespaces, OSError."""
        is_first = await asyncio.to_thread(self._prepare, spec, volumes, not_isolated)
        self._prefix = str(self._disk.resolve()) if not_isolated else ""
        shown = [*binds(spec.volumes, volumes), *([(str(view), "usr/bin", True)] if view else [])]
        plan = {"isolated": not not_isolated, "disk": str(self._disk), "binds": shown, "hostname": _own_name(spec)}
        self._link = await Link.start(plan)
        self.accepted_keys = frozenset(_accepted(spec.public_keys))
        if is_first:
            await self._run_script(spec.startup_script, not_isolated)
            (self._folder / "booted").touch()
        else:
            await self._put("/etc/hosts", hosts(spec))
            await self._mount_again()

    async def listen(self, find: Find) -> None:
        """At the port it had before where that is free. Raises OSError."""
        from flow_core.emulator.nodes.guard import options  # deferred: the two know each other

        self._port = Port(self.port)
        self.port = self._port.number
        own = lambda: (self,) if self.is_live else ()  # noqa: E731
        await self._port.open(options(self._host_key(), self.guests, own, find))
        self._watch = asyncio.get_running_loop().create_task(self._close_when_gone(self.link))

    async def warn(self, text: str | None) -> None:
        if not self.is_live:
            return
        if text is None:
            await self._chore('rm -f "$1"', SIGNAL)
        else:
            await self._put(SIGNAL, text)

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
        """Raises NotStarted for a command that would use the host's own paths."""
        if self._prefix and command is not None and _names_a_path(command):
            why = "this machine shares the file system of the one that emulates it, and the command names a path there"
            raise NotStarted(f"not run: {why} without $FLOW_NODE_ROOT before it")
        program = (shutil.which("bash") or "/bin/bash") if self._prefix else "/bin/bash"
        argv = ["-bash"] if command is None else ["bash", "-c", command]
        return Order(program, argv, {**self._environment(user), **env}, self._home(user), more)

    def file_server(self, user: str) -> Order:
        found = next((path for path in _SFTP_SERVERS if os.access(path, os.X_OK)), None)
        if self._prefix or found is None:
            return Order("", [], {}, self._home(user), {"files_below": self._prefix})
        return Order(found, [found], self._environment(user), self._home(user))

    def _prepare(self, spec: NodeSpec, volumes: Path, not_isolated: str) -> bool:
        """Whether this is the first boot. Blocking."""
        is_first = not (self._folder / "booted").exists()
        if is_first:
            erase(self._disk)  # of an attempt that failed
            self._disk.mkdir(parents=True)
            make_disk(self._disk, spec)
        for volume in spec.volumes:
            (volumes / volume.fid).mkdir(exist_ok=True)
        if not_isolated:
            link_volumes(spec.volumes, volumes, self._disk)
        elif os.geteuid() == 0:
            give_to(NOBODY, *([self._disk] if is_first else []))
            for volume in spec.volumes:
                os.chown(volumes / volume.fid, NOBODY, NOBODY)
        return is_first

    async def _run_script(self, script: str | None, not_isolated: str) -> None:
        if script is None:
            return
        if self._prefix and script.split("\n")[1:2] != [_OURS]:
            (self._disk / SCRIPT_LOG[1:]).write_text(_REFUSAL.format(why=not_isolated), encoding="utf-8")
            return
        bash = (shutil.which("bash") or "/bin/bash") if self._prefix else "/bin/bash"
        argv = ["bash", self._place(SCRIPT)]
        more = {"output": self._place(SCRIPT_LOG)}
        await self.link.spawn(Order(bash, argv, self._environment("root"), self._place("/"), more))

    async def _put(self, path: str, text: str) -> None:
        """Written from inside, where no link can lead out of the machine."""
        await self._chore(_PUT, path, text)

    async def _mount_again(self) -> None:
        """What its script put into fstab, as a machine does that starts again."""
        if not self._prefix:
            await self._chore("[ ! -s /etc/fstab ] || mount -a", "/etc/fstab")

    async def _chore(self, script: str, path: str, *more: str) -> None:
        argv = ["sh", "-c", script, "sh", self._place(path), *more]
        order = Order("/bin/sh", argv, self._environment("root"), self._place("/"), {"output": os.devnull})
        with suppress(NotStarted, TimeoutError):  # a machine that has just ended needs no chores
            async with asyncio.timeout(_CHORE_S):
                await (await self.link.spawn(order)).ended

    async def _close_when_gone(self, link: Link) -> None:
        await link.gone.wait()
        await self._shut()

    async def _shut(self) -> None:
        if self._port is not None:
            await self._port.close()
        for guest in tuple(self.guests):
            guest.part()

    def _environment(self, user: str) -> dict[str, str]:
        name = "root" if user == "root" else "ubuntu"
        env = {"HOME": self._home(user), "USER": name, "LOGNAME": name, "SHELL": "/bin/bash", "LANG": "C.UTF-8"}
        if not self._prefix:
            return {**env, "PATH": _PATH}
        path = f"{self._place('/usr/local/bin')}:{os.environ.get('PATH', _PATH)}"
        return {**env, "PATH": path, "FLOW_NODE_ROOT": self._prefix}

    def _home(self, user: str) -> str:
        return self._place("/root" if user == "root" else "/home/ubuntu")

    def _place(self, path: str) -> str:
        return self._prefix + path

    def _host_key(self) -> asyncssh.SSHKey:
        path = self._folder / "host_key"
        if not path.exists():
            asyncssh.generate_private_key("ssh-ed25519", comment=self._folder.name).write_private_key(path)
        return asyncssh.read_private_key(path)


def _own_name(spec: NodeSpec) -> str:
    return host_names(spec)[spec.index]


def _accepted(keys: Sequence[str]) -> list[bytes]:
    accepted = []
    for text in keys:
        with suppress(asyncssh.KeyImportError):  # as sshd passes over a line that it can't read
            accepted.append(asyncssh.import_public_key(text).public_data)
    return accepted


def _names_a_path(command: str) -> bool:
    return "FLOW_NODE_ROOT" not in command and "/" in re.sub(r"/dev/(null|stdin|stdout|stderr)\b", "", command)
