"""The copy of the agent that supervisors start from: replacing the package must not change what runs.

An agent that runs from such a copy itself has every other start from it too. Standard library only.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from functools import lru_cache
from importlib.util import cache_from_source
from pathlib import Path

from flow_core.agent.agent_copies import COPY_PREFIX, mark_used
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.refusals import Refused
from flow_core.agent.safe_folders import UnsafeFolder, check_folders

COPY_UNSAFE = "agent_copy_unsafe"
COPY_FAILED = "agent_copy_failed"
SIZES = "sizes.json"

_SOURCE = Path(__file__).parent
_PLACE = Path("flow_core", "agent")
_DIGITS = 16
_NAME = re.compile(rf"{COPY_PREFIX}[0-9a-f]{{{_DIGITS}}}")
_HARMED = "it runs from there, and a file of it is missing or somebody else's; remove that folder"


def agent_name() -> str:
    """What this version's copy is called."""
    home = _SOURCE.parents[1]
    is_copy = home.parent.name == "bin" and _NAME.fullmatch(home.name)
    return home.name if is_copy else COPY_PREFIX + _content()[0]


def provide_copy(root: Path) -> Path:
    """The folder to import the agent from, under the machine's folder; made where it is missing or incomplete.

    Twice is safe, also at the same time. Refuses with COPY_UNSAFE, COPY_FAILED.
    """
    home = root / "bin" / agent_name()
    try:
        check_folders(root, more=[home, *(home / folder for folder in _folders())])
        if not _is_complete(home):
            _unpack(home)
        mark_used(home)
    except UnsafeFolder as error:
        raise Refused(COPY_UNSAFE, why=error.strerror) from error
    except OSError as error:
        raise Refused(COPY_FAILED, home=str(home), why=error.strerror or type(error).__name__) from error
    return home


@lru_cache(maxsize=1)
def _content() -> tuple[str, tuple[tuple[Path, int], ...]]:
    """The hash of the source, and its files with their sizes in bytes."""
    whole = hashlib.sha256()
    files = []
    for path in sorted(_SOURCE.rglob("*.py")):
        data = path.read_bytes()
        name = path.relative_to(_SOURCE)
        whole.update(f"{name} {len(data)}\n".encode() + data)
        files.append((name, len(data)))
    return whole.hexdigest()[:_DIGITS], tuple(files)


@lru_cache(maxsize=1)
def _folders() -> tuple[Path, ...]:
    """Those of a copy, below its own."""
    inside = {_PLACE / name.parent for name, _ in _content()[1]}
    return tuple(sorted({_PLACE.parent, *inside}))


def _is_complete(home: Path) -> bool:
    """A machine that lost its power may have kept the names of files without their content."""
    try:
        return all(_is_ours(os.lstat(home / _PLACE / name), size) for name, size in _content()[1])
    except OSError:
        return False


def _is_ours(found: os.stat_result, size: int) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_size == size and found.st_uid == os.geteuid()


def _unpack(home: Path) -> None:
    """Makes the folder beside its place and renames it. Whoever is at it at the same time makes the same."""
    make_private_folder(home.parent)
    if home.exists() and home.samefile(_SOURCE.parents[1]):
        raise OSError(errno.EIO, _HARMED)
    fresh = home.with_name(f".{home.name}-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        for name, _ in _content()[1]:
            _copy(_SOURCE / name, fresh / _PLACE / name)
        (fresh / _PLACE.parent / "__init__.py").touch(mode=0o600)  # else an installed package of this name would count
        _write_sizes(fresh)
        for folder in _folders():
            make_private_folder(fresh / folder / "__pycache__")  # Python would make it as the umask has it
        if home.exists() and not _is_complete(home):
            shutil.rmtree(home, ignore_errors=True)
        try:
            fresh.rename(home)
        except OSError:
            if not _is_complete(home):
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _write_sizes(home: Path) -> None:
    """For a client that comes over SSH with the same version, and looks whether this copy is whole."""
    sizes = {str(_PLACE / name): size for name, size in _content()[1]}
    path = home / SIZES
    path.write_text(json.dumps(sizes), encoding="utf-8")
    path.chmod(0o600)


def _copy(source: Path, target: Path) -> None:
    """With its time, so that the bytecode that goes along is taken for what it is."""
    _copy_private(source, target)
    compiled = Path(cache_from_source(str(source)))
    if not _is_current(compiled, source):
        _compile(source)
    if _is_current(compiled, source):
        _copy_private(compiled, target.parent / "__pycache__" / compiled.name)


def _is_current(compiled: Path, source: Path) -> bool:
    try:
        return os.stat(compiled).st_mtime >= os.stat(source).st_mtime
    except OSError:
        return False


def _compile(source: Path) -> None:
    """Where the package lies, so that this is done once for all machine folders."""
    import py_compile  # deferred: what is installed has been compiled

    try:
        py_compile.compile(str(source), doraise=True)
    except (OSError, py_compile.PyCompileError):
        pass  # the first supervisor does it, for itself


def _copy_private(source: Path, target: Path) -> None:
    make_private_folder(target.parent)
    shutil.copy2(source, target)
    target.chmod(0o600)
