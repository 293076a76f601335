"""What is on a terminal, kept up to date piece by piece. It is fast, so that it may be asked while something is timed.

It knows the sequences that programs built on Textual send: they place the cursor, write and erase. A program that sends
only the cells that have changed never sends a changed word as a whole, so that it can't be found among the bytes.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

_TOKEN = re.compile(
    r"\x1b\[(?P<prefix>[?<=>]?)(?P<numbers>[0-9;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|\x1b[PX^_\]].*?(?:\x1b\\|\x07)|\x1b[ -/]*[0-OQ-WYZ\\`-~]|(?P<control>[\x00-\x1a\x1c-\x1f])"
    r"|(?P<text>[^\x00-\x1f]+)",
    re.DOTALL,
)


class CellGrid:
    """The characters on a terminal of a fixed size.

    `touched` holds the rows that were written to; empty it to begin anew.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self._columns, self._rows = columns, rows
        self._cells = [[" "] * columns for _ in range(rows)]
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._x = self._y = 0
        self.touched: set[int] = set()

    def row(self, number: int) -> str:
        return "".join(self._cells[number])

    def shows(self, text: str) -> bool:
        return any(text in self.row(number) for number in range(self._rows))

    def feed(self, data: bytes) -> None:
        text, at = self._held + self._decoder.decode(data), 0
        for token in _TOKEN.finditer(text):
            if token.start() != at:  # an unfinished sequence has other text behind it
                break
            at = token.end()
            if token["text"]:
                self._write(token["text"])
            elif token["control"]:
                self._control(token["control"])
            elif token["final"] and not token["between"]:
                numbers = [int(number or 0) for number in token["numbers"].replace(":", ";").split(";")]
                self._sequence(token["prefix"] + token["final"], numbers)
        self._held = text[at:]

    def _write(self, text: str) -> None:
        self.touched.add(self._y)
        cells = self._cells[self._y]
        for character in text:
            if self._x < self._columns:
                cells[self._x] = character
            self._x += 2 if unicodedata.east_asian_width(character) in "WF" else 1

    def _control(self, character: str) -> None:
        if character == "\r":
            self._x = 0
        elif character == "\b":
            self._x = max(0, self._x - 1)
        elif character == "\n" and self._y + 1 < self._rows:
            self._y += 1
        elif character == "\n":
            self._cells = [*self._cells[1:], [" "] * self._columns]
            self.touched = set(range(self._rows))

    def _sequence(self, name: str, numbers: list[int]) -> None:
        count = max(1, numbers[0])
        if name in ("H", "f"):
            self._y = min(count, self._rows) - 1
            self._x = min(max(1, numbers[1]) if len(numbers) > 1 else 1, self._columns) - 1
        elif name == "G":
            self._x = min(count, self._columns) - 1
        elif name in ("A", "B"):
            self._y = min(max(0, self._y + (count if name == "B" else -count)), self._rows - 1)
        elif name in ("C", "D"):
            self._x = min(max(0, self._x + (count if name == "C" else -count)), self._columns - 1)
        elif (name == "J" and numbers[0] == 2) or (name == "?h" and numbers == [1049]):
            self._cells = [[" "] * self._columns for _ in range(self._rows)]
            self.touched = set(range(self._rows))
        elif name == "K":
            start, end = ((self._x, self._columns), (0, self._x + 1), (0, self._columns))[numbers[0]]
            self._cells[self._y][start:end] = [" "] * (end - start)
            self.touched.add(self._y)
