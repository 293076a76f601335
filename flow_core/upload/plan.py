"""What has to happen so that the destination holds what the source does."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flow_core.errors import ConfigError
from flow_core.upload.destination import Destination, Known
from flow_core.upload.entry import Entry, parents
from flow_core.upload.git import GitSilent, GitView, look
from flow_core.upload.hop import Hops
from flow_core.upload.manifest import Manifest, Marker, Record, source_key
from flow_core.upload.selection import FLOW, GIT, Selection, Skipped, is_left_out
from flow_core.upload.work_tree import WorkTree, find_work_tree

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """One file or link on its way. `is_ours`: nothing of others stands there. With `compares` its size is right and
    only its time isn't: the contents decide, `digest` being that of what is there, "" when nobody knows it."""

    entry: Entry
    is_ours: bool
    compares: bool = False
    digest: str = ""


@dataclass(slots=True)
class Plan:
    """`kept` is what is true of the destination before anything is done."""

    kept: Manifest
    marker: Marker | None
    skipped: Skipped
    send: list[Step] = field(default_factory=list)
    touch: list[Entry] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    unchanged: int = 0
    is_recorded: bool = False  # the manifest at the destination says all of this already

    @property
    def is_idle(self) -> bool:
        return not (self.send or self.touch or self.delete)


class Planner:
    """Looks at the source, at git, at the manifest, and at the destination where it must."""

    def __init__(self, source: Path, destination: Destination, git_incremental: bool | None, hops: Hops) -> None:
        self._source = source
        self._destination = destination
        self._wish = git_incremental
        self._hops = hops

    async def plan(self) -> Plan:
        """Raises ConfigError."""
        tree = await self._hops.run(_tree_that_counts, self._source)
        data = await self._destination.read_manifest()
        old = await self._hops.run(Manifest.decode, data)
        is_same_source = old.source == source_key(self._source)
        since = old.marker.commit if old.marker and is_same_source and self._wish is not False else None
        view = await self._git(tree, since)
        selection = Selection(self._source, tree, view.kept if view else (), self._destination.place)
        new = Manifest(source_key(self._source), folders=set(old.folders) if is_same_source else set())
        plan = Plan(new, None, selection.skipped)
        asked = await self._hops.run(self._asked_of_git, view, old) if since else None
        await self._compare(plan, selection, old, asked)
        if is_same_source:
            await self._find_gone(plan, old, asked)
        if view is not None and view.commit is not None and not selection.takes_back:
            rule_files = {**selection.rule_files}
            if asked is not None and old.marker is not None:
                rule_files = old.marker.rule_files
            plan.marker = Marker(view.commit, tuple(sorted(view.changed)), rule_files)
        plan.is_recorded = plan.is_idle and data is not None and _same(plan, old)
        return plan

    async def _git(self, tree: WorkTree | None, since: str | None) -> GitView | None:
        try:
            if tree is not None:
                return await look(self._source, since)
            why = "it lies in no git work tree"
        except GitSilent as silent:
            why = str(silent)
        if self._wish is True:
            raise ConfigError(
                f"git_incremental: git can't say what changed in {str(self._source)!r}: {why}", field="git_incremental"
            )
        return None

    def _asked_of_git(self, view: GitView | None, old: Manifest) -> frozenset[str] | None:
        """The paths that may differ from what was sent last; None when only a look at every file can tell."""
        if view is None or view.since is None or old.marker is None:
            return None
        paths = view.since | frozenset(old.marker.changed)
        # No ignore file may have come, gone or changed, ignored ones included, which git doesn't speak of.
        folders = {"", *(folder for path in old.files for folder in parents(path))}
        rules = {f"{folder}/{name}" if folder else name for folder in folders for name in (FLOW, GIT)}
        rules.update(path for path in paths if path.rpartition("/")[2] in (FLOW, GIT))
        return paths if self._are_as_read(rules, old.marker) else None

    def _are_as_read(self, rules: set[str], marker: Marker) -> bool:
        tree = find_work_tree(self._source)
        for name in rules.union(marker.rule_files):
            place = Path(self._source, name)
            if name.startswith("//") and tree is not None:
                place = tree.exclude if name == "//exclude" else tree.top / name[2:]
            if _stamp(place) != marker.rule_files.get(name):
                return False
        return True

    async def _compare(self, plan: Plan, selection: Selection, old: Manifest, asked: frozenset[str] | None) -> None:
        folders = selection.folders() if asked is None else selection.at(asked)
        while batch := await self._hops.run(_next_batch, folders):
            if asked is None:
                standing = await self._destination.known([entry.path for entry in batch])
            else:
                standing = [_as_left(old.files.get(entry.path)) for entry in batch]
            for entry, known in zip(batch, standing, strict=True):
                self._judge(plan, entry, known, old)

    def _judge(self, plan: Plan, entry: Entry, known: Known | None, old: Manifest) -> None:
        record = old.files.get(entry.path)
        if record is not None:
            plan.kept.files[entry.path] = record  # true until something else has arrived
        # A killed upload may have sent more than it could record.
        is_known_ours = record is not None or entry.path in old.pending
        step = self._step(entry, known, record, is_known_ours or known is None)
        if step is not None:
            plan.send.append(step)
            return
        plan.unchanged += 1
        if entry.target is None and known is not None and known.mode != entry.mode:
            plan.touch.append(entry)
        if is_known_ours:
            digest = record.digest if record and known and self._is_as_left(record, known) else ""
            plan.kept.files[entry.path] = Record(entry.size, entry.mtime_ns, entry.mode, digest, entry.target)

    def _step(self, entry: Entry, known: Known | None, record: Record | None, is_ours: bool) -> Step | None:
        """None for what is there as it has to be, its mode aside."""
        if entry.target is not None:
            return None if known is not None and known.target == entry.target else Step(entry, is_ours)
        if known is None or known.kind != "file" or known.size != entry.size:
            return Step(entry, is_ours)
        if record is not None and self._is_as_left(record, known):
            is_timely, digest = record.mtime_ns == entry.mtime_ns, record.digest
        else:
            is_timely, digest = self._destination.time_step_ns == 1 and known.mtime_ns == entry.mtime_ns, ""
        return None if is_timely else Step(entry, is_ours, compares=True, digest=digest)

    def _is_as_left(self, record: Record, known: Known) -> bool:
        if record.target is not None or known.kind == "link":
            return record.target == known.target
        step = self._destination.time_step_ns
        is_timely = record.mtime_ns // step == known.mtime_ns // step
        return known.kind == "file" and record.size == known.size and is_timely

    async def _find_gone(self, plan: Plan, old: Manifest, asked: frozenset[str] | None) -> None:
        """What we sent once and the source no longer has goes, unless somebody changed it there."""
        missing = [path for path in old.files if path not in plan.kept.files]
        if asked is not None:
            left = [path for path in missing if not _is_among(path, asked)]
            plan.kept.files.update((path, old.files[path]) for path in left)
            plan.unchanged += len(left)
            missing = [path for path in missing if _is_among(path, asked)]
        there = await self._hops.run(lambda: [_has(self._source, path) for path in missing])
        gone = [path for path, is_there in zip(missing, there, strict=True) if not is_there]
        # Left out by a rule now, but not deleted at the source.
        plan.kept.files.update((path, old.files[path]) for path in set(missing).difference(gone))
        for path, known in zip(gone, await self._destination.known(gone), strict=True):
            if known is not None and self._is_as_left(old.files[path], known):
                plan.kept.files[path] = old.files[path]
                plan.delete.append(path)
            elif known is not None:
                plan.skipped.add(path, "gone at the source, but changed at the destination and so kept there")


