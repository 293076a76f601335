"""Emulated machines, entered with the ssh program of the system."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from testbed.sshd import make_key
from testbed.waiting import DEADLINE_S, until

from flow_core.emulator.nodes.machine_interface import MachineVolume, NodeSpec
from flow_core.emulator.nodes.machines import Machines


class CommandResult(NamedTuple):
    code: int
    out: str
    err: str


class MachineLab:
    """One fleet and one client with a key."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.key = make_key(folder / "id_client")
        self.machines = Machines(folder / "nodes", programs)

    def spec(self, script: str | None = None, *, fid: str = "inst_one", **changed: object) -> NodeSpec:
        facts: dict[str, object] = {
            "instance_fid": fid,
            "order_fid": "bid_one",
            "name": "train-0",
            "index": 0,
            "private_ips": ("10.4.0.10",),
            "startup_script": None if script is None else f"#!/bin/bash\n{script}\n",
            "public_keys": (self.key.with_suffix(".pub").read_text(),),
            "volumes": (),
        }
        return NodeSpec(**{**facts, **changed})  # type: ignore[arg-type]

    def client(self, program: str = "ssh", key: Path | None = None) -> list[str]:
        options = ("IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        flags = [word for option in (*options, "BatchMode=yes") for word in ("-o", option)]
        return [program, "-F", "/dev/null", "-i", str(key or self.key), *flags]

    async def ssh(self, port: int, *command: str, user: str = "ubuntu", typed: str = "") -> CommandResult:
        return await self.run(*self.client(), "-p", str(port), f"{user}@127.0.0.1", *command, typed=typed)

    async def run(self, *argv: str, typed: str = "") -> CommandResult:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            async with asyncio.timeout(DEADLINE_S):
                out, err = await process.communicate(typed.encode())
        except TimeoutError:
            process.kill()
            raise
        return CommandResult(process.returncode or 0, out.decode(), err.decode())

    async def until(
        self, port: int, command: str, is_accepted: Callable[[CommandResult], bool] = lambda done: done.code == 0
    ) -> str:
        """The output of the command, once its result is accepted."""

        async def finished() -> CommandResult | None:
            return done if is_accepted(done := await self.ssh(port, command)) else None

        return (await until(finished)).out


def volume(name: str, interface: str, fid: str) -> MachineVolume:
    return MachineVolume(fid, name, 10, interface)  # type: ignore[arg-type]


def processes_with(mark: str) -> list[int]:
    """The processes of this system with the mark in their command line or environment."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = Path(f"/proc/{name}/cmdline").read_bytes() + Path(f"/proc/{name}/environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in text:
            found.append(int(name))
    return found
