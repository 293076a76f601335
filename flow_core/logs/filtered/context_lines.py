"""Adds the lines around the lines that a filter kept."""

from __future__ import annotations

from collections.abc import Sequence


class ContextLines:
    """A pass over lines in one direction, block by block. `count` lines before and after each kept line are added.

    A result is a code: twice the offset of a line, plus one for a line that is only context.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._left = 0
        """How many of the next lines belong to the last kept line."""
        self._pending: list[int] = []
        """The last lines, which belong to a kept line if it comes soon."""

    def copy(self) -> ContextLines:
        twin = ContextLines(self._count)
        twin._left, twin._pending = self._left, self._pending.copy()
        return twin

    def forget_pending(self) -> None:
        """Leaves out the lines so far. Those that follow them still may belong to them."""
        self._pending.clear()

    def add(self, new_lines: Sequence[int], kept: set[int]) -> list[int]:
        """Takes the next lines, of which those in `kept` were kept. Returns the codes of those to show."""
        lines = [*self._pending, *new_lines]
        codes: list[int] = []
        position, left = 0, self._left
        for index in [index for index, line in enumerate(lines) if line in kept] if kept else ():
            after = min(index, position + left)
            before = max(after, index - self._count)
            codes += [2 * line + 1 for line in (*lines[position:after], *lines[before:index])]
            codes.append(2 * lines[index])
            position, left = index + 1, self._count
        after = min(len(lines), position + left)
        codes += [2 * line + 1 for line in lines[position:after]]
        self._left = left - (after - position)
        self._pending = lines[max(after, len(lines) - self._count) :] if self._count else []
        return codes
