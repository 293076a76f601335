"""A program that pulls one log until it is killed. Its arguments: ssh config, folder of the tasks, of the spools."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from testbed.far_tasks import CONTEXT, Far

from flow_core.logs.log_id import LogId
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.over_ssh.logs import SpooledLogs


async def main(config: Path, tasks: Path, spools: Path) -> None:
    pool = HostPool()
    logs = SpooledLogs(Far(await pool.find("far", config=config), tasks), spools)
    address = LogId(CONTEXT, "train")
    await logs.open(address)
    print("pulling", flush=True)
    while not await logs.is_complete(address):
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(*map(Path, sys.argv[1:])))
