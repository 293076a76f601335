"""Creates, enters and locks the destination folder of an upload. Follows no foreign links."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, suppress

from flow_core.errors import Conflict, FlowError, ProviderError, Unreachable
from flow_core.ssh.command import RunningCommand, start_command
from flow_core.ssh.connection_pool import ConnectionPool
from flow_core.ssh.quoting import quote_word
from flow_core.ssh.settings import HostSettings

_ANSWER_S = 60.0
_RELEASE_S = 6.0

# `enter` descends one folder at a time. In a sticky folder that others may write, it refuses a link that belongs
# neither to the user nor to the folder's owner, as Linux does with fs.protected_symlinks. It then checks that the
# parent is still the folder it came from: another user could replace a folder by a link between the check and the
# step. The shell that runs this holds the lock; a lock whose process has ended is void. A lock of another machine that
# shares the folder counts as held, because its process can't be checked. The script opens only regular files: a pipe
# would block. A lock that stays empty was written on a full disk.
_LOCK_SCRIPT = r"""
exec 2>/dev/null
set -f
refuse() { echo "$1"; exit 0; }
owner() { set -- $(ls -ldn "$1"); echo "$3"; }
enter() {
  if [ -h "./$1" ]; then
    case $(ls -ldn .) in
      d????w???[tT]*|d???????w[tT]*)
        of=$(owner "./$1")
        [ "$of" = "$(id -u)" ] || [ "$of" = "$(owner .)" ] || refuse L
    esac
    cd -P "./$1"
  else
    above=$(pwd -P)
    [ -d "./$1" ] || mkdir "./$1" || [ -d "./$1" ] || refuse N
    cd -P "./$1" && [ "$(cd -P .. && pwd -P)" = "$above" ]
  fi || refuse N
}
case $d in /*) cd / ;; esac
rest=$d/
while [ -n "$rest" ]; do
  name=${rest%%/*}
  rest=${rest#*/}
  case $name in ""|.) ;; ..) cd -P .. || refuse N ;; *) enter "$name" ;; esac
done
[ -w . ] || refuse N
l=.flow-sync.lock
here=$(uname -n)
for attempt in 1 2; do
  if [ -h "$l" ] || { [ -e "$l" ] && [ ! -f "$l" ]; }; then refuse F; fi
  if (set -C; echo "$$ $here" >"$l"); then
    trap 'exit 0' HUP TERM
    echo "Y $(pwd -P)"
    cat >/dev/null
    rm -f -- "$l"
    exit 0
  fi
  [ -s "$l" ] || sleep 1
  [ -s "$l" ] || { rm -f -- "$l"; refuse S; }
  read -r pid there <"$l"
  if [ "$there" != "$here" ] || kill -0 "$pid" || ps -p "$pid" >/dev/null; then break; fi
  rm -f -- "$l"
done
echo B
"""


class UploadLock:
    """A lock that keeps other uploads out of a folder while a shell runs on the host."""

    def __init__(self, pool: ConnectionPool, settings: HostSettings, path: str, title: str) -> None:
        self._pool = pool
        self._settings = settings
        self._path = path
        self._title = title

    async def acquire(self, stack: AsyncExitStack) -> str:
        """Holds the lock until `stack` closes; returns the real path of the folder.

        Raises Conflict, ProviderError, Unreachable.
        """
        script = f"d={quote_word(self._path)}\n{_LOCK_SCRIPT}"
        running = await stack.enter_async_context(start_command(self._pool, self._settings, script))
        answer = await self._read_answer(running)
        if not answer.startswith(b"Y "):
            raise self._lock_error(answer.strip().decode("ascii", "replace"))
        stack.push_async_callback(_release, running)
        return os.fsdecode(answer[2:-1])

    async def _read_answer(self, running: RunningCommand) -> bytes:
        answer = b""
        try:
            async with asyncio.timeout(_ANSWER_S):
                while not answer.endswith(b"\n") and (piece := await running.read()):
                    answer += piece
        except TimeoutError:
            raise Unreachable(
                f"{self._settings.alias!r} did not open {self._path!r} within {_ANSWER_S:g} s; check the disk there"
            ) from None
        return answer

    def _lock_error(self, answer: str) -> FlowError:
        if answer == "B":
            return Conflict(
                f"another upload to {self._title!r} is under way; wait for its end (if there is none, delete"
                " .flow-sync.lock there)"
            )
        if answer == "F":
            return Conflict(f".flow-sync.lock in {self._title!r} is not a lock file; delete it to upload there")
        if answer == "L":
            return Conflict(
                f"{self._title!r} leads through a link that another user made in a shared folder; choose another"
                " target_dir"
            )
        if answer == "S":
            return ProviderError(f"{self._title!r} has no room for a lock file; make room on the host's disk")
        return Conflict(f"{self._title!r} is not a folder that you may write to; choose another target_dir")


async def _release(running: RunningCommand) -> None:
    running.write_eof()
    with suppress(TimeoutError, Unreachable):
        async with asyncio.timeout(_RELEASE_S):
            while await running.read():
                pass
