"""Connects a shell to the terminal that this program runs in: keys, output and size."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, nullcontext
from typing import TYPE_CHECKING, TextIO

from flow_core.client.asciicast_writer import AsciicastWriter
from flow_core.errors import Unreachable

if TYPE_CHECKING:
    from flow_core.providers.contract.access import Shell

_KEYS_BYTES = 4096
_SIZE_POLL_S = 0.25  # SIGWINCH would be faster, but only the main thread can handle signals


class Printer:
    """A printer of a command's output to standard output and standard error.

    A character may be split over two calls.
    """

    def __init__(self) -> None:
        make = codecs.getincrementaldecoder("utf-8")
        self._decoders = {1: make("replace"), 2: make("replace")}

    async def __call__(self, stream: int, data: bytes) -> None:
        await asyncio.to_thread(_print, sys.stdout if stream == 1 else sys.stderr, self._decoders[stream].decode(data))

    def end(self) -> None:
        """Writes U+FFFD if the last character is incomplete."""
        _print(sys.stdout, self._decoders[1].decode(b"", final=True))
        _print(sys.stderr, self._decoders[2].decode(b"", final=True))


class LocalTerminal:
    """The terminal of this program, given by its file descriptors."""

    def __init__(self, keys: int = 0, screen: int = 1) -> None:
        self._input_fd = keys
        self._output_fd = screen

    @property
    def is_there(self) -> bool:
        """Whether both descriptors are terminals, not a file, a pipe or closed."""
        return os.isatty(self._input_fd) and os.isatty(self._output_fd)

    @property
    def size(self) -> tuple[int, int]:
        """(columns, rows); 80x24 if unknown."""
        try:
            found = os.get_terminal_size(self._output_fd)
        except OSError:
            return 80, 24
        return found.columns or 80, found.lines or 24

    async def attach(self, shell: Shell, record_as: str | None = None) -> int:
        """Connects the terminal to a shell until the shell ends, closes the shell, and returns its exit code.

        Without a terminal, its output is only written. The terminal's mode is restored afterwards. With `record_as`,
        the session is recorded under that name, and the path of the file is written to standard error.
        """
        sys.stdout.flush()
        try:
            recording = AsciicastWriter.start(record_as, *self.size, shell.title) if record_as else None
            with recording or nullcontext():
                code = await self._serve(shell, recording)
        finally:
            await shell.close()
        if recording is not None:
            await asyncio.to_thread(_print, sys.stderr, f"recorded in {recording.path}\n")
        return code

    async def _serve(self, shell: Shell, recording: AsciicastWriter | None) -> int:
        if not self.is_there:
            await self._copy_output(shell, recording)
            return await shell.wait()
        with self._raw_mode():
            helpers = [
                asyncio.create_task(self._copy_keys(shell)),
                asyncio.create_task(self._follow_size(shell, recording)),
            ]
            try:
                await self._copy_output(shell, recording)
                return await shell.wait()
            finally:
                for helper in helpers:
                    helper.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)

    async def _copy_output(self, shell: Shell, recording: AsciicastWriter | None) -> None:
        printer = Printer()
        async with aclosing(shell.read()) as pieces:  # type: ignore[type-var]  # an async generator, which has aclose
            async for piece in pieces:
                if self.is_there:
                    await asyncio.to_thread(_write_all, self._output_fd, piece)
                else:
                    await printer(1, piece)
                if recording is not None:
                    recording.write_output(piece)
        printer.end()

    async def _copy_keys(self, shell: Shell) -> None:
        loop = asyncio.get_running_loop()
        while True:
            ready = loop.create_future()
            loop.add_reader(self._input_fd, _resolve, ready)
            try:
                await ready
            finally:
                loop.remove_reader(self._input_fd)
            keys = os.read(self._input_fd, _KEYS_BYTES)
            try:
                await shell.write(keys or b"\x04")
            except Unreachable:
                return  # the shell has just ended; `_copy_output` returns too
            if not keys:
                return

    async def _follow_size(self, shell: Shell, recording: AsciicastWriter | None) -> None:
        known = self.size
        while True:
            await asyncio.sleep(_SIZE_POLL_S)
            if (size := self.size) != known:
                known = size
                await shell.resize(*size)
                if recording is not None:
                    recording.write_size(*size)

    @contextmanager
    def _raw_mode(self) -> Iterator[None]:
        before = termios.tcgetattr(self._input_fd)
        tty.setraw(self._input_fd, termios.TCSADRAIN)
        try:
            yield
        finally:
            termios.tcsetattr(self._input_fd, termios.TCSADRAIN, before)


def _print(target: TextIO, text: str) -> None:
    if text:
        target.write(text)
        target.flush()


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
