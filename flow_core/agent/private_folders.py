"""Creates folders and files that only their owner can read.

The supervisor of a local task imports this, so it must load fast.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path


def make_private_folder(path: Path) -> None:
    """Creates a folder and its missing parents, all with mode 0700; `Path.mkdir` gives that mode to the last one only.

    Existing folders keep their modes. Calling it again is safe. Raises OSError.
    """
    if path.is_dir():
        return
    make_private_folder(path.parent)
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None


def private_opener(path: str, flags: int) -> int:
    """Opens a file for `open`; a new file gets the mode 0600, whatever the umask is."""
    return os.open(path, flags, 0o600)
