"""Plans an upload: which files to send, to touch and to delete."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flow_core.errors import ConfigError
from flow_core.upload.cancellable_thread import CancellableThread
from flow_core.upload.destination import DestinationEntry, UploadDestination
from flow_core.upload.file_walk import FLOW, GIT, FileWalk, SkippedFiles, is_ignored
from flow_core.upload.git import GitStatus, GitUnavailable, read_git_status
from flow_core.upload.git_work_tree import WorkTree, find_work_tree
from flow_core.upload.manifest import Manifest, Marker, Record, make_source_key
from flow_core.upload.source import SourceEntry, list_parents

_BATCH_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """One file or link to send. `is_ours`: the destination has nothing there, or an upload wrote it.

    `compares`: only the mtime differs, so compare the contents first. `digest` is the digest of the file at the
    destination, "" if unknown.
    """

    entry: SourceEntry
    is_ours: bool
    compares: bool = False
    digest: str = ""


@dataclass(slots=True)
class Plan:
    """The steps of one upload. `manifest` describes the destination before the first step."""

    manifest: Manifest
    marker: Marker | None
    skipped: SkippedFiles
    send: list[Step] = field(default_factory=list)
    touch: list[SourceEntry] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    unchanged: int = 0
    is_recorded: bool = False  # the destination's manifest is up to date already

    @property
    def is_idle(self) -> bool:
        return not (self.send or self.touch or self.delete)


class Planner:
    """The planner of an upload: compares the source with the manifest, and with git or the destination."""

    def __init__(
        self, source: Path, destination: UploadDestination, git_incremental: bool | None, thread: CancellableThread
    ) -> None:
        self._source = source
        self._destination = destination
        self._git_incremental = git_incremental
        self._thread = thread

    async def plan(self) -> Plan:
        """Plans the upload. Raises ConfigError."""
        tree = await self._thread.run(_find_work_tree, self._source)
        data = await self._destination.read_manifest()
        old = await self._thread.run(Manifest.decode, data)
        is_same_source = old.source == make_source_key(self._source)
        since = old.marker.commit if old.marker and is_same_source and self._git_incremental is not False else None
        status = await self._read_git_status(tree, since)
        walk = FileWalk(
            self._source, tree, status.tracked_ignored if status else (), self._destination.device_and_inode
        )
        new = Manifest(make_source_key(self._source), folders=set(old.folders) if is_same_source else set())
        plan = Plan(new, None, walk.skipped)
        paths_to_check = await self._thread.run(self._paths_to_check, status, old) if since else None
        await self._compare(plan, walk, old, paths_to_check)
        if is_same_source:
            await self._plan_deletions(plan, old, paths_to_check)
        if status is not None and status.commit is not None and not walk.has_negation:
            rule_files = {**walk.rule_files}
            if paths_to_check is not None and old.marker is not None:
                rule_files = old.marker.rule_files
            plan.marker = Marker(status.commit, tuple(sorted(status.changed)), rule_files)
        plan.is_recorded = plan.is_idle and data is not None and _equals_manifest(plan, old)
        return plan

    async def _read_git_status(self, tree: WorkTree | None, since: str | None) -> GitStatus | None:
        try:
            if tree is not None:
                return await read_git_status(self._source, since)
            why = "it lies in no git work tree"
        except GitUnavailable as unavailable:
            why = str(unavailable)
        if self._git_incremental is True:
            raise ConfigError(
                f"git_incremental: git can't find what changed in {str(self._source)!r}: {why}", field="git_incremental"
            )
        return None

    def _paths_to_check(self, status: GitStatus | None, old: Manifest) -> frozenset[str] | None:
        """Returns the paths that may differ from the last upload. None: compare every file."""
        if status is None or status.changed_since is None or old.marker is None:
            return None
        paths = status.changed_since | frozenset(old.marker.changed)
        # Every ignore file must be unchanged. Check them here: git doesn't list the ones that are ignored.
        folders = {"", *(folder for path in old.files for folder in list_parents(path))}
        rules = {f"{folder}/{name}" if folder else name for folder in folders for name in (FLOW, GIT)}
        rules.update(path for path in paths if path.rpartition("/")[2] in (FLOW, GIT))
        return paths if self._are_unchanged(rules, old.marker) else None

    def _are_unchanged(self, rules: set[str], marker: Marker) -> bool:
        tree = find_work_tree(self._source)
        for name in rules.union(marker.rule_files):
            path = Path(self._source, name)
            if name.startswith("//") and tree is not None:
                path = tree.exclude if name == "//exclude" else tree.top / name[2:]
            if _stamp(path) != marker.rule_files.get(name):
                return False
        return True

    async def _compare(self, plan: Plan, walk: FileWalk, old: Manifest, paths_to_check: frozenset[str] | None) -> None:
        folders = walk.folders() if paths_to_check is None else walk.at(paths_to_check)
        while batch := await self._thread.run(_next_batch, folders):
            if paths_to_check is None:
                existing = await self._destination.stat_paths([entry.path for entry in batch])
            else:
                existing = [_recorded_entry(old.files.get(entry.path)) for entry in batch]
            for entry, current in zip(batch, existing, strict=True):
                self._plan_entry(plan, entry, current, old)

    def _plan_entry(self, plan: Plan, entry: SourceEntry, current: DestinationEntry | None, old: Manifest) -> None:
        record = old.files.get(entry.path)
        if record is not None:
            plan.manifest.files[entry.path] = record  # it stays valid until the new file has arrived
        # A killed upload may have sent files that it didn't record.
        is_ours = record is not None or entry.path in old.pending
        step = self._step(entry, current, record, is_ours or current is None)
        if step is not None:
            plan.send.append(step)
            return
        plan.unchanged += 1
        if entry.target is None and current is not None and current.mode != entry.mode:
            plan.touch.append(entry)
        if is_ours:
            digest = record.digest if record and current and self._is_unchanged(record, current) else ""
            plan.manifest.files[entry.path] = Record(entry.size, entry.mtime_ns, entry.mode, digest, entry.target)

    def _step(
        self, entry: SourceEntry, current: DestinationEntry | None, record: Record | None, is_ours: bool
    ) -> Step | None:
        """Returns the step for an entry; None if the destination is up to date, apart from the mode."""
        if entry.target is not None:
            return None if current is not None and current.target == entry.target else Step(entry, is_ours)
        if current is None or current.kind != "file" or current.size != entry.size:
            return Step(entry, is_ours)
        if record is not None and self._is_unchanged(record, current):
            has_same_mtime, digest = record.mtime_ns == entry.mtime_ns, record.digest
        else:
            has_same_mtime, digest = self._destination.time_step_ns == 1 and current.mtime_ns == entry.mtime_ns, ""
        return None if has_same_mtime else Step(entry, is_ours, compares=True, digest=digest)

    def _is_unchanged(self, record: Record, current: DestinationEntry) -> bool:
        if record.target is not None or current.kind == "link":
            return record.target == current.target
        step = self._destination.time_step_ns
        has_same_mtime = record.mtime_ns // step == current.mtime_ns // step
        return current.kind == "file" and record.size == current.size and has_same_mtime

    async def _plan_deletions(self, plan: Plan, old: Manifest, paths_to_check: frozenset[str] | None) -> None:
        """Plans to delete uploaded files that the source no longer has, unless others changed them."""
        missing = [path for path in old.files if path not in plan.manifest.files]
        if paths_to_check is not None:
            left = [path for path in missing if not _is_listed(path, paths_to_check)]
            plan.manifest.files.update((path, old.files[path]) for path in left)
            plan.unchanged += len(left)
            missing = [path for path in missing if _is_listed(path, paths_to_check)]
        there = await self._thread.run(lambda: [_exists(self._source, path) for path in missing])
        gone = [path for path, is_there in zip(missing, there, strict=True) if not is_there]
        # An ignore rule excludes them now, but the source still has them.
        plan.manifest.files.update((path, old.files[path]) for path in set(missing).difference(gone))
        for path, current in zip(gone, await self._destination.stat_paths(gone), strict=True):
            if current is not None and self._is_unchanged(old.files[path], current):
                plan.manifest.files[path] = old.files[path]
                plan.delete.append(path)
            elif current is not None:
                plan.skipped.add(path, "gone at the source, but changed at the destination and so kept there")


def _find_work_tree(source: Path) -> WorkTree | None:
    tree = find_work_tree(source)
    return None if tree is None or is_ignored(tree) else tree


def _next_batch(folders: Iterator[list[SourceEntry]]) -> list[SourceEntry]:
    """Returns the next entries to compare; an empty list only at the end."""
    batch: list[SourceEntry] = []
    for entries in folders:
        batch += entries
        if len(batch) >= _BATCH_ENTRIES:
            break
    return batch


def _recorded_entry(record: Record | None) -> DestinationEntry | None:
    if record is None:
        return None
    if record.target is not None:
        return DestinationEntry("link", target=record.target)
    return DestinationEntry("file", record.size, record.mtime_ns, record.mode)


def _is_listed(path: str, paths_to_check: frozenset[str]) -> bool:
    """Returns whether git listed the path or a folder above it."""
    return any(one in paths_to_check or f"{one}/" in paths_to_check for one in (path, *list_parents(path)))


def _exists(source: Path, path: str) -> bool:
    """Returns whether the source has a file or link at the path, below real folders only."""
    try:
        if not all(stat.S_ISDIR(os.lstat(source / folder).st_mode) for folder in list_parents(path)):
            return False
        return not stat.S_ISDIR(os.lstat(source / path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # unknown: delete only what certainly no longer exists


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path) if path.name == "exclude" else os.lstat(path)
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _equals_manifest(plan: Plan, old: Manifest) -> bool:
    new = plan.manifest
    return (
        not old.pending
        and new.source == old.source
        and plan.marker == old.marker
        and new.files == old.files
        and new.folders == old.folders
    )
