"""Answers what a program asks its terminal, for readers that take the output without making a picture of it."""

from __future__ import annotations

import os
import re

from testbed.pty_screen import ANSWERS

_QUESTION = re.compile(b"|".join(map(re.escape, ANSWERS)))
_LONGEST = max(map(len, ANSWERS))


class TerminalAnswers:
    """The answers of one terminal. A question may be cut at any byte; each gets one answer."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._held = b""

    def feed(self, output: bytes) -> None:
        """Answers the questions in the next piece of output."""
        data, end = self._held + output, 0
        for question in _QUESTION.finditer(data):
            os.write(self._fd, ANSWERS[question[0]])
            end = question.end()
        self._held = data[max(end, len(data) - _LONGEST + 1) :]
