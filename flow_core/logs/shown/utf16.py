"""Recognises lines of UTF-16 in a log, and converts them to UTF-8."""

from __future__ import annotations

BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def decode_utf16_line(line: bytes, *, is_whole: bool) -> bytes:
    """Converts a line, split at the byte of its newline, to UTF-8 if it is UTF-16. Otherwise returns `line`.

    Of a line that is not whole yet, only the byte order mark is removed: a terminal ignores the zero bytes of text in
    Latin letters.

    The newline of little-endian text leaves its second byte at the beginning of the next line, and the one of
    big-endian text leaves its first byte at the end of the line.
    """
    codec = BYTE_ORDER_MARKS.get(line[:2])
    if not is_whole:
        return line[2:] if codec else line
    if codec:
        return _decode(line[2:], codec)
    if b"\0" not in line:
        return line
    body = line[1:] if line[:1] == b"\0" and len(line) % 2 else line
    if _is_mostly_zero(body[1::2]):
        return _decode(body, "utf-16-le")
    if _is_mostly_zero(line[0::2]):
        return _decode(line, "utf-16-be")
    return line


def _is_mostly_zero(data: bytes) -> bool:
    return len(data) > 0 and data.count(0) * 4 >= len(data) * 3


def _decode(data: bytes, codec: str) -> bytes:
    even = data[: len(data) - len(data) % 2]
    return even.decode(codec, "replace").encode("utf-8", "replace")
