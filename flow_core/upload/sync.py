"""Sends a folder: only what changed, whole files only, and never more is forgotten than was sent."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from flow_core.errors import ConfigError, FlowError, Unreachable
from flow_core.upload.destination import Blocked, Destination
from flow_core.upload.entry import SourceReader, Vanished, parents
from flow_core.upload.git import GitSilent, look
from flow_core.upload.hop import Hops
from flow_core.upload.manifest import Manifest, Marker, Record
from flow_core.upload.plan import Plan, Planner, Step
from flow_core.upload.progress import Pace
from flow_core.upload.report import OnProgress, UploadResult
from flow_core.upload.selection import checked_source

_LAST_WORDS_S = 10.0
_NOTHING = UploadResult(0, 0, 0, 0, 0.0)


async def upload(
    source: Path,
    destination: Destination,
    *,
    timeout_s: float = 600.0,
    git_incremental: bool | None = None,
    on_progress: OnProgress | None = None,
) -> UploadResult:
    """Makes `destination` hold the selected files of `source`: files that differ are overwritten, files that an earlier
    upload of the same folder put there and that the source no longer has are deleted, nothing else is touched.

    `git_incremental`: False compares every file with what is there. True looks only at what git says differs from what
    was sent last, and at everything where git can't know (the first time, after an ignore file changed, with a
    .flowignore that brings files back). None does so where it can. What others changed at the destination is only seen
    by a comparison. A folder onto itself sends nothing. Safe twice, and after any interruption: it goes on.

    Raises ConfigError (source_dir, git_incremental, timeout), AuthError, Conflict (another upload is under way),
    Unreachable (not done within `timeout_s`), ProviderError (the disk is full).
    """
    if not isinstance(timeout_s, int | float) or isinstance(timeout_s, bool) or not timeout_s > 0:
        raise ConfigError(f"timeout: must be a number of seconds above 0, not {timeout_s!r}", field="timeout")
    began = time.monotonic()
    run = _Run(destination, Pace(on_progress))
    clock: asyncio.Timeout | None = None
    try:
        async with destination.deadline(timeout_s) as clock:
            await run.go(source, git_incremental)
    except TimeoutError:
        if clock is None or not clock.expired():
            raise
        raise Unreachable(
            f"the upload to {destination.title!r} was not done after {timeout_s:g} s, {run.result.files_sent} files"
            " arrived; upload again to go on, or give it a longer timeout"
        ) from None
    return replace(run.result, duration_s=time.monotonic() - began)


class _Run:
    """One upload. `result` is what has been done so far."""

    def __init__(self, destination: Destination, pace: Pace) -> None:
        self.result = _NOTHING
        self._destination = destination
        self._pace = pace
        self._hops = Hops()

    async def go(self, source: Path, git_incremental: bool | None) -> None:
        source = await self._hops.run(checked_source, source)
        try:
            self._destination = await self._destination.open()
            if self._destination.place != await self._hops.run(_place, source):
                plan = await Planner(source, self._destination, git_incremental, self._hops).plan()
                await self._carry_out(source, plan)
                self.result = replace(self.result, skipped=plan.skipped.lines())
            self._pace.end()
        finally:
            await self._destination.close()

    async def _carry_out(self, source: Path, plan: Plan) -> None:
        self.result = replace(_NOTHING, files_unchanged=plan.unchanged)
        if plan.is_recorded:
            return
        manifest = plan.kept
        if not plan.is_idle:
            # Without a marker from here on: an upload that is cut short must not let git be believed.
            manifest.pending = {step.entry.path for step in plan.send if step.is_ours}
            await self._write(manifest)
            try:
                await self._delete(plan)
                await self._send(source, plan)
            except BaseException:
                await self._last_words(manifest)
                raise
            manifest.pending.clear()
        manifest.marker = await self._marker(source, plan)
        await self._write(manifest)

    async def _write(self, manifest: Manifest) -> None:
        await self._destination.write_manifest(await self._hops.run(manifest.encode))

    async def _last_words(self, manifest: Manifest) -> None:
        # What can't be recorded is found again by comparing; the reason for the end must not be lost over it.
        with suppress(FlowError, TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await self._write(manifest)

    async def _marker(self, source: Path, plan: Plan) -> Marker | None:
        """Also what changed while it was read: nobody knows which of its states was sent."""
        if plan.marker is None or plan.is_idle:
            return plan.marker
        try:
            view = await look(source, plan.marker.commit)
        except GitSilent:
            return None
        if view.since is None:
            return None
        return plan.marker._replace(changed=tuple(sorted(view.since.union(plan.marker.changed))))

    async def _delete(self, plan: Plan) -> None:
        """First of all: a folder may have to stand where a file was, or the other way round."""
        emptied: set[str] = set()
        for path in plan.delete:
            await self._destination.delete(path)
            del plan.kept.files[path]
            self.result = replace(self.result, files_deleted=self.result.files_deleted + 1)
            emptied.update(parents(path))
        ours = emptied & plan.kept.folders
        for folder in sorted(ours, key=lambda path: path.count("/"), reverse=True):
            if await self._destination.delete_folder(folder):
                plan.kept.folders.discard(folder)

    async def _send(self, source: Path, plan: Plan) -> None:
        for entry in plan.touch:
            try:
                await self._destination.touch(entry.path, entry.mode, entry.mtime_ns)
            except Blocked:
                plan.send.append(Step(entry, is_ours=True))  # it isn't there any more
        self._pace.begin(len(plan.send), sum(step.entry.size for step in plan.send))
        await self._make_folders(plan)
        steps = iter(plan.send)
        failures: tuple[BaseException, ...] = ()
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(self._destination.lanes):
                    lanes.create_task(self._lane(source, plan, steps))
        except BaseExceptionGroup as several:
            failures = several.exceptions
        if failures:
            raise failures[0]

    async def _make_folders(self, plan: Plan) -> None:
        blocked: set[str] = set()
        for folder in sorted({step.entry.path.rpartition("/")[0] for step in plan.send} - {""}):
            try:
                plan.kept.folders.update(await self._destination.make_folders(folder))
            except Blocked:
                blocked.add(folder)
        for step in plan.send:
            if step.entry.path.rpartition("/")[0] in blocked:
                self._skip(plan, step, "a folder above it is a link or a file at the destination")
        if blocked:
            plan.send = [step for step in plan.send if step.entry.path.rpartition("/")[0] not in blocked]

    async def _lane(self, source: Path, plan: Plan, steps: Iterator[Step]) -> None:
        for step in steps:
            try:
                await self._one(source, plan.kept, step)
            except Vanished:
                self._skip(plan, step, "it was gone when its turn came")
            except Blocked:
                self._skip(plan, step, "something of another kind stands there at the destination")
            else:
                plan.kept.pending.discard(step.entry.path)
            self._pace.finished(step.entry.path)

    def _skip(self, plan: Plan, step: Step, why: str) -> None:
        plan.skipped.add(step.entry.path, why)
        plan.kept.pending.discard(step.entry.path)
        if plan.marker is not None:  # git would not speak of it again
            plan.marker = plan.marker._replace(changed=(*plan.marker.changed, step.entry.path))

    async def _one(self, source: Path, manifest: Manifest, step: Step) -> None:
        entry = step.entry
        place = source / entry.path
        if entry.target is not None:
            await self._destination.link(entry.path, entry.target)
            record, size = Record(target=entry.target), 0
        elif step.compares and (found := await self._same_content(place, step)) is not None:
            self._pace.moved(entry.path, found.size)
            self.result = replace(self.result, files_unchanged=self.result.files_unchanged + 1)
            if step.is_ours:
                manifest.files[entry.path] = found
            return
        else:
            arrived = await self._destination.put(place, entry, lambda size: self._pace.moved(entry.path, size))
            record, size = Record(*arrived), arrived.size
        self.result = replace(
            self.result, files_sent=self.result.files_sent + 1, bytes_sent=self.result.bytes_sent + size
        )
        manifest.files[entry.path] = record

    async def _same_content(self, place: Path, step: Step) -> Record | None:
        """The record of a file of which only the time was wrong, now set right; None when it has to be sent."""
        try:
            there = step.digest or await self._destination.digest(step.entry.path)
            if there is None:
                return None
            here = await self._sum_up(place)
            if here.digest != there:
                return None
            await self._destination.touch(step.entry.path, here.mode, here.mtime_ns)
        except Blocked:
            return None
        return here

    async def _sum_up(self, place: Path) -> Record:
        """Raises Vanished, ConfigError."""
        reader = await self._hops.run(SourceReader, place)
        try:
            while not await self._hops.run(reader.skim):
                pass  # each round reads some megabytes; between two of them it can be cancelled
            return Record(reader.size, reader.mtime_ns, reader.mode, reader.digest)
        finally:
            if not self._hops.is_stuck:
                reader.close()


def _place(source: Path) -> tuple[int, int]:
    found = os.stat(source)
    return found.st_dev, found.st_ino
