"""The protocol between a client and the agent: JSON in frames, over a pipe.

A frame is a length of four bytes (big-endian), followed by one JSON array. The agent sends a greeting first, `["agent",
facts]`. Then the client sends any number of requests `[number, call, arguments]`. Each request gets exactly one
response, in any order:

    [number, "ok", result]
    [number, "refused", code, details]    see `refusals`
    [number, "failed", sentence]          an error of the operating system, such as a full disk

Before its response, `[number, "progress"]` may be sent any number of times. A new feature is a new call, or a new field
of arguments, results and facts. VERSION changes only if the two sides could no longer understand each other.
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
_LENGTH_BYTES = 4


def encode_frame(message: list[Any]) -> bytes:
    """Encodes a message. Raises ValueError if it can't be written as JSON or is longer than MOST_BYTES."""
    try:
        data = json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"the message can't be written: {error}") from error
    if len(data) > MOST_BYTES:
        raise ValueError(f"the message is longer than {MOST_BYTES >> 20} MiB")
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


class ProtocolError(Exception):
    """The received bytes are not a frame of this protocol."""


class FrameDecoder:
    """A decoder of messages from pieces of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def take(self, piece: bytes) -> Iterator[list[Any]]:
        """Adds a piece and yields the messages that are complete now. Raises ProtocolError."""
        self._buffer += piece
        while len(self._buffer) >= _LENGTH_BYTES:
            length = int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
            if length > MOST_BYTES:
                raise ProtocolError("a frame is too long")
            end = _LENGTH_BYTES + length
            if len(self._buffer) < end:
                return
            data = bytes(self._buffer[_LENGTH_BYTES:end])
            del self._buffer[:end]
            yield _parse_message(data)


def _parse_message(data: bytes) -> list[Any]:
    try:
        message = parse_json(data)
    except ValueError:
        raise ProtocolError("a frame holds no JSON") from None
    if not isinstance(message, list) or not message:
        raise ProtocolError("a frame holds no message")
    return message
