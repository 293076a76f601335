"""Finds the files of a folder to upload. Applies `.flowignore` first, then git's ignore rules.

A short list of names is always excluded.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from flow_core.errors import ConfigError, printable
from flow_core.upload.git_work_tree import WorkTree
from flow_core.upload.gitignore import IgnoreRules, read_ignore_file
from flow_core.upload.source import SourceEntry, list_parents, unreadable_error

FLOW, GIT = ".flowignore", ".gitignore"
# Excluded at any depth. No rule can re-include them.
ALWAYS_EXCLUDED = frozenset(
    {".git", ".hg", ".svn", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".DS_Store"}
)
OWN_PREFIX = ".flow-sync."
_MOST_SKIPPED = 1000
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


class SkippedFiles:
    """The files that can't be sent, with the reasons, as a bounded number of lines."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._more = 0

    def add(self, path: str, reason: str) -> None:
        if len(self._lines) < _MOST_SKIPPED:
            self._lines.append(f"{path!r}: {reason}")
        else:
            self._more += 1

    def lines(self) -> tuple[str, ...]:
        return (*self._lines, f"and {self._more} more") if self._more else tuple(self._lines)


class _Scope(NamedTuple):
    """The ignore rules that apply in one folder, the nearest first.

    `only_tracked`: git ignores the folder itself, so send only the files in it that git tracks.
    """

    flow: tuple[IgnoreRules, ...] = ()
    git: tuple[IgnoreRules, ...] = ()
    only_tracked: bool = False


