"""How a client and the agent on its machine talk: JSON in frames, over a pipe. Standard library only.

A frame is four bytes that say how many follow, and one JSON array. The agent begins with a greeting,
`["agent", facts]`. Then the client asks `[number, call, arguments]` as often as it likes, and each question gets one
answer, in any order:

    [number, "ok", result]
    [number, "refused", code, details]    see `refusals`
    [number, "failed", sentence]          the system said no: a full disk, a folder that can't be read

Before its answer, `[number, "progress"]` may come any number of times. What is new is a call, or a field of arguments,
results and facts: VERSION changes only where neither side could understand the other any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flow_core.agent.regular_files import parse_json

VERSION = 1
MOST_BYTES = 64 << 20
GREETING = "agent"
OK, REFUSED, FAILED, PROGRESS = "ok", "refused", "failed", "progress"
_HEAD_BYTES = 4


def encode_frame(message: list[Any]) -> bytes:
    """Raises ValueError for what is longer than a frame may be, and for what can't be written as JSON."""
    try:
        data = json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"the message can't be written: {error}") from error
    if len(data) > MOST_BYTES:
        raise ValueError(f"the message is longer than {MOST_BYTES >> 20} MiB")
    return len(data).to_bytes(_HEAD_BYTES, "big") + data


class ProtocolError(Exception):
    """What came is no frame of this protocol."""


class FrameDecoder:
    """Finds the messages in what was read, however it was cut into pieces."""

    def __init__(self) -> None:
        self._held = bytearray()

    def take(self, piece: bytes) -> Iterator[list[Any]]:
        """The messages that are whole now. Raises Unframed."""
        self._held += piece
        while len(self._held) >= _HEAD_BYTES:
            length = int.from_bytes(self._held[:_HEAD_BYTES], "big")
            if length > MOST_BYTES:
                raise ProtocolError("a frame is too long")
            end = _HEAD_BYTES + length
            if len(self._held) < end:
                return
            data = bytes(self._held[_HEAD_BYTES:end])
            del self._held[:end]
            yield _message(data)


def _message(data: bytes) -> list[Any]:
    try:
        message = parse_json(data)
    except ValueError:
        raise ProtocolError("a frame holds no JSON") from None
    if not isinstance(message, list) or not message:
        raise ProtocolError("a frame holds no message")
    return message
