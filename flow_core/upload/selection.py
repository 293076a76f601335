"""Which files of a folder are sent: git's ignore rules, `.flowignore` above them, and a short list of our own."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from flow_core.errors import ConfigError, printable
from flow_core.upload.entry import Entry, parents, unreadable
from flow_core.upload.rules import Rules, read_rules
from flow_core.upload.work_tree import WorkTree

FLOW, GIT = ".flowignore", ".gitignore"
# Never sent, wherever they stand; nothing brings them back.
NEVER = frozenset(
    {".git", ".hg", ".svn", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".DS_Store"}
)
OURS = ".flow-sync."
_MOST_SKIPPED = 1000
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


class Skipped:
    """What is not sent and why, for people; a bounded number of lines."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._more = 0

    def add(self, path: str, why: str) -> None:
        if len(self._lines) < _MOST_SKIPPED:
            self._lines.append(f"{path!r}: {why}")
        else:
            self._more += 1

    def lines(self) -> tuple[str, ...]:
        return (*self._lines, f"and {self._more} more") if self._more else tuple(self._lines)


class _Scope(NamedTuple):
    """The rules in force in one folder, the nearest first."""

    flow: tuple[Rules, ...] = ()
    git: tuple[Rules, ...] = ()
    only_kept: bool = False  # git leaves out the folder itself; what it tracks in there is sent all the same


