"""The progress of a download."""

from __future__ import annotations

import os
import threading

_INTERVAL_S = 0.5
_UNITS = ("B", "kB", "MB", "GB", "TB")


class DownloadProgress:
    """A writer of a progress line to a descriptor, twice a second. Any thread may call its methods."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._address = ""
        self._objects_total = self._bytes_total = self._objects = self._bytes = 0
        threading.Thread(target=self._run, daemon=True).start()

    def start(self, address: str, objects_total: int = 0, bytes_total: int = 0) -> None:
        """Reports the start of listing an address, or with totals of downloading it."""
        with self._lock:
            self._address, self._objects_total, self._bytes_total = address, objects_total, bytes_total
            self._objects = self._bytes = 0

    def add(self, *, objects: int = 0, size: int = 0) -> None:
        """Counts listed or complete objects, and bytes. A retried part counts with a negative size first."""
        with self._lock:
            self._objects += objects
            self._bytes += size

    def end(self, line: str) -> None:
        """Writes the last line."""
        self._ended.set()
        with self._lock:
            self._write(line)

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL_S):
            with self._lock:
                if self._address and not self._ended.is_set():
                    self._write(f"progress fetching {self._address}: {self._text()}")

    def _text(self) -> str:
        if not self._objects_total:
            return f"{self._objects} objects found so far"
        size = f"{format_bytes(self._bytes, self._bytes_total)} of {format_bytes(self._bytes_total)}"
        return f"{size}, {self._objects} of {self._objects_total} objects"

    def _write(self, line: str) -> None:
        os.write(self._fd, line.replace("\n", " ").encode(errors="replace") + b"\n")


def format_bytes(count: int, same_unit_as: int | None = None) -> str:
    """Formats a size with its unit; with `same_unit_as`, in the unit of that size and without its name."""
    unit, size = 0, float(count if same_unit_as is None else same_unit_as)
    while size >= 1000 and unit < len(_UNITS) - 1:
        unit, size = unit + 1, size / 1000
    text = f"{count / 1000**unit:.{1 if unit else 0}f}"
    return f"{text} {_UNITS[unit]}" if same_unit_as is None else text
