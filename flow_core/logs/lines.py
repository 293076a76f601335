"""A followed log as lines of text."""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.follow import IsComplete, follow_log

LINE_MAX = 1 << 20
"""A longer line is given in pieces of this many characters: memory stays bounded."""


async def follow_lines(
    files: SpoolFiles, is_complete: IsComplete, streams: Collection[int] | None = None
) -> AsyncGenerator[str, None]:
    """Every line from the start, without its newline, until the log is complete. Read it under `aclosing`."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    pending = ""
    async with aclosing(follow_log(files, 0, is_complete, streams)) as chunks:
        async for chunk in chunks:
            *lines, pending = (pending + decode(chunk.data)).split("\n")
            for line in lines:
                yield line
            while len(pending) > LINE_MAX:
                yield pending[:LINE_MAX]
                pending = pending[LINE_MAX:]
    if pending := pending + decode(b"", final=True):
        yield pending