class Selection:
    """The files of `source` (resolved), in an order that only their names decide. Blocking.

    `kept` are paths that git tracks although its rules leave them out. `avoid` is the (device, inode) of a folder
    that isn't entered. Memory grows with the largest folder, not with the tree.
    """

    def __init__(
        self,
        source: Path,
        work_tree: WorkTree | None,
        kept: Iterable[str] = (),
        avoid: tuple[int, int] | None = None,
    ) -> None:
        self._source = source
        self._root = str(source)
        self._prefix = work_tree.prefix if work_tree else ""
        self._work_tree = work_tree
        self._kept = frozenset(kept)
        self._kept_folders = frozenset(folder for path in self._kept for folder in parents(path))
        self._avoid = avoid
        self._scopes: dict[str, _Scope | None] = {}
        self.skipped = Skipped()
        self.rule_files: dict[str, tuple[int, int]] = {}
        self.takes_back = False  # some .flowignore brings back what git's rules leave out

    def folders(self) -> Iterator[list[Entry]]:
        """What is sent, one folder at a time. Raises ConfigError."""
        return self._below("", self._top())

    def at(self, paths: Iterable[str]) -> Iterator[list[Entry]]:
        """As `folders`, but only those of these paths that are sent, and all below the folders among them."""
        done: set[str] = set()
        for path in sorted({path.rstrip("/") for path in paths}):
            if not done.isdisjoint(parents(path)):
                continue
            folder, _, name = path.rpartition("/")
            seen = _look_at(f"{self._root}/{path}")
            if seen is None:
                continue
            if stat.S_ISDIR(seen.st_mode):
                inner = self._scope_of(path)
                if inner is not None:
                    done.add(path)
                    yield from self._below(f"{path}/", inner)
                continue
            scope = self._scope_of(folder)
            if scope is not None and self._admits(scope, folder and f"{folder}/", name, False):
                yield [entry] if (entry := self._entry(path)) else []

    def enters(self, folder: str) -> bool:
        """Whether anything in this folder may be sent."""
        return self._scope_of(folder) is not None

    def _below(self, top: str, scope: _Scope) -> Iterator[list[Entry]]:
        waiting = [(top, scope)]
        while waiting:
            folder, scope = waiting.pop()
            entries, folders = self._look(folder, scope)
            yield entries
            waiting.extend((one, self._with_rules_of(one, inner)) for one, inner in reversed(folders))

    def _look(self, folder: str, scope: _Scope) -> tuple[list[Entry], list[tuple[str, _Scope]]]:
        entries: list[Entry] = []
        folders: list[tuple[str, _Scope]] = []
        for found in self._scan(folder):
            is_folder = found.is_dir(follow_symlinks=False)
            inner = self._admits(scope, folder, found.name, is_folder)
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
        place = f"{self._root}/{folder}"
        try:
            with os.scandir(place) as found:
                return sorted(found, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise unreadable(Path(place), error) from error

    def _admits(self, scope: _Scope, folder: str, name: str, is_folder: bool) -> _Scope | None:
        """The scope in which something is taken, None when it is left out."""
        if name in NEVER or name.startswith(OURS):
            return None
        path = self._prefix + folder + name
        if is_folder:
            path, name = f"{path}/", f"{name}/"
        said = _verdict(scope.flow, path, name)
        if said is not None:
            return None if said else scope._replace(only_kept=False)
        if not scope.only_kept and not _verdict(scope.git, path, name):
            return scope
        kept = self._kept_folders if is_folder else self._kept
        return scope._replace(only_kept=True) if path[len(self._prefix) :].rstrip("/") in kept else None

    def _is_avoided(self, path: str) -> bool:
        if self._avoid is None:
            return False
        seen = _look_at(f"{self._root}/{path}")
        is_it = seen is not None and (seen.st_dev, seen.st_ino) == self._avoid
        if is_it:
            self.skipped.add(path, "it is where the upload goes")
        return is_it

    def _entry(self, path: str, found: os.DirEntry[str] | None = None) -> Entry | None:
        place = f"{self._root}/{path}"
        try:
            seen = found.stat(follow_symlinks=False) if found else os.lstat(place)
            if stat.S_ISREG(seen.st_mode):
                return Entry(path, seen.st_size, seen.st_mtime_ns, seen.st_mode & 0o777)
            if stat.S_ISLNK(seen.st_mode):
                return self._link(path, place)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreadable(Path(place), error) from error
        kind = _KINDS.get(stat.S_IFMT(seen.st_mode), "no file")
        self.skipped.add(path, f"{kind} is not sent")
        return None

    def _link(self, path: str, place: str) -> Entry | None:
        target = os.readlink(place)
        depth = path.count("/")
        for step in target.split("/"):
            depth += -1 if step == ".." else step not in ("", ".")
            if depth < 0:
                break
        end = os.path.realpath(place)
        if target.startswith("/") or depth < 0 or not f"{end}/".startswith(f"{self._root.rstrip('/')}/"):
            self.skipped.add(path, f"a link that leads out of the folder, to {target!r}")
            return None
        return Entry(path, 0, 0, 0o777, target)

    def _scope_of(self, folder: str) -> _Scope | None:
        """None where the folder itself is left out, or is none."""
        if folder not in self._scopes:
            self._scopes[folder] = self._find_scope(folder)
        return self._scopes[folder]

    def _find_scope(self, folder: str) -> _Scope | None:
        if not folder:
            return self._top()
        above, _, name = folder.rpartition("/")
        scope = self._scope_of(above)
        seen = _look_at(f"{self._root}/{folder}")
        if scope is None or seen is None or not stat.S_ISDIR(seen.st_mode):
            return None
        if self._is_avoided(folder):
            return None
        inner = self._admits(scope, above and f"{above}/", name, True)
        return None if inner is None else self._with_rules_of(f"{folder}/", inner)

    def _top(self) -> _Scope:
        """The rules of the folder itself, and of the work tree around it."""
        scope = _Scope()
        if self._work_tree is not None:
            tree = self._work_tree
            exclude = self._read(tree.exclude, "", "//exclude", follow=True)
            above: tuple[Rules, ...] = (exclude,) if exclude else ()
            for base in ("", *(f"{folder}/" for folder in parents(tree.prefix.rstrip("/"))))[: self._depth]:
                rules = self._read(tree.top / base / GIT, base, f"//{base}{GIT}")
                above = (rules, *above) if rules else above
            scope = _Scope(git=above)
        return self._with_rules_of("", scope)

    @property
    def _depth(self) -> int:
        """How many folders of the work tree lie above the source."""
        return self._prefix.count("/")

    def _with_rules_of(self, folder: str, scope: _Scope) -> _Scope:
        flow = self._read(Path(self._root, folder, FLOW), self._prefix + folder, folder + FLOW)
        git = self._read(Path(self._root, folder, GIT), self._prefix + folder, folder + GIT)
        if flow is not None:
            self.takes_back = self.takes_back or flow.takes_back
            scope = scope._replace(flow=(flow, *scope.flow))
        return scope if git is None else scope._replace(git=(git, *scope.git))

    def _read(self, file: Path, base: str, name: str, *, follow: bool = False) -> Rules | None:
        rules, stamp = read_rules(file, base, follow=follow)
        if stamp is not None:
            self.rule_files[name] = stamp
        return rules


def checked_source(source: Path) -> Path:
    """The folder, resolved. Raises ConfigError."""
    path = Path(os.path.expanduser(source))
    where = printable(repr(str(path)))
    try:
        resolved = path.resolve(strict=True)
        if resolved.is_dir():
            return resolved
    except FileNotFoundError:
        raise ConfigError(f"source_dir: {where} does not exist", field="source_dir") from None
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "it can't be found"
        raise ConfigError(f"source_dir: {where} can't be opened: {why}", field="source_dir") from error
    raise ConfigError(f"source_dir: {where} is no folder", field="source_dir")


def is_left_out(work_tree: WorkTree) -> bool:
    """Whether the work tree's own rules leave out the folder; who uploads it means it all the same."""
    top = Selection(work_tree.top, WorkTree(work_tree.top, "", work_tree.exclude))
    return not top.enters(work_tree.prefix.rstrip("/"))


def _verdict(rules: tuple[Rules, ...], path: str, name: str) -> bool | None:
    for one in rules:
        said = one.verdict(path, name)
        if said is not None:
            return said
    return None


def _look_at(place: str) -> os.stat_result | None:
    try:
        return os.lstat(place)
    except OSError:
        return None
