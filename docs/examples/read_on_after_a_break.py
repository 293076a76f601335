"""Bytes of a log by their offset: read on exactly where you stopped, today or tomorrow."""

import asyncio

from flow_core import AsyncFlow


async def main() -> None:
    async with AsyncFlow() as flow:
        task = await flow.submit("echo first line; echo second line")
        await task.wait()
        (address,) = await flow.log_addresses(task.task_id)
        seen = len(b"first line\n")  # kept from an earlier look
        async for offset, data in flow.log_bytes(address, seen):
            print(offset, data)


asyncio.run(main())