class FileWalk:
    """A walk over the files of `source` (resolved), sorted by name within each folder. Blocking.

    `tracked` are paths that git tracks although an ignore rule matches them. `avoid` is the (device, inode) of a folder
    to skip. Memory use grows with the largest folder, not with the tree.
    """

    def __init__(
        self,
        source: Path,
        work_tree: WorkTree | None,
        tracked: Iterable[str] = (),
        avoid: tuple[int, int] | None = None,
    ) -> None:
        self._source = source
        self._root = str(source)
        self._prefix = work_tree.prefix if work_tree else ""
        self._work_tree = work_tree
        self._tracked = frozenset(tracked)
        self._tracked_folders = frozenset(folder for path in self._tracked for folder in list_parents(path))
        self._avoid = avoid
        self._scopes: dict[str, _Scope | None] = {}
        self.skipped = SkippedFiles()
        self.rule_files: dict[str, tuple[int, int]] = {}
        self.has_negation = False  # Whether a .flowignore that was read contains a negated pattern.

    def folders(self) -> Iterator[list[SourceEntry]]:
        """Yields the entries to send, one folder at a time. Raises ConfigError."""
        return self._walk("", self._root_scope())

    def at(self, paths: Iterable[str]) -> Iterator[list[SourceEntry]]:
        """Yields entries like `folders`, but only those at these paths, or below the folders among them."""
        done: set[str] = set()
        for path in sorted({path.rstrip("/") for path in paths}):
            if not done.isdisjoint(list_parents(path)):
                continue
            folder, _, name = path.rpartition("/")
            status = _lstat(f"{self._root}/{path}")
            if status is None:
                continue
            if stat.S_ISDIR(status.st_mode):
                inner = self._load_scope(path)
                if inner is not None:
                    done.add(path)
                    yield from self._walk(f"{path}/", inner)
                continue
            scope = self._load_scope(folder)
            if scope is not None and self._scope_for(scope, folder and f"{folder}/", name, False):
                yield [entry] if (entry := self._entry(path)) else []

    def enters(self, folder: str) -> bool:
        """Returns whether the walk enters the folder."""
        return self._load_scope(folder) is not None

    def _walk(self, top: str, scope: _Scope) -> Iterator[list[SourceEntry]]:
        waiting = [(top, scope)]
        while waiting:
            folder, scope = waiting.pop()
            entries, folders = self._list_folder(folder, scope)
            yield entries
            waiting.extend((folder, self._add_rules_of(folder, inner)) for folder, inner in reversed(folders))

    def _list_folder(self, folder: str, scope: _Scope) -> tuple[list[SourceEntry], list[tuple[str, _Scope]]]:
        entries: list[SourceEntry] = []
        folders: list[tuple[str, _Scope]] = []
        for found in self._scan(folder):
            is_folder = found.is_dir(follow_symlinks=False)
            inner = self._scope_for(scope, folder, found.name, is_folder)
            if inner is None:
                continue
            path = folder + found.name
            if not is_folder:
                if entry := self._entry(path, found):
                    entries.append(entry)
            elif not self._is_avoided(path):
                folders.append((f"{path}/", inner))
        return entries, folders

    def _scan(self, folder: str) -> list[os.DirEntry[str]]:
        full_path = f"{self._root}/{folder}"
        try:
            with os.scandir(full_path) as found:
                return sorted(found, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise unreadable_error(Path(full_path), error) from error

    def _scope_for(self, scope: _Scope, folder: str, name: str, is_folder: bool) -> _Scope | None:
        """Returns the scope in which the entry is sent, or None if it is excluded."""
        if name in ALWAYS_EXCLUDED or name.startswith(OWN_PREFIX):
            return None
        path = self._prefix + folder + name
        if is_folder:
            path, name = f"{path}/", f"{name}/"
        ignored = _match(scope.flow, path, name)
        if ignored is not None:
            return None if ignored else scope._replace(only_tracked=False)
        if not scope.only_tracked and not _match(scope.git, path, name):
            return scope
        tracked = self._tracked_folders if is_folder else self._tracked
        return scope._replace(only_tracked=True) if path[len(self._prefix) :].rstrip("/") in tracked else None

    def _is_avoided(self, path: str) -> bool:
        if self._avoid is None:
            return False
        status = _lstat(f"{self._root}/{path}")
        is_it = status is not None and (status.st_dev, status.st_ino) == self._avoid
        if is_it:
            self.skipped.add(path, "it is where the upload goes")
        return is_it

    def _entry(self, path: str, found: os.DirEntry[str] | None = None) -> SourceEntry | None:
        full_path = f"{self._root}/{path}"
        try:
            status = found.stat(follow_symlinks=False) if found else os.lstat(full_path)
            if stat.S_ISREG(status.st_mode):
                return SourceEntry(path, status.st_size, status.st_mtime_ns, status.st_mode & 0o777)
            if stat.S_ISLNK(status.st_mode):
                return self._link(path, full_path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreadable_error(Path(full_path), error) from error
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        self.skipped.add(path, f"{kind} is not sent")
        return None

    def _link(self, path: str, full_path: str) -> SourceEntry | None:
        target = os.readlink(full_path)
        depth = path.count("/")
        for step in target.split("/"):
            depth += -1 if step == ".." else step not in ("", ".")
            if depth < 0:
                break
        end = os.path.realpath(full_path)
        if target.startswith("/") or depth < 0 or not f"{end}/".startswith(f"{self._root.rstrip('/')}/"):
            self.skipped.add(path, f"a link that leads out of the folder, to {target!r}")
            return None
        return SourceEntry(path, 0, 0, 0o777, target)

    def _load_scope(self, folder: str) -> _Scope | None:
        """Returns the scope of a folder; None if it is excluded or isn't a folder."""
        if folder not in self._scopes:
            self._scopes[folder] = self._find_scope(folder)
        return self._scopes[folder]

    def _find_scope(self, folder: str) -> _Scope | None:
        if not folder:
            return self._root_scope()
        above, _, name = folder.rpartition("/")
        scope = self._load_scope(above)
        status = _lstat(f"{self._root}/{folder}")
        if scope is None or status is None or not stat.S_ISDIR(status.st_mode):
            return None
        if self._is_avoided(folder):
            return None
        inner = self._scope_for(scope, above and f"{above}/", name, True)
        return None if inner is None else self._add_rules_of(f"{folder}/", inner)

    def _root_scope(self) -> _Scope:
        """Returns the rules of the source folder and of the work tree around it."""
        scope = _Scope()
        if self._work_tree is not None:
            tree = self._work_tree
            exclude = self._read_rules(tree.exclude, "", "//exclude", follow=True)
            above: tuple[IgnoreRules, ...] = (exclude,) if exclude else ()
            for base in ("", *(f"{folder}/" for folder in list_parents(tree.prefix.rstrip("/"))))[: self._depth]:
                rules = self._read_rules(tree.top / base / GIT, base, f"//{base}{GIT}")
                above = (rules, *above) if rules else above
            scope = _Scope(git=above)
        return self._add_rules_of("", scope)

    @property
    def _depth(self) -> int:
        """The number of folders between the work tree's top and the source, the top included."""
        return self._prefix.count("/")

    def _add_rules_of(self, folder: str, scope: _Scope) -> _Scope:
        flow = self._read_rules(Path(self._root, folder, FLOW), self._prefix + folder, folder + FLOW)
        git = self._read_rules(Path(self._root, folder, GIT), self._prefix + folder, folder + GIT)
        if flow is not None:
            self.has_negation = self.has_negation or flow.has_negation
            scope = scope._replace(flow=(flow, *scope.flow))
        return scope if git is None else scope._replace(git=(git, *scope.git))

    def _read_rules(self, file: Path, base: str, name: str, *, follow: bool = False) -> IgnoreRules | None:
        rules, stamp = read_ignore_file(file, base, follow=follow)
        if stamp is not None:
            self.rule_files[name] = stamp
        return rules


def resolve_source(source: Path) -> Path:
    """Returns the resolved folder. Raises ConfigError."""
    path = Path(os.path.expanduser(source))
    shown = printable(repr(str(path)))
    try:
        resolved = path.resolve(strict=True)
        if resolved.is_dir():
            return resolved
    except FileNotFoundError:
        raise ConfigError(f"source_dir: {shown} does not exist", field="source_dir") from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "it can't be found"
        raise ConfigError(f"source_dir: {shown} can't be opened: {reason}", field="source_dir") from error
    raise ConfigError(f"source_dir: {shown} is not a folder", field="source_dir")


def is_ignored(work_tree: WorkTree) -> bool:
    """Returns whether the work tree's own rules exclude the folder. Then an upload of it doesn't apply them."""
    top = FileWalk(work_tree.top, WorkTree(work_tree.top, "", work_tree.exclude))
    return not top.enters(work_tree.prefix.rstrip("/"))


def _match(rules: tuple[IgnoreRules, ...], path: str, name: str) -> bool | None:
    for rule_set in rules:
        ignored = rule_set.match(path, name)
        if ignored is not None:
            return ignored
    return None


def _lstat(full_path: str) -> os.stat_result | None:
    try:
        return os.lstat(full_path)
    except OSError:
        return None
