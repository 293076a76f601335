"""Follows a growing file of a host by byte offset and inode, across rotation, truncation and reconnects."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from flow_core.errors import Unreachable
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

_PAUSE_S = 0.5
Note = Literal["", "replaced", "truncated", "gap"]

# The script runs in any POSIX sh. Between the bytes of the file it writes lines that begin with the marker:
#   O inode size   the next bytes are of this file, from the requested offset on (0 for every file after the first)
#   S inode size   the present size; everything that was read before has been sent
#   L              the rest of the file that was followed before can't be found
#   E              the end, requested by closing the script's stdin
# The script reads each file through one descriptor, so renames neither skip nor repeat bytes.
# NFS clients keep attributes and missing names for up to a minute; opening the file or the folder asks the server.
_SCRIPT = r"""
exec 2>/dev/null 5<&0
over=; last=; open=; seen=; quiet=0
dir=$(dirname -- "$f")
say() { printf '\036%s %s\n' "$m" "$*"; }
read_state() {
  ino=; size=0
  set -- $(ls -Lidn -- "$f")
  case "${2-}" in -*) ino=$1; size=$6 ;; esac
}
refresh() {
  if [ -n "$ino" ]; then true <"$f"; else true <"${dir%/*}/"; true <"$dir/"; fi
}
rest() { tail -c "+$(($p + 1))" <&3; p=0; }
trap 'over=1' HUP
{ cat >/dev/null; kill -HUP $$; } <&5 >/dev/null 2>&1 &
read_state
if [ -n "$i" ] && [ "$i" != "$ino" ]; then
  old=$(ls -1i -- "$dir" | while read -r n name; do [ "$n" != "$i" ] || printf '%s' "$dir/$name"; done)
  if [ -n "$old" ] && [ -f "$old" ] && [ -r "$old" ]; then exec 3<"$old"; rest; else say L; fi
  p=0
fi
while :; do
  refresh
  read_state
  if [ -z "$open" ]; then
    if [ -n "$ino" ] && [ -r "$f" ]; then
      was=$ino
      exec 3<"$f"
      read_state
      [ "$ino" = "$was" ] || continue
      say O "$ino" "$size"
      rest
      open=$ino; seen="$ino $size"; quiet=0
    fi
  elif [ "$ino" != "$open" ]; then
    cat <&3
    if [ -n "$ino" ]; then
      # The writer may need a moment to notice that its file was moved away.
      sleep 1
      cat <&3
      open=
      continue
    fi
  elif [ "$ino $size" != "$seen" ]; then
    say S "$ino" "$size"
    cat <&3
    seen="$ino $size"; quiet=0
  fi
  if [ -n "$over" ]; then
    # Check once more: the file may have appeared or grown after this check of it began.
    [ -n "$last" ] || { last=1; continue; }
    [ -z "$open" ] || cat <&3
    say E
    exit 0
  fi
  # Each check starts two processes; check a log less often when it has been quiet for a minute.
  case $quiet in [0-4]) nap=0.1 ;; ??|?|[12]??) nap=0.2 ;; *) nap=0.5 ;; esac
  sleep "$nap" || sleep 1
  quiet=$(($quiet + 1))
done
"""


@dataclass(frozen=True, slots=True)
class FilePiece:
    """Bytes at `offset` of the file with this inode. Resuming from `end` and `inode` misses nothing.

    `note` is set in a piece without bytes: "replaced" (another file follows), "truncated" (the file was cut short and
    starts again) or "gap" (the file was replaced during a disconnect and its rest is lost).
    """

    data: bytes
    offset: int
    inode: int
    note: Note = ""

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


class StartedCommand(Protocol):
    """The part of a running command that its callers need."""

    async def read(self) -> bytes:
        """Returns the next piece of stdout; returns b"" at the end. Raises Unreachable."""

    async def write(self, data: bytes) -> None:
        """Writes to the command's stdin. Drops the data if the command no longer reads."""

    def write_eof(self) -> None:
        """Ends the command's stdin."""


class CommandHost(Protocol):
    """The part of a host that following needs."""

    def start(self, command: str) -> AbstractAsyncContextManager[StartedCommand]:
        """Starts a line for sh. Kills the command on exit."""


