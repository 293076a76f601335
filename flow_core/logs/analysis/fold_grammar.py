"""Which lines begin, continue and end a traceback or a dump of a stack. All texts are without their prefix."""

from __future__ import annotations

import re
from enum import StrEnum


class FoldKind(StrEnum):
    """What a fold contains."""

    TRACEBACK = "traceback"
    NCCL_DUMP = "NCCL dump"
    STACK_DUMP = "stack dump"
    JAVA_TRACE = "Java trace"
    GO_TRACE = "Go trace"


TRACEBACK_HEADER = re.compile(r"(?P<indent>\s*)(?:.{0,120}?[: |+─]|)Traceback \(most recent call last\):?[ ─╮]*$")
CHAINED = re.compile(
    r"\s*(?:During handling of the above exception, another exception occurred"
    r"|The above exception was the direct cause of the following exception):"
)
EXCEPTION_LINE = re.compile(r"[A-Za-z_][\w.]*(?:: .*|:?\s*)$")
GROUPED_EXCEPTION = re.compile(r"\s*\|\s*[A-Za-z_][\w.]*(?:Error|Exception|ExceptionGroup)\b")
MESSAGE_GOES_ON = re.compile(
    r"CUDA kernel errors might|For debugging consider passing|Compile with `|Device-side assertion|Search for `cuda"
    r"|nccl[A-Z]\w+: |Last error:|Exception raised from |frame #\d+: "
)

_STACK_LINE = re.compile(
    r"frame #\d+: |\s*#\d+ +0x[0-9a-f]+|\s+@ +0x[0-9a-f]+|\s+what\(\): |\[[^\]]*\] \[ ?\d+\] |Extension modules: "
    r"|[^\s(]++\(\S*\+0x[0-9a-f]+\) ?\[0x[0-9a-f]+\]|  File \"[^\"]*\", line \d+ in |(?:Current t|T)hread 0x[0-9a-f]+"
    r"|terminate called |Exception raised from |={4,}|\s+\d+: +\S|\s+at \S+:\d+|  <no Python frame>|\*\*\* End of error"
)
_STACK_BEGINS = re.compile(
    r"frame #\d+: |Exception raised from |terminate called |Fatal Python error: |#0 +0x[0-9a-f]+|stack backtrace:"
    r"|\*\*\* (?:SIG\w+|Aborted|Process received)|(?:Current t|T)hread 0x[0-9a-f]+ .*\(most recent call first\)"
    r"|={4} backtrace "
)
_JAVA_FRAME = re.compile(r"\s+at [\w.$<>/]+\((?:[\w.]+:\d+|Native Method|Unknown Source)\)")
_JAVA_LINE = re.compile(rf"{_JAVA_FRAME.pattern}|Caused by: |\s+\.\.\. \d+ (?:more|common)|\s+Suppressed: ")
_GO_BEGINS = re.compile(r"goroutine \d+ .*\[[^\]]*\]:$|panic: |fatal error: [a-z]")
_GO_LINE = re.compile(
    r"goroutine \d+ .*\[|[\w./*()-]+\(.*\)$|created by |\s+/\S+:\d+|\[signal SIG|exit status \d+|\s+panic: "
)
LINES = {
    FoldKind.STACK_DUMP: _STACK_LINE,
    FoldKind.NCCL_DUMP: _STACK_LINE,
    FoldKind.JAVA_TRACE: _JAVA_LINE,
    FoldKind.GO_TRACE: _GO_LINE,
}
"""The lines that continue a fold, apart from tracebacks and empty lines."""
SUMMARIES = {
    FoldKind.STACK_DUMP: re.compile(r"\s+what\(\): |Fatal Python error: |\*\*\* (?:SIG\w+|Aborted)|Exception raised"),
    FoldKind.JAVA_TRACE: re.compile(r"Caused by: "),
}
"""The lines that sum up a fold better than its first line. The last of them counts."""


def find_beginning(body: str, *, is_nccl: bool) -> FoldKind | None:
    """Returns the kind of the fold that begins with this line. A Java trace begins one line before."""
    if "Traceback (most recent" in body and TRACEBACK_HEADER.match(body):
        return FoldKind.TRACEBACK
    if is_nccl:
        return FoldKind.NCCL_DUMP
    if _STACK_BEGINS.match(body):
        return FoldKind.STACK_DUMP
    if _GO_BEGINS.match(body):
        return FoldKind.GO_TRACE
    return FoldKind.JAVA_TRACE if body[:1].isspace() and _JAVA_FRAME.match(body) else None


def is_stack_line(body: str) -> bool:
    return _STACK_LINE.match(body) is not None
