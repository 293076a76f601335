"""Emulators with machines, one after another: each line of settings (JSON) opens a new one in place of the last."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.nodes.machines import Machines
from flow_core.emulator.settings import Settings


async def main() -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    line = await lines.readline()
    with TemporaryDirectory() as shared:
        while line:
            async with emulator(json.loads(line), Path(shared)) as cloud:
                print(json.dumps(cloud.as_json()), flush=True)
                line = await lines.readline()


def emulator(settings: dict[str, Any], shared: Path) -> Emulator:
    return Emulator(Settings(**settings), nodes=lambda folder: Machines(folder / "nodes", shared / "programs"))


if __name__ == "__main__":
    asyncio.run(main())
