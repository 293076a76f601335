"""Big logs for benches, made in pieces of about 1 MiB. The same arguments give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

_PIECE_LINES = 8192
_LEVELS = ("INFO", "INFO", "INFO", "INFO", "DEBUG", "INFO", "WARNING", "INFO")
_SGR = {"INFO": "\x1b[32m", "DEBUG": "\x1b[2m", "WARNING": "\x1b[1;33m", "ERROR": "\x1b[38;5;196m"}
_ERROR_EVERY = 1009
_FRAMES = "▏▎▍▌▋▊▉█"


def training_log() -> Iterator[bytes]:
    """Endless lines of a training of about 110 bytes each, every 1009th an error. No two lines are equal."""
    return _join(map(_plain_line, count()))


def coloured_log() -> Iterator[bytes]:
    """The training log with SGR sequences around its level and its loss. Some words have two colours."""
    return _join(map(_coloured_line, count()))


def json_log() -> Iterator[bytes]:
    """Endless lines of JSON of about 150 bytes each."""
    return _join(map(_json_line, count()))


def merged_ranks(ranks: int = 8) -> Iterator[bytes]:
    """The output of several ranks in one stream: each line begins with `[rankN]: `."""
    return _join(f"[rank{number * 7 % ranks}]: {_plain_line(number)}" for number in count())


def nested_bars(inner_steps: int = 200) -> Iterator[bytes]:
    """Endless nested tqdm bars: each redraw goes down one row and up again. About 110 bytes a redraw."""
    return _join_raw(_bar_redraw(number, inner_steps) for number in count())


def redrawn_block(rows: int = 8) -> Iterator[bytes]:
    """Endless redraws of a block of rows, as docker and compose write them: cursor up, erase, print."""
    return _join_raw(_block_redraw(number, rows) for number in count())


def carriage_returns() -> Iterator[bytes]:
    """One line without an end: a bar that only writes carriage returns, about 60 bytes a redraw."""
    return _join_raw(f"\r{_bar(number % 1000, 1000)} step {number}" for number in count())


def long_json_line(size_bytes: int) -> bytes:
    """One line of JSON of about this size. Its end holds the word NEEDLE."""
    values = ",".join(map(str, range(max(1, size_bytes // 7))))
    return f'{{"event":"config","values":[{values},"NEEDLE"],"status":"end of object"}}\n'.encode()


def write_log(file: Path, stream: Iterator[bytes], size_bytes: int) -> int:
    """Writes whole pieces until the file has at least this size. Returns its size. Takes about 25 s for 1 GB."""
    written = 0
    with file.open("wb") as out:
        while written < size_bytes:
            written += out.write(next(stream))
    return written


def take_pieces(stream: Iterator[bytes], pieces: int) -> bytes:
    return b"".join(islice(stream, pieces))


def _join(lines: Iterator[str]) -> Iterator[bytes]:
    while True:
        yield ("\n".join(islice(lines, _PIECE_LINES)) + "\n").encode()


def _join_raw(parts: Iterator[str]) -> Iterator[bytes]:
    while True:
        yield "".join(islice(parts, _PIECE_LINES)).encode()


def _level(number: int) -> str:
    return "ERROR" if number % _ERROR_EVERY == _ERROR_EVERY - 1 else _LEVELS[number % len(_LEVELS)]


def _clock(number: int) -> str:
    seconds, milliseconds = divmod(number * 37, 1000)
    return f"2026-01-02 {seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{milliseconds:03d}"


def _plain_line(number: int) -> str:
    loss = 1 / (1 + number % 5000)
    return (
        f"{_clock(number)} {_level(number)} train.py:{number % 400 + 1} step={number} loss={loss:.5f}"
        f" lr=1.0e-04 tokens/s={180000 + number % 7919} mem=71.3GiB"
    )


def _coloured_line(number: int) -> str:
    level = _level(number)
    half = len(level) // 2
    return (
        f"\x1b[2m{_clock(number)}\x1b[0m {_SGR[level]}{level[:half]}\x1b[1m{level[half:]}\x1b[0m step={number}"
        f" \x1b[36mloss\x1b[0m=\x1b[1;38;2;255;175;0m{1 / (1 + number % 5000):.5f}\x1b[0m tokens/s={number % 7919}"
    )


def _json_line(number: int) -> str:
    record = {
        "time": _clock(number),
        "level": _level(number).lower(),
        "message": "step done",
        "step": number,
        "loss": round(1 / (1 + number % 5000), 5),
        "rank": number % 8,
    }
    return json.dumps(record)


def _bar(done: int, total: int) -> str:
    filled, part = divmod(done * 80 // total, 8)
    return f"{done * 100 // total:3d}%|{'█' * filled}{_FRAMES[part]}{' ' * (9 - filled)}| {done}/{total}"


def _bar_redraw(number: int, steps: int) -> str:
    epoch, step = divmod(number, steps)
    start = f"\repochs: {_bar(epoch % 100, 100)}" if not step else ""
    return f"{start}\n\rsteps: {_bar(step, steps)} [00:{step % 60:02d}, 312.5it/s, loss=0.{number % 1000:03d}]\x1b[A"


def _block_redraw(number: int, rows: int) -> str:
    lines = "".join(f"\x1b[2K layer-{row}  {_bar((number + row * 13) % 100, 100)}\n" for row in range(rows))
    return f"{lines}\x1b[{rows}A"
