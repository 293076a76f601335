"""A fold whose end is not known yet."""

from __future__ import annotations

from enum import StrEnum

from flow_core.logs.analysis.fold_grammar import (
    CHAINED,
    EXCEPTION_LINE,
    GROUPED_EXCEPTION,
    LINES,
    MESSAGE_GOES_ON,
    SUMMARIES,
    TRACEBACK_HEADER,
    FoldKind,
)
from flow_core.logs.analysis.text_line import TextLine

_MOST_STRAY = 50
_MOST_EMPTY = 2
_LONGEST_MESSAGE = 60
_REMOTE_EXCEPTION = "RayTaskError("
_BOX = ("│", "╰", "┃", "╭", "❱")


class Role(StrEnum):
    """What a line is to an open fold."""

    INSIDE = "inside"
    STRAY = "stray"
    """Another process wrote it; the fold may go on."""
    OUTSIDE = "outside"


class OpenFold:
    """A dump: it goes on as long as its lines look like one. Empty lines belong to it only if it goes on after them."""

    def __init__(self, kind: FoldKind, source: str, first: TextLine) -> None:
        self.kind = kind
        self.source = source
        self.offsets = [first.offset]
        self.summary = first.offset
        self.last_count = 0
        self._empty: list[int] = []

    def feed(self, line: TextLine, body: str, is_nccl: bool) -> Role:
        if not body or body.isspace():
            return self._feed_empty(line)
        if not (is_nccl and self.kind is FoldKind.NCCL_DUMP) and not LINES[self.kind].match(body):
            return Role.OUTSIDE
        pattern = SUMMARIES.get(self.kind)
        self._add(line, is_summary=pattern is not None and pattern.match(body) is not None)
        return Role.INSIDE

    def _feed_empty(self, line: TextLine) -> Role:
        self._empty.append(line.offset)
        return Role.INSIDE if len(self._empty) <= _MOST_EMPTY else Role.OUTSIDE

    def _add(self, line: TextLine, *, is_summary: bool = False) -> None:
        self.offsets += [*self._empty, line.offset]
        self._empty.clear()
        if is_summary:
            self.summary = line.offset


class OpenTraceback(OpenFold):
    """A Python traceback, with those that it is chained to.

    `missing` counts the exception lines that are still to come: ranks that write to one pipe mix their lines.
    """

    def __init__(self, source: str, first: TextLine, body: str) -> None:
        super().__init__(FoldKind.TRACEBACK, source, first)
        header = TRACEBACK_HEADER.match(body)
        self._is_group = body.lstrip().startswith("+ ")
        self._indent = "" if header is None or self._is_group else header["indent"]
        self._missing = 1
        self._is_chained = False
        self._stray = 0
        self._message_lines = 0

    def feed(self, line: TextLine, body: str, is_nccl: bool) -> Role:
        if is_nccl:
            return Role.OUTSIDE
        if self._indent and body.startswith(self._indent):
            body = body[len(self._indent) :]
        if not body or body.isspace():
            return self._feed_empty(line)
        if self._missing:
            return self._feed_frame(line, body)
        return self._feed_after_exception(line, body)

    def _feed_frame(self, line: TextLine, body: str) -> Role:
        if TRACEBACK_HEADER.match(body):
            self._missing += 1
        elif not (body[0].isspace() or body.startswith(_BOX) or CHAINED.match(body)):
            return self._feed_exception(line, body)
        self._add(line, is_summary=self._is_group and GROUPED_EXCEPTION.match(body) is not None)
        return Role.INSIDE

    def _feed_exception(self, line: TextLine, body: str) -> Role:
        if self._is_group:
            return Role.OUTSIDE
        if EXCEPTION_LINE.match(body):
            self._missing -= 1
            self._add(line, is_summary=True)
            return Role.INSIDE
        if _REMOTE_EXCEPTION in body:
            self._add(line)  # its traceback follows without a header
            return Role.INSIDE
        self._stray += 1
        return Role.STRAY if self._stray <= _MOST_STRAY else Role.OUTSIDE

    def _feed_after_exception(self, line: TextLine, body: str) -> Role:
        if CHAINED.match(body):
            self._is_chained = True
        elif TRACEBACK_HEADER.match(body):
            if not self._is_chained:
                return Role.OUTSIDE
            self._missing, self._is_chained, self._message_lines = 1, False, 0
        elif not self._goes_on(body):
            return Role.OUTSIDE
        self._add(line)
        return Role.INSIDE

    def _goes_on(self, body: str) -> bool:
        """Whether the line continues the message of the exception."""
        self._message_lines += 1
        if MESSAGE_GOES_ON.match(body):
            return True
        has_own_prefix = self.source.startswith("[rank")  # only tracebacks have it
        is_indented = body.startswith("  ") and "%|" not in body
        return self._message_lines <= _LONGEST_MESSAGE and (has_own_prefix or is_indented)


def begin_fold(kind: FoldKind, source: str, first: TextLine, body: str) -> OpenFold:
    return OpenTraceback(source, first, body) if kind is FoldKind.TRACEBACK else OpenFold(kind, source, first)
