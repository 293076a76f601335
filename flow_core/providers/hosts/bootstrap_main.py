"""The program that runs on a host before the agent: installs the agent's copy if needed, and becomes the agent.

It is sent to the host with the few modules of the agent that it needs. If the copy is missing, it requests the archive
on standard output, which the client reads. Standard library of Python 3.8 only.

Arguments: the name of the copy, then the SHA-256 of the archive and its size in bytes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import zlib
from pathlib import Path
from typing import Any

from flow_core.agent.agent_start_exit import exit_with_message
from flow_core.agent.folder_ownership import check_folders
from flow_core.agent.machine_id import get_machine_id
from flow_core.agent.private_folders import make_private_folder

ARCHIVE_REQUEST = b"archive\n"
READY = b"ready\n"

_SIZES = "sizes.json"
_PACKAGE = "flow_core"


def main() -> None:
    name, digest, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    root = _find_state_folder() / "local" / get_machine_id()
    home = root / "bin" / name
    try:
        _install(root, home, digest, size)
    except OSError as error:
        exit_with_message(error)
    os.write(1, READY)
    _become_agent(home, root)


def _become_agent(home: Path, root: Path) -> None:
    """Continues as the agent in this process: a second interpreter would double the time of a connection.

    Removes the modules that were sent, so that the agent loads all its modules from its copy.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
        del sys.modules[name]
    sys.path.insert(0, str(home))
    sys.argv[1:] = [str(root)]
    from flow_core.agent import serve  # lazy import: it is in the copy

    serve.main()


def _install(root: Path, home: Path, digest: str, size: int) -> None:
    """Installs the agent's copy unless it is complete. Raises UnsafeFolder, OSError."""
    check_folders(root, more=[home])
    if not _is_complete(home):
        os.write(1, ARCHIVE_REQUEST)
        _unpack(_read_archive(digest, size), home)
    folders = {(home / name).parent for name in _read_sizes(home)}
    check_folders(root, more=[home, home / "flow_core", *folders, *(folder / "__pycache__" for folder in folders)])
    os.utime(home)


def _find_state_folder() -> Path:
    """Returns the state directory, by the same rules as `config.state_dir`."""
    setting = os.environ.get("FLOW_STATE_DIR")
    if setting:
        return Path(os.path.expanduser(setting)).absolute()
    default = "~/Library/Application Support" if sys.platform == "darwin" else "~/.local/state"
    base = os.environ.get("XDG_STATE_HOME", "").strip()
    return Path(base if os.path.isabs(base) else os.path.expanduser(default)) / "flow"


def _is_complete(home: Path) -> bool:
    """Returns whether the copy is complete.

    A machine that lost its power may have kept the names of files without their content.
    """
    try:
        sizes = _read_sizes(home)
        return bool(sizes) and all(_is_own_file(home / name, size) for name, size in sizes.items())
    except OSError:
        return False


def _read_sizes(home: Path) -> dict[str, Any]:
    """Returns the size of every file in a copy; empty if it is unknown."""
    try:
        sizes = json.loads((home / _SIZES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return sizes if isinstance(sizes, dict) else {}


def _is_own_file(path: Path, size: Any) -> bool:
    info = os.lstat(path)
    return stat.S_ISREG(info.st_mode) and info.st_size == size and info.st_uid == os.geteuid()


def _read_archive(digest: str, size: int) -> bytes:
    """Reads the archive from standard input. Raises OSError if it is incomplete or not the expected one."""
    data = bytearray()
    while len(data) < size:
        piece = os.read(0, size - len(data))
        if not piece:
            raise OSError(errno.EIO, "the program for this machine came only in part")
        data += piece
    if hashlib.sha256(data).hexdigest() != digest:
        raise OSError(errno.EIO, "the program for this machine was changed on its way")
    return bytes(data)


def _unpack(archive: bytes, home: Path) -> None:
    """Creates the folder under another name and renames it.

    A process that does this at the same time builds the same content.
    """
    files = json.loads(zlib.decompress(archive))
    make_private_folder(home.parent)
    staging = home.with_name(f".{home.name}-{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        for name, text in files.items():
            make_private_folder((staging / name).parent / "__pycache__")
            _write(staging / name, text.encode())
        sizes = {name: len(text.encode()) for name, text in files.items()}
        _write(staging / _SIZES, json.dumps(sizes).encode())
        if home.exists() and not _is_complete(home):
            shutil.rmtree(home, ignore_errors=True)
        try:
            os.rename(staging, home)
        except OSError:
            if not _is_complete(home):
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as stream:
        stream.write(data)
