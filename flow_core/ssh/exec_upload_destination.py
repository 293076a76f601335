"""The upload destination on a host without SFTP. Each step is a command; a file is sent as the stdin of one."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from flow_core.errors import FlowError, NotFound, ProviderError
from flow_core.models.completed_command import CompletedCommand
from flow_core.ssh.command import run_command, start_command
from flow_core.ssh.connection_pool import ConnectionPool
from flow_core.ssh.quoting import quote_word
from flow_core.ssh.settings import HostSettings
from flow_core.upload.cancellable_thread import CancellableThread
from flow_core.upload.destination import DestinationConflict, DestinationEntry, WrittenFile
from flow_core.upload.manifest import MANIFEST
from flow_core.upload.source import SourceEntry, SourceReader, list_parents

_LANES = 4
_STEP_S = 60.0
_BATCH = 100
_BLOCKED_EXIT_CODE = 64
# The first form is for GNU and busybox, the second for BSD and macOS. The name comes last: it may contain blanks.
_STAT_SCRIPT = """
if stat -c %f / >/dev/null 2>&1; then stat -c '%f %s %Y %n' -- "$@" 2>/dev/null
else stat -f '%Xp %z %m %N' -- "$@" 2>/dev/null; fi
for path do if [ -h "$path" ]; then printf '> %s\\n' "$(readlink -- "$path")"; printf '= %s\\n' "$path"; fi; done
"""
_MOVE_SCRIPT = """
[ ! -d "$to" ] || [ -h "$to" ] || exit 64
[ ! -h "$to" ] || rm -f -- "$to"
mv -f -- "$part" "$to"
"""


class CommandFolder:
    """A destination folder that is already open and locked.

    `stack` holds the lock. `top` is the real path of the folder.
    """

    lanes = _LANES
    time_step_ns = 1_000_000_000
    device_and_inode: tuple[int, int] | None = None

    def __init__(
        self, pool: ConnectionPool, settings: HostSettings, top: str, title: str, stack: AsyncExitStack
    ) -> None:
        self.title = title
        self._pool = pool
        self._settings = settings
        self._real_path = top
        self._stack = stack
        self._free_lanes = list(range(_LANES))
        self._thread = CancellableThread()

    def deadline(self, timeout_s: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
        return self._pool.deadline(timeout_s)

    async def open(self) -> CommandFolder:
        return self

    async def close(self) -> None:
        await self._stack.aclose()

    async def stat_paths(self, paths: Sequence[str]) -> list[DestinationEntry | None]:
        """Returns the state of each path. A name with a line break counts as unknown, so its file is sent again."""
        plain = [path for path in dict.fromkeys((*paths, *_all_parents(paths))) if "\n" not in path]
        found: dict[str, DestinationEntry] = {}
        for start in range(0, len(plain), _BATCH):
            names = " ".join(quote_word(f"./{path}") for path in plain[start : start + _BATCH])
            found.update(_parse((await self._run(f"set -- {names}\n{_STAT_SCRIPT}")).stdout))
        return [self._find_known(path, found) for path in paths]

    async def make_folders(self, folder: str) -> list[str]:
        names = " ".join(quote_word(f"./{path}") for path in (*list_parents(folder), folder)) if folder else ""
        done = await self._run(
            f'for path in {names}; do [ ! -h "$path" ] || exit {_BLOCKED_EXIT_CODE}; [ -d "$path" ] && continue\n'
            f'[ ! -e "$path" ] || exit {_BLOCKED_EXIT_CODE}; mkdir -- "$path" || exit 1; echo; done'
        )
        every = [*list_parents(folder), folder] if folder else []
        return every[len(every) - done.stdout.count(b"\n") :]

    async def put(self, source: Path, entry: SourceEntry, on_bytes: Callable[[int], None]) -> WrittenFile:
        reader = await self._thread.run(SourceReader, source)
        lane = self._free_lanes.pop()
        part = _sibling(entry.path, f".flow-sync.{lane}.part")
        try:
            await self._send(reader, part, on_bytes)
            touch_time = datetime.fromtimestamp(reader.mtime_ns // 1_000_000_000, UTC).strftime("%Y%m%d%H%M.%S")
            set_attributes = f'chmod {reader.mode:o} "$part" && TZ=UTC0 touch -t {touch_time} -- "$part" || exit 1'
            await self._move_into_place(part, entry.path, set_attributes)
        finally:
            self._free_lanes.append(lane)
            if not self._thread.is_stuck:
                reader.close()
        return WrittenFile(reader.size, reader.mtime_ns, reader.mode, reader.digest)

    async def link(self, path: str, target: str) -> None:
        lane = self._free_lanes.pop()
        try:
            make = f'rm -f -- "$part"; ln -s -- {quote_word(target)} "$part" || exit 1'
            await self._move_into_place(_sibling(path, f".flow-sync.{lane}.part"), path, make)
        finally:
            self._free_lanes.append(lane)

    async def touch(self, path: str, mode: int, mtime_ns: int) -> None:
        """Always raises DestinationConflict: sending the file again is as fast as requesting its checksum."""
        raise DestinationConflict(path)

    async def digest(self, path: str) -> str | None:
        return None

    async def delete(self, path: str) -> None:
        await self._run(
            f'{_require_real_parents(path)}\np={quote_word(f"./{path}")}\n[ -d "$p" ] && [ ! -h "$p" ] || rm -f -- "$p"'
        )

    async def delete_folder(self, folder: str) -> bool:
        name = quote_word(f"./{folder}")
        done = await self._run(
            f"{_require_real_parents(folder)}\n[ ! -h {name} ] && rmdir -- {name} 2>/dev/null || echo no"
        )
        return not done.stdout

    async def read_manifest(self) -> bytes | None:
        done = await self._run(f"[ -f {MANIFEST} ] && [ ! -h {MANIFEST} ] || exit 0; cat {MANIFEST}")
        return None if done.is_cut else done.stdout or None

    async def write_manifest(self, data: bytes) -> None:
        part = f"{MANIFEST}.part"
        await self._run(f"{_write_new_file(part)}", stdin=data)
        await self._move_into_place(part, MANIFEST, f'[ "$(wc -c <"$part")" -eq {len(data)} ] || exit 1')

    async def _send(self, reader: SourceReader, part: str, on_bytes: Callable[[int], None]) -> None:
        """Sends the file and compares the size that arrived.

        A lost connection also ends the input early, so the file is replaced only if the size is right.
        """
        script = (
            f"cd {quote_word(self._real_path)} || exit 1\n{_require_real_parents(part)}\n{_write_new_file(part)}\n"
            f"wc -c <{quote_word(f'./{part}')}"
        )
        output = b""
        async with start_command(self._pool, self._settings, script) as running:
            while piece := await self._thread.run(reader.read):
                async with asyncio.timeout(_STEP_S):
                    await running.write(piece)
                on_bytes(len(piece))
            running.write_eof()
            async with asyncio.timeout(_STEP_S):
                while answer := await running.read():
                    output += answer
                error_output = await running.read(2)
                await running.wait_closed()
            result = running.result
        if result is not None and result.exit_code == _BLOCKED_EXIT_CODE:
            raise DestinationConflict(part)
        if result is None or result.exit_code or output.strip() != str(reader.size).encode():
            raise self._write_error(error_output)

    async def _move_into_place(self, part: str, path: str, prepare: str) -> None:
        names = f"part={quote_word(f'./{part}')}\nto={quote_word(f'./{path}')}"
        await self._run(f"{_require_real_parents(path)}\n{names}\n{prepare}\n{_MOVE_SCRIPT}")

    async def _run(self, script: str, stdin: bytes = b"") -> CompletedCommand:
        done = await run_command(
            self._pool,
            self._settings,
            f"cd {quote_word(self._real_path)} || exit 1\n{script}",
            timeout_s=_STEP_S,
            stdin=stdin,
            on_output=None,
        )
        if done.exit_code == _BLOCKED_EXIT_CODE:
            raise DestinationConflict
        if done.exit_code and done.stderr:
            raise self._write_error(done.stderr)
        return done

    def _write_error(self, output: bytes) -> FlowError:
        error_lines = output.decode("utf-8", "replace").strip().splitlines()
        if error_lines and "no such file" in error_lines[-1].lower():
            return NotFound(f"{self.title!r} is gone: {error_lines[-1]!r}")
        return ProviderError(
            f"{self.title!r} can't be written to: {error_lines[-1] if error_lines else 'a file arrived incomplete'!r}"
        )

    def _find_known(self, path: str, found: dict[str, DestinationEntry]) -> DestinationEntry | None:
        is_real = all((above := found.get(each)) and above.kind == "other" for each in list_parents(path))
        return found.get(path) if is_real else None


def _require_real_parents(path: str) -> str:
    """Returns script lines that exit if a parent of the path is missing or is a symbolic link."""
    return "\n".join(
        f"[ -d {quote_word(f'./{each}')} ] && [ ! -h {quote_word(f'./{each}')} ] || exit {_BLOCKED_EXIT_CODE}"
        for each in list_parents(path)
    )


def _write_new_file(part: str) -> str:
    """Returns script lines that write stdin to a new file with mode 600.

    They first remove a file that a killed upload may have left there.
    """
    name = quote_word(f"./{part}")
    return f"umask 077; rm -f -- {name}; set -C; cat >{name} || exit 1"


def _sibling(path: str, name: str) -> str:
    folder, slash, _ = path.rpartition("/")
    return f"{folder}{slash}{name}"


def _all_parents(paths: Sequence[str]) -> set[str]:
    return {each for path in paths for each in list_parents(path)}


def _parse(output: bytes) -> dict[str, DestinationEntry]:
    found: dict[str, DestinationEntry] = {}
    target = ""
    for line in os.fsdecode(output).split("\n"):
        kind, _, rest = line.partition(" ")
        if kind == ">":
            target = rest
        elif kind == "=":
            found[rest.removeprefix("./")] = DestinationEntry("link", target=target)
        elif rest:
            size, mtime, name = rest.split(" ", 2)
            found[name.removeprefix("./")] = _parse_entry(int(kind, 16), int(size), int(mtime))
    return found


def _parse_entry(mode: int, size: int, mtime: int) -> DestinationEntry:
    if stat.S_ISREG(mode):
        return DestinationEntry("file", size, mtime * 1_000_000_000, mode & 0o777)
    return DestinationEntry("link" if stat.S_ISLNK(mode) else "other")
