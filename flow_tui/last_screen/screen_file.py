"""The file of a kept screen: texts with their styles, the time, and the state of the config file.

A reader trusts nothing in it: a text is printable, a style consists of numbers, and everything has a limit.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # true for type checkers; importing typing would take longer than the whole module
if TYPE_CHECKING:
    from collections.abc import Sequence

    StyledRow = Sequence[tuple[str, str]]
    """The texts of a row, each after the parameters of its SGR sequence, such as "1;38;2;79;184;168"."""

BYTES_MAX = 256 << 10
_MAGIC = "flow-tui screen 1"
_STYLE_MAX = 64
_NO_FILE = "none"


class KeptScreen:
    """A screen of an earlier session. `kept_at` is a Unix time. `mark_style` is the style of the row that shows it."""

    __slots__ = ("config_path", "config_stamp", "kept_at", "mark_style", "rows")

    def __init__(
        self, kept_at: int, config_path: str, config_stamp: str, mark_style: str, rows: Sequence[StyledRow]
    ) -> None:
        self.kept_at = kept_at
        self.config_path = config_path
        self.config_stamp = config_stamp
        self.mark_style = mark_style
        self.rows = rows

    @property
    def has_current_config(self) -> bool:
        """Whether the config file is the one with which the screen was drawn."""
        return stamp_file(self.config_path) == self.config_stamp


def stamp_file(path: str) -> str:
    """Returns a text that differs after each change of the file. A missing file also has one."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return _NO_FILE
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"


def encode_screen(screen: KeptScreen) -> bytes | None:
    """Returns the content of a file; None if the screen can't be kept (a strange path, too many bytes)."""
    head = (_MAGIC, str(screen.kept_at), screen.config_path, screen.config_stamp, screen.mark_style)
    rows = ("\t".join(part for styled in row for part in styled) for row in screen.rows)
    data = "\n".join((*head, *rows)).encode("utf-8", "replace")
    return data if decode_screen(data, len(screen.rows)) is not None else None


def read_screen(path: str, rows: int) -> KeptScreen | None:
    """Reads a screen of this many rows; None if there is none, or if anything is wrong with the file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return decode_screen(os.read(fd, BYTES_MAX + 1), rows)
    except OSError:
        return None
    finally:
        os.close(fd)


def decode_screen(data: bytes, rows: int) -> KeptScreen | None:
    """Parses the content of a file; None if anything in it is unexpected."""
    if len(data) > BYTES_MAX:
        return None
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return None
    if len(lines) != rows + 5 or lines[0] != _MAGIC or not _is_number(lines[1]) or not _is_style(lines[4]):
        return None
    styled = [_decode_row(line) for line in lines[5:]]
    parsed = [row for row in styled if row is not None]
    return None if len(parsed) < rows else KeptScreen(int(lines[1]), lines[2], lines[3], lines[4], parsed)


def _decode_row(line: str) -> StyledRow | None:
    parts = line.split("\t")
    styles, texts = parts[::2], parts[1::2]
    is_sound = len(parts) % 2 == 0 and all(map(_is_style, styles)) and all(map(str.isprintable, texts))
    return list(zip(styles, texts, strict=True)) if is_sound else None


def _is_number(text: str) -> bool:
    return len(text) <= 12 and text.isascii() and text.isdigit()


def _is_style(text: str) -> bool:
    return len(text) <= _STYLE_MAX and not text.strip("0123456789;")
