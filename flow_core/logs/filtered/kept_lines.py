"""The offsets of the lines that pass filters, as a child process writes them: read by number, never all at once."""

from __future__ import annotations

import os
import tempfile
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from flow_core.errors import FlowError

_PAGE = 512
_MAX_PAGES = 256
_BYTES = 8


class KeptLines:
    """A sequence of codes in ascending order: twice the offset of a line, plus one if it is only context.

    Those before the starting point of the scan are in one file in descending order, those after it in another, and
    those that can still change in memory. Both files have no name, and need no space once they are closed.
    """

    def __init__(self, files: Sequence[int] | None = None) -> None:
        """Raises FlowError if there is no place for temporary files. It owns `files`."""
        try:
            self._files = [_make_file() for _ in range(2)] if files is None else list(files)
        except OSError as error:
            raise FlowError(f"a filter needs a temporary file: {error.strerror or error}") from error
        self._backward = self._forward = 0
        self._tail: Sequence[int] = ()
        self._pages: OrderedDict[tuple[int, int], array[int]] = OrderedDict()

    @property
    def output(self) -> tuple[int, int]:
        """The file descriptors to write to: first for the descending order, then for the ascending one."""
        return self._files[0], self._files[1]

    def __len__(self) -> int:
        return self._backward + self._forward + len(self._tail)

    def __getitem__(self, number: int) -> int:
        if number < self._backward:
            return self._read(0, self._backward - 1 - number)
        number -= self._backward
        return self._read(1, number) if number < self._forward else self._tail[number - self._forward]

    def apply_report(self, report: dict[str, Any]) -> None:
        """Makes the lines available that the child has written since the last report."""
        self._backward, self._forward, self._tail = report["backward"], report["forward"], report["tail"]

    def find(self, offset: int) -> int:
        """Returns the number of lines that begin before `offset`."""
        return bisect_left(self, 2 * offset)

    def copy(self) -> KeptLines:
        """Returns the lines so far, for another thread. It stays as it is when more lines are found."""
        twin = KeptLines([os.dup(file) for file in self._files])
        twin._backward, twin._forward, twin._tail = self._backward, self._forward, tuple(self._tail)
        return twin

    def close(self) -> None:
        """Releases the files. Calling it again is safe."""
        while self._files:
            os.close(self._files.pop())
        self._backward = self._forward = 0
        self._tail = ()
        self._pages.clear()

    def _read(self, file: int, number: int) -> int:
        page, index = divmod(number, _PAGE)
        codes = self._pages.get((file, page))
        if codes is None or index >= len(codes):
            data = os.pread(self._files[file], _PAGE * _BYTES, page * _PAGE * _BYTES)
            codes = self._pages[file, page] = array("Q", data[: len(data) // _BYTES * _BYTES])
            if len(self._pages) > _MAX_PAGES:
                self._pages.popitem(last=False)
        return codes[index]


def _make_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
