"""Two logs at once, in one event loop. AsyncFlow has the same calls as Flow, as coroutines."""

import asyncio
from contextlib import aclosing

from flow_core import AsyncFlow


async def main() -> None:
    async with AsyncFlow() as flow:
        tasks = [await flow.submit(f"echo {name} begins; sleep 0.2; echo {name} ends") for name in ("one", "two")]
        await asyncio.gather(*(show(flow, task.task_id) for task in tasks))


async def show(flow: AsyncFlow, task_id: str) -> None:
    async with aclosing(await flow.logs(task_id, follow=True)) as lines:
        async for line in lines:
            print(line)


asyncio.run(main())
