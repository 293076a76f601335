"""What the fetching program has to say: how far it is, twice a second, and what went wrong."""

from __future__ import annotations

import os
import threading

_EVERY_S = 0.5
_UNITS = ("B", "kB", "MB", "GB", "TB")


class FetchError(Exception):
    """The data can't be had; the text is a sentence for the task's message."""


class Unfit(Exception):
    """Data that can't be files here; the text says why, and needs the address before it."""


class Report:
    """Lines on a descriptor. Its methods may be called from any thread."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._address = ""
        self._found = self._objects = self._objects_done = 0
        self._bytes = self._bytes_done = 0
        self._ended = threading.Event()
        threading.Thread(target=self._speak, daemon=True).start()

    def look(self, address: str) -> None:
        """It begins to list what is there."""
        with self._lock:
            self._address, self._found, self._objects = address, 0, 0

    def found(self, count: int) -> None:
        with self._lock:
            self._found += count

    def begin(self, address: str, objects: int, total_bytes: int) -> None:
        """It begins to fetch that many."""
        with self._lock:
            self._address, self._objects, self._objects_done = address, objects, 0
            self._bytes, self._bytes_done = total_bytes, 0

    def moved(self, count: int) -> None:
        """Bytes came, or turned out to be needed again when negative."""
        with self._lock:
            self._bytes_done += count

    def arrived(self) -> None:
        """One object is complete."""
        with self._lock:
            self._objects_done += 1

    def end(self, verdict: str) -> None:
        """The last line."""
        self._ended.set()
        with self._lock:
            self._write(verdict)

    def _speak(self) -> None:
        while not self._ended.wait(_EVERY_S):
            with self._lock:
                if self._address and not self._ended.is_set():
                    self._write(f"say fetching {self._address}: {self._progress()}")

    def _progress(self) -> str:
        if not self._objects:
            return f"{self._found} objects found so far"
        bytes_done = amount(self._bytes_done, self._bytes)
        return f"{bytes_done} of {amount(self._bytes)}, {self._objects_done} of {self._objects} objects"

    def _write(self, line: str) -> None:
        os.write(self._fd, line.replace("\n", " ").encode(errors="replace") + b"\n")


def amount(count: int, beside: int | None = None) -> str:
    """Bytes for people; in the unit of `beside`, and without it, when that is given."""
    unit, size = 0, float(count if beside is None else beside)
    while size >= 1000 and unit < len(_UNITS) - 1:
        unit, size = unit + 1, size / 1000
    text = f"{count / 1000**unit:.{1 if unit else 0}f}"
    return f"{text} {_UNITS[unit]}" if beside is None else text