def _tree_that_counts(source: Path) -> WorkTree | None:
    tree = find_work_tree(source)
    return None if tree is None or is_left_out(tree) else tree


def _next_batch(folders: Iterator[list[Entry]]) -> list[Entry]:
    """Empty only at the end."""
    batch: list[Entry] = []
    for entries in folders:
        batch += entries
        if len(batch) >= _AT_ONCE:
            break
    return batch


def _as_left(record: Record | None) -> Known | None:
    if record is None:
        return None
    if record.target is not None:
        return Known("link", target=record.target)
    return Known("file", record.size, record.mtime_ns, record.mode)


def _is_among(path: str, asked: frozenset[str]) -> bool:
    """Whether git spoke of this path, or of a folder above it."""
    return any(one in asked or f"{one}/" in asked for one in (path, *parents(path)))


def _has(source: Path, path: str) -> bool:
    """Whether the source has a file or link there, with only real folders above it."""
    try:
        if not all(stat.S_ISDIR(os.lstat(source / folder).st_mode) for folder in parents(path)):
            return False
        return not stat.S_ISDIR(os.lstat(source / path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # nobody can tell; only what is surely gone is deleted


def _stamp(place: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(place) if place.name == "exclude" else os.lstat(place)
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _same(plan: Plan, old: Manifest) -> bool:
    new = plan.kept
    return (
        not old.pending
        and new.source == old.source
        and plan.marker == old.marker
        and new.files == old.files
        and new.folders == old.folders
    )
