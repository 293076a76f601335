"""Makes screenshots/*.svg from the running dashboard; with names of modules as arguments, only theirs."""

from __future__ import annotations

import asyncio
import sys

import cloud
import hosts
import local
import logs

MODULES = {"local": local, "logs": logs, "cloud": cloud, "hosts": hosts}


async def main(names: list[str]) -> None:
    for name in names or MODULES:
        await MODULES[name].take_pictures()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
