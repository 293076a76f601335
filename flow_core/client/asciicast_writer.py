"""Recordings of terminal sessions in asciicast v2, the format of asciinema."""

from __future__ import annotations

import codecs
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flow_core.agent.private_folders import make_private_folder, private_opener
from flow_core.config import state_dir
from flow_core.errors import FlowError


class AsciicastWriter:
    """A writer of a terminal's output, with the time. Keys are not recorded, since they include passwords."""

    def __init__(self, path: Path, columns: int, rows: int, title: str) -> None:
        self.path = path
        self._size = (columns, rows)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._started = time.monotonic()
        try:
            make_private_folder(path.parent)
            self._file = open(path, "x", encoding="utf-8", opener=private_opener)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise FlowError(f"the shell can't be recorded in {path}: {error.strerror}") from error
        header = {"version": 2, "width": columns, "height": rows, "timestamp": int(time.time()), "title": title}
        self._write(header | {"env": {"TERM": "xterm-256color"}})

    @classmethod
    def start(cls, name: str, columns: int, rows: int, title: str) -> AsciicastWriter:
        """Creates a file in the state directory's `recordings`, named after `name` and the time. Raises FlowError."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        return cls(state_dir() / "recordings" / f"{name}-{now}.cast", columns, rows, title)

    def __enter__(self) -> AsciicastWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write_output(self, data: bytes) -> None:
        """Records output of the remote side. A character may be split over two calls. Raises FlowError."""
        if text := self._decode(data):
            self._event("o", text)

    def write_size(self, columns: int, rows: int) -> None:
        """Records a new size of the terminal, if it changed. Raises FlowError."""
        if (columns, rows) != self._size:
            self._size = (columns, rows)
            self._event("r", f"{columns}x{rows}")

    def close(self) -> None:
        """Closes the file. Calling it again is safe."""
        if self._file.closed:
            return
        try:
            if text := self._decode(b"", final=True):
                self._event("o", text)
        finally:
            self._file.close()

    def _event(self, kind: str, text: str) -> None:
        self._write([round(time.monotonic() - self._started, 6), kind, text])

    def _write(self, line: Any) -> None:
        try:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise FlowError(f"the shell can't be recorded in {self.path}: {error.strerror}") from error
