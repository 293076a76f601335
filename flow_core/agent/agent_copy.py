"""The copy of the agent that supervisors start from: an upgrade of the package must not change a running agent.

An agent that itself runs from a copy starts every supervisor from that copy.
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

from flow_core.agent.agent_copy_cleanup import COPY_PREFIX, mark_used
from flow_core.agent.folder_ownership import UnsafeFolder, check_folders
from flow_core.agent.private_folders import make_private_folder, private_opener
from flow_core.agent.refusals import Refused

COPY_UNSAFE = "agent_copy_unsafe"
COPY_FAILED = "agent_copy_failed"
SIZES = "sizes.json"

_SOURCE = Path(__file__).parent
_PACKAGE_PATH = Path("flow_core", "agent")
_HASH_DIGITS = 16
_NAME = re.compile(rf"{COPY_PREFIX}[0-9a-f]{{{_HASH_DIGITS}}}")
_DAMAGED = "this process runs from there, and a file is missing or belongs to another user; remove that folder"


def get_agent_name() -> str:
    """Returns the name of this version's copy."""
    home = _SOURCE.parents[1]
    is_copy = home.parent.name == "bin" and _NAME.fullmatch(home.name)
    return home.name if is_copy else COPY_PREFIX + _content()[0]


def provide_copy(root: Path) -> Path:
    """Returns the folder to import the agent from; creates the copy if it is missing or incomplete.

    The folder is in the machine's folder. Calling it again is safe, also at the same time. Refuses with
    COPY_UNSAFE, COPY_FAILED.
    """
    home = root / "bin" / get_agent_name()
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
    """Returns the hash of the source, and its files with their sizes in bytes."""
    digest = hashlib.sha256()
    files = []
    for path in sorted(_SOURCE.rglob("*.py")):
        data = path.read_bytes()
        name = path.relative_to(_SOURCE)
        digest.update(f"{name} {len(data)}\n".encode() + data)
        files.append((name, len(data)))
    return digest.hexdigest()[:_HASH_DIGITS], tuple(files)


@lru_cache(maxsize=1)
def _folders() -> tuple[Path, ...]:
    """Returns the folders of a copy, relative to it."""
    folders = {_PACKAGE_PATH / name.parent for name, _ in _content()[1]}
    return tuple(sorted({_PACKAGE_PATH.parent, *folders}))


def _is_complete(home: Path) -> bool:
    """Checks every file; after a power loss a machine may keep the names of files without their content."""
    folder = f"{home / _PACKAGE_PATH}/"  # as text: every submit checks a hundred files
    try:
        return all(_is_intact(os.lstat(f"{folder}{name}"), size) for name, size in _content()[1])
    except OSError:
        return False


def _is_intact(status: os.stat_result, size: int) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_size == size and status.st_uid == os.geteuid()


def _unpack(home: Path) -> None:
    """Builds the copy in a folder beside its destination, then renames it.

    A process that does the same at the same time builds the same content.
    """
    make_private_folder(home.parent)
    if home.exists() and home.samefile(_SOURCE.parents[1]):
        raise OSError(errno.EIO, _DAMAGED)
    staging = home.with_name(f".{home.name}-{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        for folder in _folders():
            make_private_folder(staging / folder / "__pycache__")  # Python would create it with the mode of the umask
        for name, _ in _content()[1]:
            _copy(_SOURCE / name, staging / _PACKAGE_PATH / name)
        # otherwise Python would also search an installed package of this name
        (staging / _PACKAGE_PATH.parent / "__init__.py").touch(mode=0o600)
        _write_sizes(staging)
        if home.exists() and not _is_complete(home):
            shutil.rmtree(home, ignore_errors=True)
        try:
            staging.rename(home)
        except OSError:
            if not _is_complete(home):
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write_sizes(home: Path) -> None:
    """Writes the file sizes.

    A client of the same version that connects over SSH uses them to check whether this copy is complete.
    """
    sizes = {str(_PACKAGE_PATH / name): size for name, size in _content()[1]}
    path = home / SIZES
    path.write_text(json.dumps(sizes), encoding="utf-8")
    path.chmod(0o600)


def _copy(source: Path, target: Path) -> None:
    """Copies a file with its time and its bytecode; Python accepts the bytecode only with that time."""
    _copy_private(source, str(target))
    compiled = cache_from_source(str(source))
    if not _is_current(compiled, source):
        _compile(source)
    if _is_current(compiled, source):
        _copy_private(compiled, cache_from_source(str(target)))


def _is_current(compiled: str, source: Path) -> bool:
    try:
        return os.stat(compiled).st_mtime >= os.stat(source).st_mtime
    except OSError:
        return False


def _compile(source: Path) -> None:
    """Compiles beside the package's source, so that this happens once for all machine folders."""
    import py_compile  # lazy import: an installed package is compiled already

    try:
        py_compile.compile(str(source), doraise=True)
    except (OSError, py_compile.PyCompileError):
        pass  # the first supervisor compiles it for itself


def _copy_private(source: str | Path, target: str) -> None:
    """Copies a file with its time. Much faster than `shutil.copy2`, which also copies attributes."""
    with open(source, "rb") as stream, open(target, "xb", opener=private_opener) as copy:
        copy.write(stream.read())
        copy.flush()
        status = os.fstat(stream.fileno())
        os.utime(copy.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