async def follow_file(
    host: CommandHost,
    path: str,
    offset: int = 0,
    inode: int | None = None,
    *,
    until: asyncio.Event | None = None,
    reconnect_timeout_s: float | None = None,
) -> AsyncGenerator[FilePiece, None]:
    """Yields the bytes of `path` from `offset` on and appended bytes, like `tail -F`. Waits for a missing file.

    Ends after `until` is set, when all bytes that existed then have been sent. Reconnects after a lost connection
    and resumes at the byte where it stopped, without limit or for `reconnect_timeout_s`; then raises Unreachable.
    Raises AuthError and HostKeyChanged too. Like tail, it can't detect a file that is cut short and grows past its old
    size within 0.1 to 0.5 s. Read it under `aclosing`.
    """
    position = _FilePosition(offset, inode)
    lost_at: float | None = None
    while True:
        try:
            async with aclosing(_follow_once(host, path, position, until)) as pieces:
                async for piece in pieces:
                    lost_at = None
                    yield piece
            if position.is_complete:
                return
            if position.restarts:
                position.restarts = False
                continue
        except Unreachable:
            lost_at = lost_at or time.monotonic()
            if reconnect_timeout_s is not None and time.monotonic() - lost_at > reconnect_timeout_s:
                raise
        await asyncio.sleep(_PAUSE_S)


class _FilePosition:
    """The position of the reader: file, offset, and the last event."""

    def __init__(self, offset: int, inode: int | None) -> None:
        self.offset = offset
        self.inode = inode
        self.note: Note = ""
        self.restarts = False
        self.is_complete = False

    def make_piece(self, data: bytes) -> FilePiece:
        piece = FilePiece(data, self.offset, self.inode or 0, self.note)
        self.offset, self.note = piece.end, ""
        return piece

    def apply(self, record: _ScriptRecord) -> None:
        if record.kind == "E":
            self.is_complete = True
        elif record.kind == "L":
            self.offset, self.inode, self.note = 0, None, "gap"
        elif record.kind == "O" and self.inode not in (None, record.inode):
            self.offset, self.inode, self.note = 0, record.inode, "replaced"
        else:
            self.inode = record.inode
            if record.size < self.offset:
                self.offset, self.note, self.restarts = 0, "truncated", True


async def _follow_once(
    host: CommandHost, path: str, position: _FilePosition, until: asyncio.Event | None
) -> AsyncGenerator[FilePiece, None]:
    """Follows the file with one remote command until that ends."""
    marker = f"flow-{secrets.token_hex(12)}"
    variables = {"f": path, "p": str(position.offset), "i": str(position.inode or ""), "m": marker}
    words = "; ".join(f"{name}={quote_word(value)}" for name, value in variables.items())
    async with host.start(f"{words}\n{_SCRIPT}") as running:
        end_task = asyncio.create_task(_close_stdin_at(running, until)) if until is not None else None
        try:
            splitter = _OutputSplitter(f"\x1e{marker} ".encode())
            while data := await running.read():
                for part in splitter.split(data):
                    if isinstance(part, bytes):
                        yield position.make_piece(part)
                        continue
                    position.apply(part)
                    if position.note:
                        yield position.make_piece(b"")
                    if position.restarts or position.is_complete:
                        return
        finally:
            if end_task is not None:
                end_task.cancel()
                await asyncio.wait((end_task,))


async def _close_stdin_at(running: StartedCommand, until: asyncio.Event) -> None:
    await until.wait()
    running.write_eof()


class _ScriptRecord(NamedTuple):
    kind: str
    inode: int = 0
    size: int = 0


class _OutputSplitter:
    """A splitter that separates the bytes of the file from the lines of the script."""

    def __init__(self, marker: bytes) -> None:
        self._marker = marker
        self._line = re.compile(re.escape(marker) + rb"([A-Z])(?: (\d+) (\d+))?\n")
        self._pending = b""

    def split(self, data: bytes) -> Iterator[bytes | _ScriptRecord]:
        data = self._pending + data if self._pending else data
        start = 0
        while (at := data.find(self._marker, start)) >= 0:
            if at > start:
                yield data[start:at]
            start = at
            found = self._line.match(data, at)
            if found is None:
                break  # the line is incomplete
            yield _ScriptRecord(found[1].decode(), int(found[2] or 0), int(found[3] or 0))
            start = found.end()
        end = start if at >= 0 else self._pending_from(data, start)
        self._pending = data[end:]
        if end > start:
            yield data[start:end]

    def _pending_from(self, data: bytes, start: int) -> int:
        """Returns the index at which an incomplete line of the script may begin."""
        at = data.rfind(b"\x1e", max(start, len(data) - len(self._marker)))
        return at if at >= 0 and self._marker.startswith(data[at:]) else len(data)
