"""Creates folders and files that only their owner can read.

Standard library only: the supervisor of a local task imports this.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path


def make_private_folder(path: Path) -> None:
    """Create a folder and its missing parents, all with mode 0700; `Path.mkdir` gives that mode to the last one only.

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
    """Open a file for `open`; a new file gets the mode 0600, whatever the umask is."""
    return os.open(path, flags, 0o600)
