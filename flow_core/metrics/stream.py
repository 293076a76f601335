"""A sampling channel's bytes as samples, as long as there are any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

from flow_core.errors import Unreachable
from flow_core.metrics.parser import FrameParser
from flow_core.models.metrics import MachineSample

PERIOD_S = 2
_PATIENCE_S = 10
_SILENCE_S = 40.0  # more than a stuck driver may take until that is reported


def sampling_script(period_s: int = PERIOD_S, patience_s: int = _PATIENCE_S) -> str:
    """A line of text for sh. It ends with its stdin, and takes with it whatever it started."""
    body = Path(__file__).with_name("sampling.sh").read_text(encoding="utf-8")
    return f"pause={period_s} limit={patience_s}\n{body}"


async def read_samples(read: Callable[[], Awaitable[bytes]], machine: str) -> AsyncGenerator[MachineSample, None]:
    """`read` gives the next bytes, none at the end. Raises Unreachable when they end, or none come for a while."""
    frames = FrameParser()
    while True:
        try:
            async with asyncio.timeout(_SILENCE_S):
                data = await read()
        except TimeoutError:
            raise Unreachable(f"{machine} sent no measurements for {_SILENCE_S:g} s") from None
        if not data:
            raise Unreachable(f"what measures {machine} has ended there; look again")
        for sample in frames.feed(data):
            yield sample
