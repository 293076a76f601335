"""Any program in a real terminal of a given size, and what a person would see there."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import pyte
from testbed.waiting import DEADLINE_S, has_input

KEYS = {
    "enter": "\r",
    "alt+enter": "\x1b\r",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "esc": "\x1b",
    "space": " ",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pgup": "\x1b[5~",
    "pgdn": "\x1b[6~",
    "ctrl+]": "\x1d",
    "f4": "\x1bOS",
    "f8": "\x1b[19~",
    "f9": "\x1b[20~",
}
# What a terminal of today answers when a program asks what it can do.
ANSWERS = {
    b"\x1b[?2026$p": b"\x1b[?2026;2$y",
    b"\x1b[?2048$p": b"\x1b[?2048;0$y",
    b"\x1b[?u": b"\x1b[?0u",
    b"\x1b[5n": b"\x1b[0n",
    b"\x1b[6n": b"\x1b[1;1R",
    b"\x1b[c": b"\x1b[?62;22c",
    b"\x1b[>c": b"\x1b[>1;10;0c",
}
_SEQUENCE = re.compile(rb"\x1b\[([<=>?]?)[0-9;:]*([ -/]*)([@-~])|\x1b[PX^_].*?\x1b\\", re.DOTALL)
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[PX^_](?:(?!\x1b\\).)*)?$", re.DOTALL)
# Programs take an escape byte with something right behind it for one key; terminals leave this gap.
_ESCAPE_GAP_S = 0.5
_SLICE_S = 0.05


class Screen:
    """A program on a terminal. `send` types, `wait_for` looks; leaving the `with` block ends the program."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, *, columns: int = 120, rows: int = 36
    ) -> None:
        self.raw = bytearray()
        self.exit_code: int | None = None
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._held = b""
        self._escape_sent_at = 0.0
        self._closed = False
        self.started_at = time.monotonic()
        self.pid, self._fd = _spawn(argv, env, columns, rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def send(self, *keys: str) -> None:
        """Types: names of keys ("ctrl+n", "tab") or text as it is."""
        for key in keys:
            while (gap := self._escape_sent_at + _ESCAPE_GAP_S - time.monotonic()) > 0:
                self.pump(gap)
            data = key_bytes(key)
            self._write(data)
            if data == b"\x1b":
                self._escape_sent_at = time.monotonic()

    def wait_for(self, expected: str | Callable[[str], object], timeout_s: float = DEADLINE_S) -> str:
        """Reads until the expected text is on the screen, or the expected condition of the screen's text is true."""
        holds = expected if callable(expected) else lambda text: expected in text
        deadline = time.monotonic() + timeout_s
        while True:
            text = self.text()
            if holds(text):
                return text
            if time.monotonic() > deadline or (self._closed and not self.pump(0)):
                name = repr(expected) if isinstance(expected, str) else "the condition"
                why = "the program ended" if self._closed else f"{timeout_s:g} s went by"
                raise AssertionError(f"{why} without {name} on the screen:\n{self.framed()}")
            self.pump(_SLICE_S)

    def settle(self, quiet_s: float = 0.1, timeout_s: float = 5.0) -> None:
        """Reads on until nothing came for a moment, as a person looks before typing on: a key that moves the
        focus must have arrived before the next key, or the old focus gets that one."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.pump(quiet_s):
            pass

    def wait_exit(self, timeout_s: float = DEADLINE_S) -> int:
        """The exit code, 128 + N for a signal, once the program has ended by itself."""
        deadline = time.monotonic() + timeout_s
        while not self._reaped():
            if time.monotonic() > deadline:
                raise AssertionError(f"still running after {timeout_s:g} s:\n{self.framed()}")
            self.pump(_SLICE_S)
        while self.pump(0):
            pass
        assert self.exit_code is not None
        return self.exit_code

    def pump(self, timeout_s: float) -> bool:
        """Takes in one piece of output; False when none came in time."""
        if self._closed:
            time.sleep(min(timeout_s, _SLICE_S))
            return False
        if not has_input(self._fd, timeout_s):
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""  # Linux says so when the last program let go of the terminal
        self._closed = not data
        self.raw += data
        self._feed(data)
        return bool(data)

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def framed(self) -> str:
        edge = "-" * self._screen.columns
        return f"{edge}\n{self.text()}\n{edge}"

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        _set_size(self._fd, columns, rows)

    def is_cooked(self) -> bool:
        """Whether the terminal echoes and edits lines again, as a program must leave it."""
        local_modes: int = termios.tcgetattr(self._fd)[3]
        return bool(local_modes & termios.ECHO and local_modes & termios.ICANON)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends the program at once, if it still runs, and lets go of the terminal. Twice is safe."""
        if self._fd < 0:
            return
        if not self._reaped():
            os.kill(self.pid, signal.SIGKILL)
            self._note_exit(os.waitpid(self.pid, 0)[1])
        os.close(self._fd)
        self._fd, self._closed = -1, True

    def _feed(self, data: bytes) -> None:
        data = self._held + data
        unfinished = _UNFINISHED.search(data)
        cut = unfinished.start() if unfinished else len(data)
        self._held = data[cut:]
        self._stream.feed(_SEQUENCE.sub(self._pass_on, data[:cut]))

    def _pass_on(self, found: re.Match[bytes]) -> bytes:
        """Answers questions; keeps from pyte what it takes for something else or fails on."""
        if answer := ANSWERS.get(found[0]):
            self._write(answer)
            return b""
        prefix, between, final = found[1], found[2], found[3]
        understood = final and not between and (not prefix or (prefix == b"?" and final in b"hl"))
        return found[0] if understood else b""

    def _write(self, data: bytes) -> None:
        try:
            os.write(self._fd, data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise

    def _reaped(self) -> bool:
        if self.exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._note_exit(status)
        return self.exit_code is not None

    def _note_exit(self, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        self.exit_code = 128 - code if code < 0 else code


def key_bytes(key: str) -> bytes:
    if key in KEYS:
        return KEYS[key].encode()
    if key.startswith("ctrl+") and len(key) == len("ctrl+x"):
        return bytes([ord(key[-1].upper()) & 0x1F])
    return key.encode()


def _spawn(argv: Sequence[str], env: Mapping[str, str] | None, columns: int, rows: int) -> tuple[int, int]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    full = inherited | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"} | dict(env or {})
    with warnings.catch_warnings():
        # The child does nothing but exec, so the threads of a test runner are no danger to it.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid, fd = pty.fork()
    if pid == 0:
        try:
            _set_size(0, columns, rows)  # before the program starts, so that it never sees 0x0
            os.execvpe(argv[0], list(argv), full)
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        finally:
            os._exit(127)
    return pid, fd


def _set_size(fd: int, columns: int, rows: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


if __name__ == "__main__":
    with Screen(sys.argv[1:], columns=80, rows=24) as shown:
        shown.wait_exit(60)
        print(shown.framed())
