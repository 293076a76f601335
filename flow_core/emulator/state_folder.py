"""The folder that --folder names."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from flow_core.emulator.nodes.first_boot_disk import erase

_FILES = "emulator"
_TRIES, _BETWEEN_TRIES_S = 20, 0.1


class FolderRefused(Exception):
    """The folder can't be used; the text is a sentence with the reason."""


class EmulatorFolder:
    """The folder of an emulator. Its files are in a separate subfolder, which is all that it deletes at the end.

    With `delete_all` the rest of the folder is deleted too, and the folder itself; otherwise only a folder that `claim`
    created. No earlier file is deleted: a folder that contains anything is refused.
    """

    def __init__(self, path: Path, *, delete_all: bool = False) -> None:
        self._path = path
        self._delete_all = delete_all
        self._is_claimed = False
        self._is_new = False

    @property
    def files(self) -> Path:
        return self._path / _FILES

    def claim(self) -> None:
        """Creates the folder, or checks that it is empty. Raises FolderRefused."""
        try:
            with suppress(FileExistsError):
                self._path.mkdir(mode=0o700)
                self._is_new = True
            if any(self._path.iterdir()):
                raise FolderRefused(f"{self._path} is not empty; give --folder an empty folder or a new name")
            self.files.mkdir(mode=0o700)
        except OSError as error:
            raise FolderRefused(f"{self._path} can't be used: {error.strerror}") from error
        self._is_claimed = True

    def release(self) -> None:
        """Deletes the emulator's files, or with `delete_all` everything. Keeps a folder that holds other files."""
        if not self._is_claimed:
            return
        _erase(self._path if self._delete_all else self.files)
        if self._is_new or self._delete_all:
            with suppress(OSError):  # files of other programs are in it
                self._path.rmdir()


def _erase(folder: Path) -> None:
    """Deletes the folder. Retries: killed processes may still be writing there for a moment."""
    for _ in range(_TRIES):
        try:
            erase(folder)
            return
        except OSError:
            time.sleep(_BETWEEN_TRIES_S)
