"""Messages with descriptors between the emulator and a machine's first process. Standard library only."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

_HEAD = struct.Struct(">IB")
_READ_SIZE = 1 << 16
_MAX_FDS = 64


class Message(NamedTuple):
    """A message. The receiver owns `fds`."""

    body: dict[str, Any]
    fds: list[int]


def pack(body: dict[str, Any], fds: int = 0) -> bytes:
    """Returns the bytes of a message with this number of descriptors; they are sent with its first byte."""
    data = json.dumps(body).encode()
    return _HEAD.pack(len(data), fds) + data


class MessageReader:
    """The bytes and descriptors received up to now."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._fds: list[int] = []

    def receive(self, link: socket.socket) -> bool:
        """Reads once; returns False at the end. Raises OSError."""
        data, fds, _, _ = socket.recv_fds(link, _READ_SIZE, _MAX_FDS)
        for fd in fds:
            os.set_inheritable(fd, False)
        self._data += data
        self._fds += fds
        return bool(data)

    def messages(self) -> Iterator[Message]:
        """Yields the messages that are complete."""
        while len(self._data) >= _HEAD.size:
            length, count = _HEAD.unpack_from(self._data)
            if len(self._data) < _HEAD.size + length:
                return
            body = json.loads(self._data[_HEAD.size : _HEAD.size + length])
            fds, self._fds = self._fds[:count], self._fds[count:]
            del self._data[: _HEAD.size + length]
            yield Message(body, fds)

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
