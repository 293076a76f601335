"""Uploads a folder: sends only changed files, and records each one only after it has arrived."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from flow_core.errors import ConfigError, FlowError, Unreachable
from flow_core.upload.cancellable_thread import CancellableThread
from flow_core.upload.destination import DestinationConflict, UploadDestination
from flow_core.upload.file_walk import resolve_source
from flow_core.upload.git import GitUnavailable, read_git_status
from flow_core.upload.manifest import Manifest, Marker, Record
from flow_core.upload.plan import Plan, Planner, Step
from flow_core.upload.report import OnProgress, ProgressThrottle, UploadResult
from flow_core.upload.source import SourceGone, SourceReader, list_parents

_SAVE_MANIFEST_S = 10.0
_EMPTY_RESULT = UploadResult(0, 0, 0, 0, 0.0)


async def upload(
    source: Path,
    destination: UploadDestination,
    *,
    timeout_s: float = 600.0,
    git_incremental: bool | None = None,
    on_progress: OnProgress | None = None,
) -> UploadResult:
    """Makes `destination` hold the files of `source` that no ignore rule excludes.

    Overwrites files that differ. Deletes files that an earlier upload of the same folder wrote and that the source no
    longer has. Changes nothing else.

    `git_incremental`: False compares every file with the destination. True checks only the files that differ according
    to git since the last upload, and every file if git can't know (the first time, after an ignore file changed,
    with a .flowignore that re-includes files). None does the same if git is available. Only a full comparison
    notices changes of others at the destination. Uploading a folder onto itself sends nothing. Calling it again is
    safe, also after an interruption: it continues where it stopped.

    Raises ConfigError (source_dir, git_incremental, timeout), AuthError, Conflict (another upload is under way),
    Unreachable (not done within `timeout_s`), ProviderError (the disk is full).
    """
    if not isinstance(timeout_s, int | float) or isinstance(timeout_s, bool) or not timeout_s > 0:
        raise ConfigError(f"timeout: must be a number of seconds above 0, not {timeout_s!r}", field="timeout")
    began = time.monotonic()
    run = _Upload(destination, ProgressThrottle(on_progress))
    clock: asyncio.Timeout | None = None
    try:
        async with destination.deadline(timeout_s) as clock:
            await run.plan_and_execute(source, git_incremental)
    except TimeoutError:
        if clock is None or not clock.expired():
            raise
        raise Unreachable(
            f"the upload to {destination.title!r} was not done after {timeout_s:g} s, {run.result.files_sent} files"
            " arrived; upload again to go on, or give it a longer timeout"
        ) from None
    return replace(run.result, duration_s=time.monotonic() - began)


class _Upload:
    """One upload in progress. `result` is its result up to now."""

    def __init__(self, destination: UploadDestination, progress: ProgressThrottle) -> None:
        self.result = _EMPTY_RESULT
        self._destination = destination
        self._progress = progress
        self._thread = CancellableThread()

    async def plan_and_execute(self, source: Path, git_incremental: bool | None) -> None:
        source = await self._thread.run(resolve_source, source)
        try:
            self._destination = await self._destination.open()
            if self._destination.device_and_inode != await self._thread.run(_device_and_inode, source):
                plan = await Planner(source, self._destination, git_incremental, self._thread).plan()
                await self._execute(source, plan)
                self.result = replace(self.result, skipped=plan.skipped.lines())
            self._progress.end()
        finally:
            await self._destination.close()

    async def _execute(self, source: Path, plan: Plan) -> None:
        self.result = replace(_EMPTY_RESULT, files_unchanged=plan.unchanged)
        if plan.is_recorded:
            return
        manifest = plan.manifest
        if not plan.is_idle:
            # Write no marker yet: after an interrupted upload, the next one must not rely on git.
            manifest.pending = {step.entry.path for step in plan.send if step.is_ours}
            await self._write(manifest)
            try:
                await self._delete(plan)
                await self._send(source, plan)
            except BaseException:
                await self._save_manifest(manifest)
                raise
            manifest.pending.clear()
        manifest.marker = await self._marker(source, plan)
        await self._write(manifest)

    async def _write(self, manifest: Manifest) -> None:
        await self._destination.write_manifest(await self._thread.run(manifest.encode))

    async def _save_manifest(self, manifest: Manifest) -> None:
        # If this fails, the next upload compares the files. Don't replace the original error.
        with suppress(FlowError, TimeoutError):
            async with asyncio.timeout(_SAVE_MANIFEST_S):
                await self._write(manifest)

    async def _marker(self, source: Path, plan: Plan) -> Marker | None:
        """Returns the git state of the upload; None if it can't be known.

        Adds the files that changed during the upload: it is unknown which version was sent.
        """
        if plan.marker is None or plan.is_idle:
            return plan.marker
        try:
            status = await read_git_status(source, plan.marker.commit)
        except GitUnavailable:
            return None
        if status.changed_since is None:
            return None
        return plan.marker._replace(changed=tuple(sorted(status.changed_since.union(plan.marker.changed))))

    async def _delete(self, plan: Plan) -> None:
        """Deletes files and folders. Must run first: a folder may have to replace a file, or a file a folder."""
        emptied: set[str] = set()
        for path in plan.delete:
            await self._destination.delete(path)
            del plan.manifest.files[path]
            self.result = replace(self.result, files_deleted=self.result.files_deleted + 1)
            emptied.update(list_parents(path))
        own_folders = emptied & plan.manifest.folders
        for folder in sorted(own_folders, key=lambda path: path.count("/"), reverse=True):
            if await self._destination.delete_folder(folder):
                plan.manifest.folders.discard(folder)

    async def _send(self, source: Path, plan: Plan) -> None:
        for entry in plan.touch:
            try:
                await self._destination.touch(entry.path, entry.mode, entry.mtime_ns)
            except DestinationConflict:
                plan.send.append(Step(entry, is_ours=True))  # it no longer exists at the destination
        self._progress.begin(len(plan.send), sum(step.entry.size for step in plan.send))
        await self._make_folders(plan)
        steps = iter(plan.send)
        failures: tuple[BaseException, ...] = ()
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(self._destination.lanes):
                    lanes.create_task(self._send_steps(source, plan, steps))
        except BaseExceptionGroup as group:
            failures = group.exceptions
        if failures:
            raise failures[0]

    async def _make_folders(self, plan: Plan) -> None:
        conflicts: set[str] = set()
        for folder in sorted({step.entry.path.rpartition("/")[0] for step in plan.send} - {""}):
            try:
                plan.manifest.folders.update(await self._destination.make_folders(folder))
            except DestinationConflict:
                conflicts.add(folder)
        for step in plan.send:
            if step.entry.path.rpartition("/")[0] in conflicts:
                self._skip(plan, step, "a folder above it is a link or a file at the destination")
        if conflicts:
            plan.send = [step for step in plan.send if step.entry.path.rpartition("/")[0] not in conflicts]

    async def _send_steps(self, source: Path, plan: Plan, steps: Iterator[Step]) -> None:
        for step in steps:
            try:
                await self._send_one(source, plan.manifest, step)
            except SourceGone:
                self._skip(plan, step, "it was deleted before it could be uploaded")
            except DestinationConflict:
                self._skip(plan, step, "something of another kind stands there at the destination")
            else:
                plan.manifest.pending.discard(step.entry.path)
            self._progress.finished(step.entry.path)

    def _skip(self, plan: Plan, step: Step, reason: str) -> None:
        plan.skipped.add(step.entry.path, reason)
        plan.manifest.pending.discard(step.entry.path)
        if plan.marker is not None:  # git would not list it again
            plan.marker = plan.marker._replace(changed=(*plan.marker.changed, step.entry.path))

    async def _send_one(self, source: Path, manifest: Manifest, step: Step) -> None:
        entry = step.entry
        path = source / entry.path
        if entry.target is not None:
            await self._destination.link(entry.path, entry.target)
            record, size = Record(target=entry.target), 0
        elif step.compares and (found := await self._same_content(path, step)) is not None:
            self._progress.moved(entry.path, found.size)
            self.result = replace(self.result, files_unchanged=self.result.files_unchanged + 1)
            if step.is_ours:
                manifest.files[entry.path] = found
            return
        else:
            arrived = await self._destination.put(path, entry, lambda size: self._progress.moved(entry.path, size))
            record, size = Record(*arrived), arrived.size
        self.result = replace(
            self.result, files_sent=self.result.files_sent + 1, bytes_sent=self.result.bytes_sent + size
        )
        manifest.files[entry.path] = record

    async def _same_content(self, path: Path, step: Step) -> Record | None:
        """Compares the contents. Returns the new record after fixing the mtime, or None if the file must be sent."""
        try:
            there = step.digest or await self._destination.digest(step.entry.path)
            if there is None:
                return None
            here = await self._digest_source(path)
            if here.digest != there:
                return None
            await self._destination.touch(step.entry.path, here.mode, here.mtime_ns)
        except DestinationConflict:
            return None
        return here

    async def _digest_source(self, path: Path) -> Record:
        """Returns the record of a source file. Raises SourceGone, ConfigError."""
        reader = await self._thread.run(SourceReader, path)
        try:
            while not await self._thread.run(reader.read_ahead):
                pass  # each call reads some megabytes; a cancellation takes effect between two calls
            return Record(reader.size, reader.mtime_ns, reader.mode, reader.digest)
        finally:
            if not self._thread.is_stuck:
                reader.close()


def _device_and_inode(source: Path) -> tuple[int, int]:
    found = os.stat(source)
    return found.st_dev, found.st_ino
