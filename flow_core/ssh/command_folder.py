"""A destination of uploads on a host without SFTP: each step is a command, and a file travels as its stdin."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from flow_core.errors import FlowError, NotFound, ProviderError
from flow_core.ssh.command import Outcome, run, started
from flow_core.ssh.lines import Lines
from flow_core.ssh.quoting import quoted
from flow_core.ssh.settings import HostSettings
from flow_core.upload.cancellable_thread import CancellableThread
from flow_core.upload.destination import DestinationConflict, DestinationEntry, WrittenFile
from flow_core.upload.manifest import MANIFEST
from flow_core.upload.source import SourceEntry, SourceReader, parents

_LANES = 4
_STEP_S = 60.0
_BATCH = 100
_BLOCKED = 64
# GNU and busybox, then BSD and macOS. The name comes last: it may hold blanks.
_STAT = """
if stat -c %f / >/dev/null 2>&1; then stat -c '%f %s %Y %n' -- "$@" 2>/dev/null
else stat -f '%Xp %z %m %N' -- "$@" 2>/dev/null; fi
for path do if [ -h "$path" ]; then printf '> %s\\n' "$(readlink -- "$path")"; printf '= %s\\n' "$path"; fi; done
"""
_INTO_PLACE = """
[ ! -d "$to" ] || [ -h "$to" ] || exit 64
[ ! -h "$to" ] || rm -f -- "$to"
mv -f -- "$part" "$to"
"""


class CommandFolder:
    """A folder that is open already; `held` keeps it so. `top` is its real path."""

    lanes = _LANES
    time_step_ns = 1_000_000_000
    place: tuple[int, int] | None = None

    def __init__(self, lines: Lines, settings: HostSettings, top: str, title: str, held: AsyncExitStack) -> None:
        self.title = title
        self._lines = lines
        self._settings = settings
        self._top = top
        self._held = held
        self._free = list(range(_LANES))
        self._thread = CancellableThread()

    def deadline(self, timeout_s: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
        return self._lines.deadline(timeout_s)

    async def open(self) -> CommandFolder:
        return self

    async def close(self) -> None:
        await self._held.aclose()

    async def known(self, paths: Sequence[str]) -> list[DestinationEntry | None]:
        """A name with a line break counts as unknown, and is sent anew."""
        plain = [path for path in dict.fromkeys((*paths, *_all_parents(paths))) if "\n" not in path]
        found: dict[str, DestinationEntry] = {}
        for start in range(0, len(plain), _BATCH):
            names = " ".join(quoted(f"./{path}") for path in plain[start : start + _BATCH])
            found.update(_parse((await self._run(f"set -- {names}\n{_STAT}")).stdout))
        return [self._as_file(path, found) for path in paths]

    async def make_folders(self, folder: str) -> list[str]:
        names = " ".join(quoted(f"./{path}") for path in (*parents(folder), folder)) if folder else ""
        done = await self._run(
            f'for path in {names}; do [ ! -h "$path" ] || exit {_BLOCKED}; [ -d "$path" ] && continue\n'
            f'[ ! -e "$path" ] || exit {_BLOCKED}; mkdir -- "$path" || exit 1; echo; done'
        )
        every = [*parents(folder), folder] if folder else []
        return every[len(every) - done.stdout.count(b"\n") :]

    async def put(self, source: Path, entry: SourceEntry, on_bytes: Callable[[int], None]) -> WrittenFile:
        reader = await self._thread.run(SourceReader, source)
        lane = self._free.pop()
        part = _beside(entry.path, f".flow-sync.{lane}.part")
        try:
            await self._send(reader, part, on_bytes)
            moment = datetime.fromtimestamp(reader.mtime_ns // 1_000_000_000, UTC).strftime("%Y%m%d%H%M.%S")
            settle = f'chmod {reader.mode:o} "$part" && TZ=UTC0 touch -t {moment} -- "$part" || exit 1'
            await self._into_place(part, entry.path, settle)
        finally:
            self._free.append(lane)
            if not self._thread.is_stuck:
                reader.close()
        return WrittenFile(reader.size, reader.mtime_ns, reader.mode, reader.digest)

    async def link(self, path: str, target: str) -> None:
        lane = self._free.pop()
        try:
            make = f'rm -f -- "$part"; ln -s -- {quoted(target)} "$part" || exit 1'
            await self._into_place(_beside(path, f".flow-sync.{lane}.part"), path, make)
        finally:
            self._free.append(lane)

    async def touch(self, path: str, mode: int, mtime_ns: int) -> None:
        """Sending the file anew is as quick as asking for its sum."""
        raise DestinationConflict(path)

    async def digest(self, path: str) -> str | None:
        return None

    async def delete(self, path: str) -> None:
        await self._run(f'{_real(path)}\np={quoted(f"./{path}")}\n[ -d "$p" ] && [ ! -h "$p" ] || rm -f -- "$p"')

    async def delete_folder(self, folder: str) -> bool:
        name = quoted(f"./{folder}")
        done = await self._run(f"{_real(folder)}\n[ ! -h {name} ] && rmdir -- {name} 2>/dev/null || echo no")
        return not done.stdout

    async def read_manifest(self) -> bytes | None:
        done = await self._run(f"[ -f {MANIFEST} ] && [ ! -h {MANIFEST} ] || exit 0; cat {MANIFEST}")
        return None if done.is_cut else done.stdout or None

    async def write_manifest(self, data: bytes) -> None:
        part = f"{MANIFEST}.part"
        await self._run(f"{_fresh(part)}", stdin=data)
        await self._into_place(part, MANIFEST, f'[ "$(wc -c <"$part")" -eq {len(data)} ] || exit 1')

    async def _send(self, reader: SourceReader, part: str, on_bytes: Callable[[int], None]) -> None:
        """The size that arrived is compared before anything is replaced: a lost connection ends the file early too."""
        script = f"cd {quoted(self._top)} || exit 1\n{_real(part)}\n{_fresh(part)}\nwc -c <{quoted(f'./{part}')}"
        said = b""
        async with started(self._lines, self._settings, script) as running:
            while piece := await self._thread.run(reader.read):
                async with asyncio.timeout(_STEP_S):
                    await running.write(piece)
                on_bytes(len(piece))
            running.write_eof()
            async with asyncio.timeout(_STEP_S):
                while answer := await running.read():
                    said += answer
                complaint = await running.read(2)
                await running.closed()
            outcome = running.outcome
        if outcome is not None and outcome.exit_code == _BLOCKED:
            raise DestinationConflict(part)
        if outcome is None or outcome.exit_code or said.strip() != str(reader.size).encode():
            raise self._failure(complaint)

    async def _into_place(self, part: str, path: str, prepare: str) -> None:
        names = f"part={quoted(f'./{part}')}\nto={quoted(f'./{path}')}"
        await self._run(f"{_real(path)}\n{names}\n{prepare}\n{_INTO_PLACE}")

    async def _run(self, script: str, stdin: bytes = b"") -> Outcome:
        done = await run(
            self._lines,
            self._settings,
            f"cd {quoted(self._top)} || exit 1\n{script}",
            timeout_s=_STEP_S,
            stdin=stdin,
            on_output=None,
        )
        if done.exit_code == _BLOCKED:
            raise DestinationConflict
        if done.exit_code and done.stderr:
            raise self._failure(done.stderr)
        return done

    def _failure(self, said: bytes) -> FlowError:
        why = said.decode("utf-8", "replace").strip().splitlines()
        if why and "no such file" in why[-1].lower():
            return NotFound(f"{self.title!r} is gone: {why[-1]!r}")
        return ProviderError(f"{self.title!r} can't be written to: {why[-1] if why else 'a file came incomplete'!r}")

    def _as_file(self, path: str, found: dict[str, DestinationEntry]) -> DestinationEntry | None:
        is_real = all((above := found.get(each)) and above.kind == "other" for each in parents(path))
        return found.get(path) if is_real else None


def _real(path: str) -> str:
    """Ends the script where something above a path is no folder but a link, or missing."""
    return "\n".join(
        f"[ -d {quoted(f'./{each}')} ] && [ ! -h {quoted(f'./{each}')} ] || exit {_BLOCKED}" for each in parents(path)
    )


def _fresh(part: str) -> str:
    """Takes stdin into a new file that is for nobody else's eyes. A file of a killed upload may stand there."""
    name = quoted(f"./{part}")
    return f"umask 077; rm -f -- {name}; set -C; cat >{name} || exit 1"


def _beside(path: str, name: str) -> str:
    folder, slash, _ = path.rpartition("/")
    return f"{folder}{slash}{name}"


def _all_parents(paths: Sequence[str]) -> set[str]:
    return {each for path in paths for each in parents(path)}


def _parse(said: bytes) -> dict[str, DestinationEntry]:
    found: dict[str, DestinationEntry] = {}
    target = ""
    for line in os.fsdecode(said).split("\n"):
        kind, _, rest = line.partition(" ")
        if kind == ">":
            target = rest
        elif kind == "=":
            found[rest.removeprefix("./")] = DestinationEntry("link", target=target)
        elif rest:
            size, mtime, name = rest.split(" ", 2)
            found[name.removeprefix("./")] = _known(int(kind, 16), int(size), int(mtime))
    return found


def _known(mode: int, size: int, mtime: int) -> DestinationEntry:
    if stat.S_ISREG(mode):
        return DestinationEntry("file", size, mtime * 1_000_000_000, mode & 0o777)
    return DestinationEntry("link" if stat.S_ISLNK(mode) else "other")
