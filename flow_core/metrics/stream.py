"""The script that measures a machine, and the samples in its output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

from flow_core.errors import Unreachable
from flow_core.metrics.parser import FrameParser
from flow_core.models.metrics import MachineSample

PERIOD_S = 2
_COMMAND_TIMEOUT_S = 10
_SILENCE_S = 40.0  # longer than the script needs to report a stuck driver


def build_sampling_script(period_s: int = PERIOD_S, command_timeout_s: int = _COMMAND_TIMEOUT_S) -> str:
    """Returns a script for sh. It ends with its stdin and ends every process that it started."""
    body = Path(__file__).with_name("sampling.sh").read_text(encoding="utf-8")
    return f"pause={period_s} limit={command_timeout_s}\n{body}"


async def read_samples(read: Callable[[], Awaitable[bytes]], machine: str) -> AsyncGenerator[MachineSample, None]:
    """Yields the samples in the bytes that `read` returns.

    Raises Unreachable at the end, or after 40 s without bytes.
    """
    parser = FrameParser()
    while True:
        try:
            async with asyncio.timeout(_SILENCE_S):
                data = await read()
        except TimeoutError:
            raise Unreachable(f"{machine} sent no measurements for {_SILENCE_S:g} s") from None
        if not data:
            raise Unreachable(f"the sampling script on {machine} has ended; try again")
        for sample in parser.feed(data):
            yield sample
